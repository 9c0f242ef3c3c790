"""Client of the fallback voice: another Wyoming voice, for when Fish Audio fails.

The voice can be broken or hostile: at most, it causes an error. Lengths and numbers are checked,
its audio is converted in small parts, and silence and the length of the audio are limited.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final, NamedTuple

from wyoming.audio import AudioChunk, AudioChunkConverter, AudioStop
from wyoming.error import Error
from wyoming.tts import Synthesize

from ...fish.api.watchdog import PartLimit, Watchdog
from ...fish.cpu_turns import cpu_turn
from ...fish.reply_metrics import max_audio_s
from ...fish.untrusted import one_line
from ...uri import ListenAddress
from ...wav import Format
from ..events import EventError, encode, fallback_context, json_object, length_of

__all__ = ["WyomingFallbackError", "synthesize_by_wyoming"]

# Seconds to connect: the voice is on the same machine or network.
CONNECT_TIMEOUT_S: Final = 3.0

# Seconds to close the connection.
CLOSE_TIMEOUT_S: Final = 1.0

# Seconds without audio: a small computer can need long for a long text.
SILENCE_TIMEOUT_S: Final = 30.0

# Bytes of an event's first line, and of its data: an audio event has about 100. Hostile JSON of
# this size needs 2 MB of memory.
MAX_JSON_BYTES: Final = 64 * 1024

# Bytes of one audio event: an hour of speech.
MAX_PAYLOAD_BYTES: Final = 2**29

# Bytes of audio that are converted at a time.
CHUNK_BYTES: Final = 16 * 1024

# Bytes of a payload that is not audio. Known voices send none.
MAX_OTHER_BYTES: Final = 2**20

# Events without audio, and events for each second of audio. Voices send about 20 a second.
MAX_SILENT_EVENTS: Final = 1000

# The work of the converter grows with the difference of the rates.
MIN_RATE_HZ: Final = 8000
MAX_RATE_HZ: Final = 192_000
MAX_CHANNELS: Final = 2
# Bytes of a sample: all known voices send 16 bits.
WIDTH: Final = 2

# Characters of the voice's error message that are quoted.
MAX_ERROR_CHARS: Final = 300


class WyomingFallbackError(Exception):
    """The fallback voice has failed. The text is one line, and continues a sentence."""


class _Event(NamedTuple):
    """An event whose payload is not yet read."""

    type: str
    data: dict[str, Any]
    payload_length: int


async def synthesize_by_wyoming(
    uri: str, whole: str, rate: int, server_id: str
) -> AsyncGenerator[bytes]:
    """Speak ``whole`` in one request to the Wyoming server at ``uri``, in its own voice.

    Gives s16le mono PCM of ``rate`` hertz, whatever the server's own format is. ``server_id`` is
    this server's, for a server that would hand the request on. Raises WyomingFallbackError if not
    all of the audio comes.
    """
    seconds_left = max_audio_s(len(whole.encode()))
    try:
        async with _connected(uri) as (reader, writer):
            async with asyncio.timeout(SILENCE_TIMEOUT_S):
                request = Synthesize(whole, context=fallback_context(server_id))
                writer.write(encode(request.event()))
                await writer.drain()
            heard = False
            async with contextlib.aclosing(_audio(reader, rate)) as audio:
                async for pcm in audio:
                    heard = True
                    seconds_left -= len(pcm) / 2 / rate
                    if seconds_left < 0:
                        raise WyomingFallbackError("it sends far too much audio for the text")
                    yield pcm
        if not heard:
            raise WyomingFallbackError("it returned no audio")
    except TimeoutError as error:
        raise WyomingFallbackError("it does not answer") from error
    except (EventError, asyncio.LimitOverrunError, ValueError) as error:
        # readline's own ValueError is for a line over the stream's limit.
        raise WyomingFallbackError(f"it sent an event that is not valid ({error})") from error
    except EOFError as error:
        raise WyomingFallbackError("it closed the connection") from error
    except OSError as error:
        raise WyomingFallbackError(str(error) or "the connection was lost") from error


@contextlib.asynccontextmanager
async def _connected(
    uri: str,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to the server at ``uri``. How it is closed does not matter any more."""
    address = ListenAddress.parse(uri)
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        reader, writer = await (
            asyncio.open_unix_connection(address.path, limit=MAX_JSON_BYTES)
            if address.scheme == "unix"
            else asyncio.open_connection(address.host, address.port, limit=MAX_JSON_BYTES)
        )
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await writer.wait_closed()
        writer.transport.abort()


async def _audio(reader: asyncio.StreamReader, rate: int) -> AsyncGenerator[bytes]:
    """What comes until `audio-stop`, as s16le mono PCM of ``rate`` hertz."""
    watchdog, limit = Watchdog(SILENCE_TIMEOUT_S), PartLimit(MAX_SILENT_EVENTS)
    converter = _Converter(rate)
    while True:
        async with watchdog.waiting():
            # What has been received is read without a wait.
            await cpu_turn()
            event = await _read_event(reader)
        limit.take()
        if AudioStop.is_type(event.type):
            return
        if limit.is_exceeded:
            raise WyomingFallbackError("it sends too many events with hardly any audio")
        if AudioChunk.is_type(event.type):
            converter.change_format(_format_of(event.data))
            left = event.payload_length
            while left:
                async with watchdog.waiting():
                    await cpu_turn()
                    data = await reader.read(min(left, CHUNK_BYTES))
                if not data:
                    raise EOFError
                left -= len(data)
                if pcm := converter.convert(data):
                    watchdog.hear(len(pcm) / 2 / rate)
                    limit.hear(len(pcm) / 2 / rate)
                    yield pcm
            continue
        if Error.is_type(event.type):
            text = event.data.get("text")
            said = one_line(text, MAX_ERROR_CHARS).rstrip(".") if isinstance(text, str) else ""
            raise WyomingFallbackError(f"it reports an error: {said or 'no reason given'}")
        if event.payload_length > MAX_OTHER_BYTES:
            raise WyomingFallbackError("it sends no audio")
        async with watchdog.waiting():
            await _skip(reader, event.payload_length)


async def _read_event(reader: asyncio.StreamReader) -> _Event:
    """The next event. Raises EventError, ValueError or EOFError."""
    line = await reader.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    header = json_object(line)
    event_type, data = header.get("type"), header.get("data") or {}
    if not isinstance(event_type, str) or not isinstance(data, dict):
        raise EventError("an event needs a type, and data that is an object")
    if length := length_of(header, "data_length", MAX_JSON_BYTES):
        data |= json_object(await reader.readexactly(length))
    return _Event(event_type, data, length_of(header, "payload_length", MAX_PAYLOAD_BYTES))


async def _skip(reader: asyncio.StreamReader, left: int) -> None:
    while left and (data := await reader.read(min(left, CHUNK_BYTES))):
        left -= len(data)
        await cpu_turn()


def _format_of(data: dict[str, Any]) -> Format:
    """The format of an `audio-chunk`. Raises WyomingFallbackError for one that no voice has."""
    numbers = [data.get(name) for name in ("rate", "width", "channels")]
    rate, width, channels = (number if type(number) is int else 0 for number in numbers)
    if not (
        MIN_RATE_HZ <= rate <= MAX_RATE_HZ and width == WIDTH and 1 <= channels <= MAX_CHANNELS
    ):
        raise WyomingFallbackError(
            f"its audio is not 16-bit, of 1 or 2 channels, and of {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz"
        )
    return Format(rate, width, channels)


class _Converter:
    """Audio of one format, cut anywhere → s16le mono of ``rate`` hertz."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._format: Format | None = None
        self._converter = AudioChunkConverter()
        self._odd = b""
        """Part of a frame, which waits for the rest."""

    def change_format(self, audio_format: Format) -> None:
        """What comes now has this format."""
        if audio_format != self._format:
            self._format, self._odd = audio_format, b""
            self._converter = AudioChunkConverter(rate=self._rate, width=WIDTH, channels=1)

    def convert(self, data: bytes) -> bytes:
        """The samples that ``data`` completes."""
        assert self._format is not None  # noqa: S101 - change_format comes first
        data = self._odd + data
        whole = len(data) - len(data) % (self._format.width * self._format.channels)
        self._odd = data[whole:]
        if not whole:
            return b""
        return self._converter.convert(AudioChunk(*self._format, data[:whole])).audio
