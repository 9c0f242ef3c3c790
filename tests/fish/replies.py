"""A reply to be spoken, and an emulated Fish Audio that speaks it."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from typing import Any

from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault, decode_code_voice
from wyoming_fish.fish import Endpoint, FishClient, SpeechSettings, TextSettings
from wyoming_fish.fish.connections.pool import ConnectionPool
from wyoming_fish.fish.text.text_buffer import TextBuffer

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
CLEAN = TextSettings()


@contextlib.asynccontextmanager
async def fish(
    *faults: Fault, timestamps: bool | None = None, **settings: Any
) -> AsyncIterator[tuple[Emulator, FishClient]]:
    """An emulator with odd frames of the voice that encodes its text, and a client of it."""
    usual: dict[str, Any] = {"voice": "code", "frame": 0.05, "odd_frames": True}
    async with Emulator(EmulatorSettings(faults=list(faults), **usual | settings)) as emulator:
        client = FishClient(Endpoint("key", emulator.url), timestamps=timestamps)
        try:
            yield emulator, client
        finally:
            await client.close()
            # Whatever happened, nothing is left behind.
            await emulator.wait_for(lambda e: e.sockets_open == 0 and e.sessions_open == 0)


def pool_of(client: FishClient) -> ConnectionPool:
    """The connections below the client."""
    return client._pool  # noqa: SLF001


async def speak(
    client: FishClient,
    text: str | AsyncIterable[str] | TextBuffer,
    settings: SpeechSettings = SETTINGS,
    text_settings: TextSettings = CLEAN,
    **more: Any,
) -> AsyncGenerator[bytes]:
    """What is heard of a text, as it comes. Closing it leaves the reply."""
    async with client.speak(text, settings, text_settings, **more) as reply:
        async for pcm in reply:
            yield pcm


async def words() -> AsyncIterator[str]:
    """The text, word by word and as fast as it is taken."""
    for word in TEXT.replace(" ", " \0").split("\0"):
        yield word
        await asyncio.sleep(0)


async def speech(client: FishClient, settings: SpeechSettings = SETTINGS) -> str:
    """What is heard of the text."""
    return decode_code_voice(b"".join([pcm async for pcm in speak(client, words(), settings)]))
