"""First audio of an announcement that is kept on disk, beside the same spoken by Fish Audio."""

import asyncio
import tempfile
from statistics import median
from typing import Final

from wyoming.client import AsyncTcpClient
from wyoming.tts import Synthesize

from .programs import emulator, ours
from .table import Verdict, print_table, print_verdicts, verdict
from .texts import THREE_SENTENCES

ROUNDS: Final = 200
# Seconds to the first audio from a disk whose files are in memory.
LIMIT: Final = 0.005


def run(*, quick: bool = False) -> list[Verdict]:
    """Measure, print the table and give the verdicts."""
    with tempfile.TemporaryDirectory() as folder, emulator() as fish:
        with ours(fish.url, "--cache-dir", folder) as served:
            (by_fish,) = asyncio.run(_measure(served.port, 1))
        # By now it has been written.
        with ours(fish.url, "--cache-dir", folder) as served:
            kept = asyncio.run(_measure(served.port, 10 if quick else ROUNDS))
    print_table(
        "First audio of an announcement",
        ["from", "median", "most"],
        [
            ["Fish Audio", f"{1000 * by_fish:.0f} ms", ""],
            ["disk", f"{1000 * median(kept):.1f} ms", f"{1000 * max(kept):.1f} ms"],
        ],
    )
    verdicts = [verdict("first audio from disk, median", median(kept), LIMIT, "s")]
    print_verdicts(verdicts)
    return verdicts


async def _measure(port: int, rounds: int) -> list[float]:
    """Seconds to the first audio, each time that it is asked for."""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        return [await _first_audio(client) for _ in range(rounds)]


async def _first_audio(client: AsyncTcpClient) -> float:
    now = asyncio.get_running_loop().time
    began, heard = now(), 0.0
    await client.write_event(Synthesize(" ".join(THREE_SENTENCES.sentences)).event())
    while (event := await client.read_event()) is not None and event.type != "audio-stop":
        if event.type == "audio-chunk":
            heard = heard or now() - began
    if event is None or not heard:
        raise RuntimeError("An announcement came without all of its audio.")
    return heard
