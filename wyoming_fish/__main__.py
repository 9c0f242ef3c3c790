"""The commands `wyoming-fish` and `wyoming-fish-app`.

Their modules take half a second to import, and longer on a small machine. Until then a signal ends
them immediately: the kernel ignores it for the first process of a container without a handler.
"""

from __future__ import annotations

import sys

from .server.shutdown import exit_on_signal

__all__ = ["main", "main_of_app"]


def main() -> int:
    """Run the server until it is stopped; the exit status is 1 if it cannot listen."""
    exit_on_signal()
    from .cli.run_server import run  # noqa: PLC0415 - the slow import

    return run()


def main_of_app() -> int:
    """Run the server as an app of Home Assistant's Supervisor."""
    exit_on_signal()
    from .cli.home_assistant_app import main as run  # noqa: PLC0415 - the slow import

    return run()


if __name__ == "__main__":
    sys.exit(main())
