"""A pause of 12 seconds in the text: the longest time without a byte on the wire."""

import asyncio
from contextlib import ExitStack
from typing import Final

from .player import Heard
from .programs import emulator, ours, relay
from .speakers import hear, wyoming_server
from .table import Verdict, print_table, print_verdicts, verdict
from .texts import THREE_SENTENCES

PAUSE: Final = 12.0
QUICK_PAUSE: Final = 4.0

# Words a second.
PACE: Final = 10.0

# Seconds on the wire; satellites give up after 5.
LONGEST_GAP: Final = 3.0

PIECES: Final = THREE_SENTENCES.words
_END: Final = len(THREE_SENTENCES.sentences[0].split())

# The number of the piece that is late.
PLACES: Final = {
    "within the first sentence": 5,
    "after the first sentence": _END,
    "after a word of the second sentence": _END + 1,
    "within the second sentence": _END + 7,
    "before the last word": len(PIECES) - 1,
}


def run(*, quick: bool = False) -> list[Verdict]:
    """Measure, print the table and give the verdicts."""
    pause = QUICK_PAUSE if quick else PAUSE
    with ExitStack() as stack:
        fish = stack.enter_context(emulator())
        servers = [stack.enter_context(start(fish.url)) for start in (ours, relay)]
        ports = [served.port for served in servers]
        results = asyncio.run(_measure(ports, pause))
    rows = [
        [place, f"{own.longest_gap:.2f}", f"{bare.longest_gap:.2f}"]
        for place, (own, bare) in results.items()
    ]
    print_table(
        f"A pause of {pause:.0f} s in the text: seconds without audio on the wire, at the most",
        ["the text pauses", "server", "relay"],
        rows,
    )
    worst = max(own.longest_gap for own, _ in results.values())
    verdicts = [verdict("longest gap on the wire", worst, LONGEST_GAP, "s")]
    print_verdicts(verdicts)
    return verdicts


async def _measure(ports: list[int], pause: float) -> dict[str, list[Heard]]:
    async def all_at(number: int) -> list[Heard]:
        return await asyncio.gather(
            *(
                hear(wyoming_server(port), PIECES, PACE, pause_before=number, pause=pause)
                for port in ports
            )
        )

    heard = await asyncio.gather(*(all_at(number) for number in PLACES.values()))
    return dict(zip(PLACES, heard, strict=True))
