"""Who speaks: our server, our engine alone, the official SDK. Text in, PCM out."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

import fishaudio  # type: ignore[import-untyped]
from fishaudio.types import TTSConfig  # type: ignore[import-untyped]
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from wyoming_fish.fish import FishClient, SpeechSettings

from .player import RATE, Heard
from .texts import written

Speaker = Callable[[AsyncIterator[str]], AsyncGenerator[bytes]]


def wyoming_server(port: int) -> Speaker:
    """A server, with a connection for each reply, as Home Assistant does it."""

    async def speak_there(text: AsyncIterator[str]) -> AsyncGenerator[bytes]:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            writing = asyncio.create_task(_write(client, text))
            try:
                while (event := await client.read_event()) is not None:
                    if event.type == "synthesize-stopped":
                        return
                    if Error.is_type(event.type):
                        raise RuntimeError(f"The server failed: {event.data}")
                    if event.type == "audio-chunk" and event.payload:
                        yield event.payload
            finally:
                writing.cancel()
                await asyncio.wait([writing])
            raise RuntimeError("The server closed the connection during a reply.")

    return speak_there


async def _write(client: AsyncTcpClient, text: AsyncIterator[str]) -> None:
    await client.write_event(SynthesizeStart().event())
    pieces = []
    async for piece in text:
        pieces.append(piece)
        await client.write_event(SynthesizeChunk(piece).event())
    await client.write_event(Synthesize("".join(pieces)).event())
    await client.write_event(SynthesizeStop().event())


def engine(fish: FishClient) -> Speaker:
    """Our engine alone."""

    async def speak_here(text: AsyncIterator[str]) -> AsyncGenerator[bytes]:
        async with fish.speak(text, SpeechSettings(sample_rate=RATE)) as reply:
            async for pcm in reply:
                yield pcm

    return speak_here


def official_sdk(client: fishaudio.AsyncFishAudio) -> Speaker:
    """The official SDK, as Home Assistant's own integration uses it, but for its format.

    Each piece of text goes to Fish as it comes, without a flush, on a socket that is opened for
    this reply. Home Assistant asks for MP3; PCM is asked for here, so that its seconds can be
    counted in the same way, and so that Fish has nothing to encode.
    """

    async def speak_there(text: AsyncIterator[str]) -> AsyncGenerator[bytes]:
        config = TTSConfig(sample_rate=RATE)
        async for pcm in client.tts.stream_websocket(text, format="pcm", config=config):
            yield pcm

    return speak_there


async def hear(
    speaker: Speaker,
    pieces: list[str],
    pace: float,
    *,
    pause_before: int = -1,
    pause: float = 0.0,
) -> Heard:
    """Have ``speaker`` say what is `written`, and listen. The clock starts before it connects."""
    now = asyncio.get_running_loop().time
    heard, began = Heard(), now()
    text = written(pieces, pace, began, pause_before=pause_before, pause=pause)
    async with aclosing(speaker(text)) as audio:
        async for pcm in audio:
            heard.add(pcm, now() - began)
    if not heard.chunks:
        raise RuntimeError("A reply came without any audio.")
    return heard
