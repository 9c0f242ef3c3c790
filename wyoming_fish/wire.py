"""Wyoming events over a byte stream: read with bounds and checked fields, written whole.

The port has no password, so nothing that comes in is taken on trust: every length is bounded
before it is read, and every field that is used is checked. The format itself is the `wyoming`
package's: a line of JSON, then ``data_length`` bytes of JSON that add to its ``data``, then
``payload_length`` bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import socket
from typing import Any, Final

from wyoming import version
from wyoming.event import Event
from wyoming.tts import SynthesizeTextFormat, SynthesizeVoice

__all__ = [
    "CHANNELS",
    "LINE_LIMIT",
    "WIDTH",
    "ClientLostError",
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

# Channels of what is spoken, and bytes of one sample: s16le mono.
CHANNELS: Final = 1
WIDTH: Final = 2

# Bytes of the first line, which holds a type and two lengths, and small data at most. It is
# the limit of asyncio's streams too, which have to be made with it.
LINE_LIMIT: Final = 64 * 1024

# Bytes of an event's data: a text of this length is spoken for hours, and JSON of this length that
# is made to hurt takes 5 MB.
DATA_LIMIT: Final = 200 * 1024

# Bytes of a payload. Nothing that is said to a voice has one; what has is passed over.
PAYLOAD_LIMIT: Final = 2**20

# Bytes of the kernel's buffer for what is sent; Linux doubles them. Linux reports room only when a
# third of the buffer is free, and grows it to megabytes: a client that plays as it reads takes
# minutes to read a third of those.
SEND_BUFFER_BYTES: Final = 64 * 1024

# How often the progress of a client is checked within its write timeout.
STALL_CHECKS: Final = 10

# Seconds to wait until a client closes its side: a client that reads only after it has written its
# text may still be writing, as fast as a language model.
LINGER_TIMEOUT_S: Final = 10.0

# Bytes that are read and dropped meanwhile: more than a client can write before an error reaches
# it, and a tenth of a second of work.
LINGER_LIMIT_BYTES: Final = 64 * 2**20


_AUDIO_HEAD: Final = (
    b'{"type": "audio-chunk", "version": "%b", "data_length": %%d, "payload_length": %%d}\n'
    % version.__version__.encode()
)


class WireError(Exception):
    """What came is no Wyoming event, or one whose fields make no sense."""


class ClientLostError(Exception):
    """The client has left: nothing reaches it any more."""


class ClientStalledError(ClientLostError):
    """The client does not read what it is sent."""


class Wire:
    """One client's two directions.

    ``write_timeout`` is the seconds in which a client must take some of what it is sent.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        write_timeout: float = 30.0,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._write_timeout = write_timeout
        self._written = 0
        """Bytes."""
        self._socket: socket.socket | None = writer.get_extra_info("socket")
        if self._socket is not None:
            # A client that has already left is noticed when it is read.
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    async def read(self) -> Event | None:
        """Return the next event, or None when the client has ended its direction.

        An event's payload is read and dropped. Raises WireError and ClientLostError.
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
        except OSError as error:
            raise ClientLostError(str(error)) from error
        except ValueError as error:
            # readline's own, for a line over the stream's limit.
            raise WireError("the event's first line is too long") from error
        return Event(event_type, data)

    async def write(self, event: bytes) -> None:
        """Send an encoded event, and wait while the client has too much unread.

        Raises ClientLostError; ClientStalledError if the client takes nothing for the write
        timeout.
        """
        self._written += len(event)
        self._writer.write(event)
        if self._writer.transport.get_write_buffer_size():
            await self._wait_for_room()
            return
        # All of it is on its way: this does not wait, and a timeout would cost more.
        try:
            await self._writer.drain()
        except OSError as error:
            raise ClientLostError(str(error)) from error

    def write_last(self, event: bytes) -> None:
        """Send an encoded event without waiting, before closing."""
        if not self._writer.is_closing():
            self._written += len(event)
            self._writer.write(event)

    def has_hung_up(self) -> bool:
        """Return whether the client receives nothing more, after it has ended its direction.

        TCP knows only once something has been sent after that.
        """
        if self._writer.is_closing():
            return True
        if self._socket is None:
            return False
        poll = select.poll()
        # No event is asked for: a hang-up and an error are always reported.
        poll.register(self._socket.fileno(), 0)
        return bool(poll.poll(0))

    async def close(self, linger_s: float = LINGER_TIMEOUT_S) -> None:
        """Send what is left, then end the connection so that the client can read all of it.

        To close while input is unread resets the connection, and a reset destroys what the client
        has not read yet. So input is read and dropped until the client closes its side too, for at
        most ``linger_s`` seconds and LINGER_LIMIT_BYTES. Cancel it to close immediately.
        """
        dropping = asyncio.create_task(self._drop())
        try:
            # With this, room means that nothing is left.
            self._writer.transport.set_write_buffer_limits(0)
            await self._wait_for_room()
            self._writer.write_eof()
            await asyncio.wait((dropping,), timeout=linger_s)
        except (ClientLostError, OSError):
            pass
        finally:
            dropping.cancel()
            self.abort()
            await asyncio.wait((dropping,))
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    def abort(self) -> None:
        """End the connection now; what is not sent yet is lost."""
        self._writer.transport.abort()

    async def _drop(self) -> None:
        left = LINGER_LIMIT_BYTES
        with contextlib.suppress(OSError):
            while left > 0 and (dropped := await self._reader.read(LINE_LIMIT)):
                left -= len(dropped)

    async def _wait_for_room(self) -> None:
        """Wait as long as the client takes something. Raises as ``write`` does."""
        now = asyncio.get_running_loop().time
        taken, give_up_at = self._taken(), now() + self._write_timeout
        while True:
            check = asyncio.timeout(self._write_timeout / STALL_CHECKS)
            try:
                async with check:
                    await self._writer.drain()
                return
            except OSError as error:
                # A TimeoutError may be the kernel's own, too.
                if not check.expired():
                    raise ClientLostError(str(error)) from error
            if self._taken() > taken:
                taken, give_up_at = self._taken(), now() + self._write_timeout
            elif now() >= give_up_at:
                raise ClientStalledError(
                    f"the client has read nothing for {self._write_timeout:.0f} s"
                )

    def _taken(self) -> int:
        """Bytes that the kernel has taken: it takes more only as the client reads."""
        return self._written - self._writer.transport.get_write_buffer_size()


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
