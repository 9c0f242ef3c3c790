"""Another Wyoming voice, for when Fish Audio cannot speak."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Final

from wyoming.audio import AudioChunk, AudioChunkConverter, AudioStop
from wyoming.client import AsyncClient
from wyoming.error import Error
from wyoming.tts import Synthesize

__all__ = ["FallbackError", "speak_by"]

# Seconds to connect: it is on the same machine, or in the same house.
CONNECT_TIMEOUT: Final = 3.0

# Seconds between two events: a small computer may think for long about a long text.
SILENCE_LIMIT: Final = 30.0


class FallbackError(Exception):
    """The fallback voice has failed too; the text says how."""


async def speak_by(uri: str, text: AsyncIterable[str], rate: int) -> AsyncGenerator[bytes]:
    """Speak by the Wyoming server at ``uri``, in its own voice, when the text is complete.

    Gives s16le mono PCM of ``rate`` hertz, whatever the server's own format is. Raises
    FallbackError where not all of it comes.
    """
    whole = "".join([piece async for piece in text])
    client = AsyncClient.from_uri(uri)
    converter = AudioChunkConverter(rate=rate, width=2, channels=1)
    try:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await client.connect()
            await client.write_event(Synthesize(whole).event())
            while True:
                async with asyncio.timeout(SILENCE_LIMIT):
                    event = await client.read_event()
                if event is None:
                    raise FallbackError("it closed the connection")
                if Error.is_type(event.type):
                    raise FallbackError(str(event.data.get("text")))
                if AudioStop.is_type(event.type):
                    return
                if AudioChunk.is_type(event.type):
                    chunk = converter.convert(AudioChunk.from_event(event))
                    if chunk.audio:
                        yield chunk.audio
        except TimeoutError as error:
            raise FallbackError("it does not answer") from error
        except (OSError, EOFError) as error:
            raise FallbackError(str(error) or "the connection was lost") from error
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            # The package checks no field: any of these is an event that is none.
            raise FallbackError(f"it sent what is no Wyoming event: {error!r}") from error
    finally:
        await client.disconnect()
