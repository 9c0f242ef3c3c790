"""A reply to be spoken, and an emulated Fish Audio that speaks it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault, decode_code_voice
from wyoming_fish.fish import ConnectionPool, Endpoint, SpeechSettings, TextSettings, speak

SENTENCES = (
    "Good night to you all. ",
    "It’s 19.5 degrees outside, and the doors — all 12 of them — are locked. ",
    "Sleep well. ",
    "See you tomorrow.",
)
TEXT = "".join(SENTENCES)

SETTINGS = SpeechSettings(sample_rate=24000)
# Text that is sent as it was cut, with the space at its end.
RAW = TextSettings(mode="raw")


@contextlib.asynccontextmanager
async def fish(
    *faults: Fault, timestamps: bool | None = None, **settings: Any
) -> AsyncIterator[tuple[Emulator, ConnectionPool]]:
    """An emulator with odd frames of the voice that encodes its text, and the sockets to it."""
    usual: dict[str, Any] = {"voice": "code", "frame": 0.05, "odd_frames": True}
    async with Emulator(EmulatorSettings(faults=list(faults), **usual | settings)) as emulator:
        pool = ConnectionPool(Endpoint("key", emulator.url), timestamps=timestamps)
        try:
            yield emulator, pool
        finally:
            await pool.close()
            # Whatever happened, nothing is left behind.
            await emulator.wait_for(lambda e: e.sockets_open == 0 and e.sessions_open == 0)


async def words() -> AsyncIterator[str]:
    """The text, word by word and as fast as it is taken."""
    for word in TEXT.replace(" ", " \0").split("\0"):
        yield word
        await asyncio.sleep(0)


async def speech(pool: ConnectionPool, settings: SpeechSettings = SETTINGS) -> str:
    """What is heard of the text."""
    return decode_code_voice(b"".join([pcm async for pcm in speak(pool, words(), settings)]))
