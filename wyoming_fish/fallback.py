"""Another Wyoming voice, for when Fish Audio cannot speak."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from typing import Final

from wyoming.audio import AudioChunk, AudioChunkConverter, AudioStop
from wyoming.client import AsyncClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.tts import Synthesize

from .fish.script import plain
from .fish.text import TextSettings

__all__ = ["FISH_PATIENCE", "FallbackError", "speak_by"]

# Seconds that Fish has for its first audio where there is another voice: satellites give up after
# 5 s without a byte, and the other voice needs some of them. Fish answers in half a second, in its
# slowest mode in 2.5 s, so that a second try fits in too.
FISH_PATIENCE: Final = 4.0

# Seconds to connect: it is on the same machine, or in the same house.
CONNECT_TIMEOUT: Final = 3.0

# Seconds to close the connection once it is not needed any more.
CLOSE_TIMEOUT_S: Final = 1.0

# Seconds between two events: a small computer may think for long about a long text.
SILENCE_LIMIT: Final = 30.0


class FallbackError(Exception):
    """The fallback voice has failed too; the text says how."""


async def speak_by(
    uri: str, text: AsyncIterable[str], text_settings: TextSettings, rate: int
) -> AsyncGenerator[bytes]:
    """Speak by the Wyoming server at ``uri``, in its own voice, when the text is complete.

    It is cleaned by ``text_settings``, without cues, which another voice would read out. Gives
    s16le mono PCM of ``rate`` hertz, whatever the server's own format is. Raises FallbackError
    where not all of it comes.
    """
    whole = await plain(text, text_settings)
    heard = False
    try:
        async with _connected(uri) as client:
            async with asyncio.timeout(SILENCE_LIMIT):
                await client.write_event(Synthesize(whole).event())
            converter = AudioChunkConverter(rate=rate, width=2, channels=1)
            while not AudioStop.is_type((event := await _read(client)).type):
                if AudioChunk.is_type(event.type):
                    chunk = converter.convert(AudioChunk.from_event(event))
                    if chunk.audio:
                        heard = True
                        yield chunk.audio
        if not heard:
            raise FallbackError("it said nothing")
    except FallbackError:
        raise
    except TimeoutError as error:
        raise FallbackError("it does not answer") from error
    except (OSError, EOFError) as error:
        raise FallbackError(str(error) or "the connection was lost") from error
    except Exception as error:
        # The package checks no field: an event that is none may raise anything.
        raise FallbackError(f"it sent what is no Wyoming event: {error!r}") from error


@contextlib.asynccontextmanager
async def _connected(uri: str) -> AsyncIterator[AsyncClient]:
    """A connection to the server at ``uri``. How it is closed does not matter any more."""
    client = AsyncClient.from_uri(uri)
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            await client.connect()
        yield client
    finally:
        with contextlib.suppress(OSError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await client.disconnect()


async def _read(client: AsyncClient) -> Event:
    """The next event. Raises FallbackError where it is none, or an error."""
    async with asyncio.timeout(SILENCE_LIMIT):
        event = await client.read_event()
    if event is None:
        raise FallbackError("it closed the connection")
    if Error.is_type(event.type):
        raise FallbackError(str(event.data.get("text")))
    return event
