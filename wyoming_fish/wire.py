"""Wyoming events over a byte stream: read with bounds and checked fields, written whole.

The port has no password, so nothing that comes in is taken on trust: every length is bounded
before it is read, and every field that is used is checked. The format itself is the `wyoming`
package's: a line of JSON, then ``data_length`` bytes of JSON that add to its ``data``, then
``payload_length`` bytes.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from wyoming import version
from wyoming.event import Event
from wyoming.tts import SynthesizeTextFormat, SynthesizeVoice

__all__ = [
    "LINE_LIMIT",
    "ClientStalledError",
    "Wire",
    "WireError",
    "encode",
    "encode_audio",
    "is_ssml",
    "json_object",
    "text_of",
    "voice_of",
]

# Bytes of the first line, which holds a type and two lengths, and small data at most. It is
# the limit of asyncio's streams too, which have to be made with it.
LINE_LIMIT: Final = 64 * 1024

# Bytes of an event's data: a text of this length is spoken for hours, and JSON of this length that
# is made to hurt takes 5 MB.
DATA_LIMIT: Final = 200 * 1024

# Bytes of a payload. Nothing that is said to a voice has one; what has is passed over.
PAYLOAD_LIMIT: Final = 2**20

# Seconds to send what is left when the connection is closed.
CLOSE_TIMEOUT: Final = 1.0


_AUDIO_HEAD: Final = (
    b'{"type": "audio-chunk", "version": "%b", "data_length": %%d, "payload_length": %%d}\n'
    % version.__version__.encode()
)


class WireError(Exception):
    """What came is no Wyoming event, or one whose fields make no sense."""


class ClientStalledError(Exception):
    """The client does not read what it is sent."""


class Wire:
    """One client's two directions.

    ``patience`` is the seconds in which a client has to make room for what it is sent.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, patience: float = 30.0
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._patience = patience

    async def read(self) -> Event | None:
        """The next event, or None when the client has left between two.

        An event's payload is read and dropped. Raises WireError.
        """
        try:
            line = await self._reader.readline()
            if not line:
                return None
            header = json_object(line)
            event_type = header.get("type")
            if not isinstance(event_type, str):
                raise WireError("an event needs a type")
            data = header.get("data", {})
            if not isinstance(data, dict):
                raise WireError("an event's data is an object")
            if length := _length(header, "data_length", DATA_LIMIT):
                data |= json_object(await self._reader.readexactly(length))
            left = _length(header, "payload_length", PAYLOAD_LIMIT)
            while left:
                left -= len(await self._reader.readexactly(min(left, LINE_LIMIT)))
        except asyncio.IncompleteReadError as error:
            raise WireError("the connection ended amid an event") from error
        except ConnectionError:
            return None
        except ValueError as error:
            # readline's own, for a line over the stream's limit.
            raise WireError("the event's first line is too long") from error
        return Event(event_type, data)

    async def write(self, event: bytes) -> None:
        """Send an encoded event, and wait while the client has too much unread.

        Raises ClientStalledError, and ConnectionError where the client has left.
        """
        self._writer.write(event)
        if not self._writer.transport.get_write_buffer_size():
            # All of it is on its way: this does not wait, and a timeout would cost more.
            await self._writer.drain()
            return
        try:
            async with asyncio.timeout(self._patience):
                await self._writer.drain()
        except TimeoutError as error:
            raise ClientStalledError(
                f"the client has read nothing for {self._patience:.0f} s"
            ) from error

    def write_last(self, event: bytes) -> None:
        """Send an encoded event without waiting, before closing."""
        if not self._writer.is_closing():
            self._writer.write(event)

    async def close(self) -> None:
        """Close, giving the client CLOSE_TIMEOUT to read what it has been sent."""
        self._writer.close()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._writer.wait_closed()
        except (TimeoutError, ConnectionError):
            pass
        finally:
            self._writer.transport.abort()


def encode(event: Event) -> bytes:
    """The bytes of an event, as the `wyoming` package writes them."""
    header: dict[str, Any] = {"type": event.type, "version": version.__version__}
    data = json.dumps(event.data, ensure_ascii=False).encode() if event.data else b""
    if data:
        header["data_length"] = len(data)
    if event.payload:
        header["payload_length"] = len(event.payload)
    return b"".join((json.dumps(header).encode(), b"\n", data, event.payload or b""))


def encode_audio(rate: int, milliseconds: int, pcm: bytes) -> bytes:
    """The bytes of an `audio-chunk` of s16le mono PCM, as ``encode`` makes them of one.

    ``milliseconds`` have come before it. There are so many of these that to have JSON made for each
    would take a twentieth of all the time.
    """
    data = b'{"rate": %d, "width": 2, "channels": 1, "timestamp": %d}' % (rate, milliseconds)
    return b"".join((_AUDIO_HEAD % (len(data), len(pcm)), data, pcm))


def text_of(event: Event) -> str:
    """The event's text. Raises WireError where it has none that is text."""
    text = event.data.get("text")
    if not isinstance(text, str):
        raise WireError(f"{event.type} needs a text")
    if not _is_unicode(text):
        raise WireError(f"the text of {event.type} has a character that is half of one")
    return text


def voice_of(event: Event) -> SynthesizeVoice:
    """The event's voice; where it names none, all of its fields are None. Raises WireError."""
    voice = event.data.get("voice")
    if voice is None:
        return SynthesizeVoice()
    if not isinstance(voice, dict):
        raise WireError("a voice is an object")
    fields = [voice.get(name) for name in ("name", "language", "speaker")]
    for field in fields:
        if not (field is None or (isinstance(field, str) and _is_unicode(field))):
            raise WireError("a voice's name, language and speaker are text")
    return SynthesizeVoice(*fields)


def is_ssml(event: Event) -> bool:
    """Whether the event says that its text is SSML; another format is text. Raises WireError."""
    text_format = event.data.get("text_format")
    if text_format is not None and not isinstance(text_format, str):
        raise WireError("a text's format is text")
    return text_format == SynthesizeTextFormat.SSML


def json_object(data: bytes) -> dict[str, Any]:
    """The object that ``data`` is in JSON. Raises WireError."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WireError("an event is a line of JSON") from error
    if not isinstance(value, dict):
        raise WireError("an event is a JSON object")
    return value


def _length(header: dict[str, Any], name: str, limit: int) -> int:
    length = header.get(name)
    if length is None:
        return 0
    # True is an int in Python.
    if type(length) is not int or length < 0:
        raise WireError(f"{name} is a number of bytes")
    if length > limit:
        raise WireError(f"{name} is {length}, and {limit} is the most")
    return length


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
