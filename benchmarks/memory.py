"""Memory, before and after an hour's worth of text through one server."""

import asyncio
from typing import Final

from .crowd import crowd
from .programs import emulator, memory, ours
from .table import Verdict, print_table, print_verdicts, verdict
from .texts import AT_ONCE, TEXTS, Text

# Words of an hour at ten a second, measured after each of so many parts of it.
WORDS: Final = 36_000
QUICK_WORDS: Final = 2_000
PARTS: Final = 6

# Clients at once, one reply each.
CLIENTS: Final = 5

# Bytes by which it may have grown from the first part to the last: what adds up with each reply
# would be far more.
GROWTH: Final = 2 * 2**20

ALL_TEXTS: Final = Text("all texts", tuple(line for text in TEXTS for line in text.sentences))


def run(*, quick: bool = False) -> list[Verdict]:
    """Measure, print the table and give the verdicts."""
    words = QUICK_WORDS if quick else WORDS
    spoken, audio, rows, used = 0, 0.0, [], []
    with emulator("--instant") as fish, ours(fish.url) as served:
        port, pid = served.port, served.program.pid
        before = memory(pid)
        for part in range(1, PARTS + 1):
            while spoken < words * part / PARTS:
                clients = asyncio.run(crowd(port, CLIENTS, ALL_TEXTS, AT_ONCE, 0.0))
                spoken += CLIENTS * len(ALL_TEXTS.words)
                audio += sum(client.seconds for client in clients)
            used.append(memory(pid))
            rows.append([f"{spoken}", f"{audio / 60:.0f} min", f"{used[-1] / 2**20:.1f} MiB"])
    print_table(
        "Memory of one server",
        ["words", "audio", "memory"],
        [["0", "0 min", f"{before / 2**20:.1f} MiB"], *rows],
    )
    growth = (used[-1] - used[0]) / 2**20
    verdicts = [verdict("growth from the first sixth to the last", growth, GROWTH / 2**20, "MiB")]
    print_verdicts(verdicts)
    return verdicts
