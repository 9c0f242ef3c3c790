"""First audio with the text cleaned, beside first audio with the text sent as it came."""

import asyncio
from contextlib import ExitStack
from itertools import product
from statistics import median
from typing import Final, NamedTuple

from .programs import Served, cpu_seconds, emulator, ours
from .speakers import hear, wyoming_server
from .table import Verdict, print_table, print_verdicts, verdict
from .texts import AT_ONCE, THREE_SENTENCES, Text

MODES: Final = ("clean", "raw")

# Short, so that a reply is soon over. The second has the marks with which language models write, at
# the end of its first sentence too.
TEXTS: Final = (
    Text("plain", (THREE_SENTENCES.sentences[0], "Bring some bread.")),
    Text(
        "with Markdown",
        (
            "Tomorrow *morning* seven friends will travel by train to a **village**.",
            "Bring `some` bread.",
        ),
    ),
)
PACES: Final = (20.0, AT_ONCE)

# Clients at once, each of which has every text spoken so often in both ways, in turn.
CLIENTS: Final = 6
ROUNDS: Final = 16

# Seconds by which the medians may differ.
MOST: Final = 0.001


class Measured(NamedTuple):
    """What one way of speaking a text came to."""

    first_audio: list[float]
    """Seconds, of each reply."""
    cpu: float
    """Seconds of the server's CPU for a reply."""


def run(*, quick: bool = False) -> list[Verdict]:
    """Measure, print the table and give the verdicts."""
    clients, rounds = (1, 2) if quick else (CLIENTS, ROUNDS)
    rows, verdicts = [], []
    with ExitStack() as stack:
        fish = stack.enter_context(emulator())
        flags = (f"--concurrency={2 * CLIENTS}", f"--ready-connections={CLIENTS}")
        servers = {
            mode: stack.enter_context(ours(fish.url, f"--text-mode={mode}", *flags))
            for mode in MODES
        }
        # The first replies of a program find nothing in its caches.
        asyncio.run(_measure(servers, TEXTS[1], AT_ONCE, clients, 2))
        for text, pace in product(TEXTS, PACES):
            clean, raw = asyncio.run(_measure(servers, text, pace, clients, rounds)).values()
            later = median(clean.first_audio) - median(raw.first_audio)
            written = "complete text" if pace == AT_ONCE else f"{pace:.0f} words/s"
            rows.append(
                [
                    f"{text.name}, {written}",
                    f"{1000 * later:+.2f} ms",
                    *(f"{1000 * median(way.first_audio):.1f} ms" for way in (clean, raw)),
                    *(f"{1000 * way.cpu:.1f} ms" for way in (clean, raw)),
                ]
            )
            verdicts.append(
                verdict(
                    f"{text.name}, {written}: median first audio, cleaned and as it came, differ",
                    1000 * abs(later),
                    1000 * MOST,
                    "ms",
                )
            )
    print_table(
        f"The text cleaned, beside the text as it came: medians of {clients * rounds} pairs",
        [
            "text",
            "later",
            "first audio: cleaned",
            "as it came",
            "CPU a reply: cleaned",
            "as it came",
        ],
        rows,
    )
    print_verdicts(verdicts)
    return verdicts


async def _measure(
    servers: dict[str, Served], text: Text, pace: float, clients: int, rounds: int
) -> dict[str, Measured]:
    """Have all clients speak, each in one way after the other, and the other way round."""
    first_audio: dict[str, list[float]] = {mode: [] for mode in servers}

    async def speak(place: int) -> None:
        # Otherwise all of them would want the CPU at the same time, again and again.
        await asyncio.sleep(place / clients)
        for number in range(rounds):
            for mode in MODES if (place + number) % 2 else reversed(MODES):
                heard = await hear(wyoming_server(servers[mode].port), text.words, pace)
                first_audio[mode].append(heard.first_audio)

    before = {mode: cpu_seconds(served.program.pid) for mode, served in servers.items()}
    async with asyncio.TaskGroup() as group:
        for place in range(clients):
            group.create_task(speak(place))
    return {
        mode: Measured(
            first_audio[mode],
            (cpu_seconds(served.program.pid) - before[mode]) / (clients * rounds),
        )
        for mode, served in servers.items()
    }
