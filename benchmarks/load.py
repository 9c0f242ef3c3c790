"""Many replies at once: first audio, CPU and memory, beside a bare relay."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import product
from statistics import median, quantiles
from typing import Final, NamedTuple

from .crowd import crowd
from .programs import Served, cpu_seconds, emulator, memory, ours, relay
from .table import Verdict, print_table, print_verdicts, verdict
from .texts import AT_ONCE, THREE_SENTENCES, Text

# Replies at once, and how often they are measured.
NUMBERS: Final = {1: 3, 10: 1, 100: 5, 500: 1}
JUDGED: Final = 100
# With fewer, what a new process allocates once is more than what the replies take.
LEAST_FOR_MEMORY: Final = 10

# What a new server says first, for its caches.
HELLO: Final = Text("hello", ("Hello.",))

# Words a second, and the seconds within which all clients arrive. They speak for four and more.
PACE: Final = 10.0
ARRIVAL: Final = 1.0

Start = Callable[[str], AbstractContextManager[Served]]


class Load(NamedTuple):
    """What one run came to."""

    first_audio: float
    """Seconds, the median."""
    slow_first_audio: float
    """Seconds, within which 95 of 100 had it."""
    cpu: float
    """Seconds of CPU for a second of audio, of the server alone."""
    memory: float
    """Bytes for each reply: what the server grew by at its peak."""


# Two systems by name, each with its runs in their order: those of one number are pairs.
Pairs = dict[str, list[Load]]


def run(*, quick: bool = False) -> list[Verdict]:
    """Measure, print the table and give the verdicts."""
    numbers = {1: 1, 10: 1} if quick else NUMBERS
    results = compare({"relay": relay, "server": ours_at_large}, numbers)
    print_loads("Replies at once, beside the bare relay", results)
    judged = JUDGED if JUDGED in results else max(results)
    verdicts = _judge(results[judged], judged)
    print_verdicts(verdicts)
    return verdicts


def compare(systems: dict[str, Start], numbers: dict[int, int]) -> dict[int, Pairs]:
    """Measure two systems in turn with each number of replies, as often as stands beside it."""
    results: dict[int, Pairs] = {}
    with emulator() as fish:
        for number, rounds in numbers.items():
            results[number] = {name: [] for name in systems}
            for _, (name, start) in product(range(rounds), systems.items()):
                # A new process each time: memory that was used once is not given back.
                with start(fish.url) as served:
                    results[number][name].append(asyncio.run(_load(served, number)))
    return results


def ours_at_large(
    url: str, start: Callable[..., AbstractContextManager[Served]] = ours
) -> AbstractContextManager[Served]:
    """Run our server without a limit that is in the way."""
    many = ("--concurrency", "--max-connections", "--max-connections-per-address")
    return start(url, *(f"{flag}={2 * max(NUMBERS)}" for flag in many))


async def _load(served: Served, number: int) -> Load:
    port, pid = served.port, served.program.pid
    await crowd(port, 1, HELLO, AT_ONCE, 0.0)
    cpu, used = cpu_seconds(pid), memory(pid)
    clients = await crowd(port, number, THREE_SENTENCES, PACE, ARRIVAL)
    cpu, used = cpu_seconds(pid) - cpu, memory(pid, peak=True) - used
    first_audio = [client.first_audio for client in clients]
    return Load(
        median(first_audio),
        quantiles(first_audio, n=20)[-1] if number > 1 else first_audio[0],
        cpu / sum(client.seconds for client in clients),
        used / number,
    )


def against(pairs: Pairs) -> tuple[float, float, float]:
    """The second system's CPU and memory as parts of the first one's, and how much later it is.

    Each is the median of the pairs, of which both ran at nearly the same time; in seconds.
    """
    both = list(zip(*pairs.values(), strict=True))
    return (
        median(own.cpu / other.cpu for other, own in both),
        median(own.memory / other.memory for other, own in both),
        median(own.first_audio - other.first_audio for other, own in both),
    )


def print_loads(title: str, results: dict[int, Pairs]) -> None:
    """Print two systems' loads, the second one's as parts of the first one's too."""
    rows = []
    for number, pairs in results.items():
        cpu, memory_used, later = against(pairs)
        own, other = (
            Load(*(median(values) for values in zip(*runs, strict=True)))
            for runs in reversed(pairs.values())
        )
        rows.append(
            [
                number,
                f"{cpu:.2f}",
                f"{memory_used:.2f}" if number >= LEAST_FOR_MEMORY else "–",
                f"{1000 * later:+.0f} ms",
                *(f"{load.first_audio:.2f} s" for load in (own, other)),
                *(f"{load.slow_first_audio:.2f} s" for load in (own, other)),
                *(f"{60_000 * load.cpu:.0f} ms" for load in (own, other)),
                *(
                    f"{load.memory / 1024:.0f} KiB" if number >= LEAST_FOR_MEMORY else "–"
                    for load in (own, other)
                ),
            ]
        )
    second, first = reversed(next(iter(results.values())))
    print_table(
        title,
        [
            *("replies", "CPU", "memory", "first audio"),
            *(f"first audio: {second}", first, f"95 of 100: {second}", first),
            *(f"CPU for a minute of audio: {second}", first, f"memory a reply: {second}", first),
        ],
        rows,
    )


def _judge(pairs: Pairs, number: int) -> list[Verdict]:
    cpu, memory_used, later = against(pairs)
    what = f"{number} replies at once"
    return [
        verdict(f"{what}: CPU, server / relay", cpu, 1.5),
        verdict(f"{what}: memory, server / relay", memory_used, 1.5),
        verdict(f"{what}: first audio after the relay's", 1000 * later, 30, "ms"),
    ]
