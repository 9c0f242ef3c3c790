"""`python -m benchmarks [name …] [--quick]`: measure, and end with 1 where something fails."""

import argparse
import sys
from importlib import import_module
from typing import Final

from .table import Verdict, print_verdicts

# Each is a module with `run(quick=…)`, in the order in which they run.
NAMES: Final = (
    "first-audio",
    "certain-ends",
    "cleaning",
    "text-cost",
    "pauses",
    "load",
    "start-up",
    "memory",
    "cache",
    "home-assistant",
)
# These run when they are named.
ON_DEMAND: Final = ("event-loops", "text")


def main() -> int:
    """Run what was named, or all."""
    every = (*NAMES, *ON_DEMAND)
    parser = argparse.ArgumentParser(prog="script/bench", allow_abbrev=False)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="name",
        help=f"of {', '.join(every)}; without one, all but {', '.join(ON_DEMAND)}",
    )
    parser.add_argument("--quick", action="store_true", help="in short, to see that it runs")
    parser.add_argument(
        "--update", action="store_true", help="text: write the list of known failures first"
    )
    chosen = parser.parse_args()
    if unknown := set(chosen.names) - set(every):
        parser.error(f"{', '.join(sorted(unknown))}: there are {', '.join(every)}")

    verdicts: list[Verdict] = []
    for name in chosen.names or NAMES:
        module = import_module(f".{name.replace('-', '_')}", __package__)
        if chosen.update and name == "text":
            module.update()
        verdicts += module.run(quick=chosen.quick)
    failed = [verdict for verdict in verdicts if not verdict.passed]
    if failed and len(failed) < len(verdicts):
        print(f"\n{len(failed)} of {len(verdicts)} failed:")
        print_verdicts(failed)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
