"""Wyoming events: parsed with bounds and checked fields, and encoded.

The port has no password, so nothing that comes in is trusted: every length is bounded before
anything is kept, and every field is checked before it is used. The format is the `wyoming`
package's: a line of JSON, then ``data_length`` bytes of JSON that add to its ``data``, then
``payload_length`` bytes.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final, NamedTuple

from wyoming import version
from wyoming.event import Event
from wyoming.tts import SynthesizeTextFormat, SynthesizeVoice

__all__ = [
    "CHANNELS",
    "WIDTH",
    "EventError",
    "EventParser",
    "encode",
    "encode_audio",
    "fallback_context",
    "fallback_origin",
    "is_ssml",
    "json_object",
    "text_of",
    "voice_of",
]

# Channels of what is spoken, and bytes of one sample: s16le mono.
CHANNELS: Final = 1
WIDTH: Final = 2

# Bytes of the first line, which holds a type, two lengths, and from old clients the data too.
# The `wyoming` package reads no longer one.
MAX_LINE_BYTES: Final = 64 * 1024

# Bytes of an event's data: a text of this length is spoken for hours.
MAX_DATA_BYTES: Final = 200 * 1024

# Bytes of a payload. No event that a voice needs has one: it is dropped as it comes.
MAX_PAYLOAD_BYTES: Final = 2**20

# Characters of a name, and of every other text that is not to be spoken.
MAX_NAME_CHARS: Final = 256

# Bytes of JSON that are parsed without a look at them: parsed, they take 100 KB at most.
SMALL_JSON_BYTES: Final = 4096
# Bytes outside of strings in longer JSON. Three bytes can become an object of 64: the events that
# are used need less than a hundred, and the rest of them is one text.
MAX_STRUCTURE_BYTES: Final = 1024

# The key of a request's `context` under which a server names itself to its fallback voice. Wyoming
# leaves it open what a context has, and servers pass over what they do not know.
_FALLBACK_OF: Final = "wyoming-fish-fallback-of"

# The events whose data is used; that of others is dropped as it comes.
_WITH_DATA: Final = frozenset({"ping", "synthesize", "synthesize-start", "synthesize-chunk"})

_STRING: Final = re.compile(rb'"[^"]*"?')

_AUDIO_HEAD: Final = (
    b'{"type": "audio-chunk", "version": "%b", "data_length": %%d, "payload_length": %%d}\n'
    % version.__version__.encode()
)


class EventError(Exception):
    """What came is not a Wyoming event, or its fields make no sense."""


class _Head(NamedTuple):
    """What is kept of an event's first line until the rest has come."""

    event_type: str
    line: bytes
    """The line, if it holds data that is used; it is parsed again, since JSON is smaller."""
    data_length: int
    dropped: int
    """Bytes that follow the data and are dropped."""


class EventParser:
    """Bytes in, events out. Nothing is kept in parsed form before the whole event is there."""

    def __init__(self) -> None:
        self._input = bytearray()
        self._searched = 0
        """Bytes of the input that have no end of a line."""
        self._head: _Head | None = None
        self._data = b""

    @property
    def held(self) -> int:
        """Bytes of input that are kept."""
        return len(self._input) + len(self._data) + (len(self._head.line) if self._head else 0)

    @property
    def is_amid_event(self) -> bool:
        """Whether an event has begun and is not whole."""
        return self._head is not None or bool(self._input)

    def feed(self, data: bytes | memoryview) -> None:
        """Add what has come."""
        self._input += data

    def next_event(self) -> Event | None:
        """Return the next event without its payload; None if it is not whole. Raises WireError."""
        if self._head is None:
            if (line := self._take_line()) is None:
                return None
            header = json_object(line)
            head = _read_head(header, line)
            if not head.data_length and not head.dropped:
                return Event(head.event_type, _inline_data(header))
            self._head = head
        head = self._head
        if len(self._data) < head.data_length:
            if len(self._input) < head.data_length:
                return None
            self._data = self._take(head.data_length)
        if head.dropped:
            now = min(head.dropped, len(self._input))
            del self._input[:now]
            self._head = head = head._replace(dropped=head.dropped - now)
            if head.dropped:
                return None
        raw, self._data, self._head = self._data, b"", None
        data = _inline_data(json_object(head.line)) if head.line else {}
        if raw:
            data |= json_object(raw)
        return Event(head.event_type, data)

    def _take_line(self) -> bytes | None:
        end = self._input.find(b"\n", self._searched)
        length = len(self._input) if end < 0 else end
        if length > MAX_LINE_BYTES:
            raise EventError("the event's first line is too long")
        if end < 0:
            self._searched = length
            return None
        self._searched = 0
        return self._take(end + 1)

    def _take(self, length: int) -> bytes:
        with memoryview(self._input) as view:
            taken = bytes(view[:length])
        del self._input[:length]
        return taken


def _read_head(header: dict[str, Any], line: bytes) -> _Head:
    """Read and check an event's first line."""
    event_type = header.get("type")
    if not isinstance(event_type, str):
        raise EventError("an event needs a type")
    if len(event_type) > MAX_NAME_CHARS:
        raise EventError(f"an event's type has more than {MAX_NAME_CHARS} characters")
    inline = _inline_data(header)
    data_length = _length(header, "data_length", MAX_DATA_BYTES)
    payload_length = _length(header, "payload_length", MAX_PAYLOAD_BYTES)
    if event_type not in _WITH_DATA:
        return _Head(event_type, b"", 0, data_length + payload_length)
    return _Head(event_type, line if inline else b"", data_length, payload_length)


def _inline_data(header: dict[str, Any]) -> dict[str, Any]:
    data = header.get("data", {})
    if not isinstance(data, dict):
        raise EventError("an event's data is an object")
    return data


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


def text_of(event: Event, limit: int | None = None) -> str:
    """The event's text. Raises WireError if it is not text, or longer than ``limit``."""
    text = event.data.get("text")
    if not isinstance(text, str):
        raise EventError(f"{event.type} needs a text")
    if limit is not None and len(text) > limit:
        raise EventError(f"the text of {event.type} has more than {limit} characters")
    if not _is_unicode(text):
        raise EventError(f"the text of {event.type} has a character that is half of one")
    return text


def voice_of(event: Event) -> SynthesizeVoice:
    """The event's voice; where it names none, all of its fields are None. Raises WireError."""
    voice = event.data.get("voice")
    if voice is None:
        return SynthesizeVoice()
    if not isinstance(voice, dict):
        raise EventError("a voice is an object")
    fields = [voice.get(name) for name in ("name", "language", "speaker")]
    for field in fields:
        if field is None:
            continue
        if not (isinstance(field, str) and _is_unicode(field)):
            raise EventError("a voice's name, language and speaker are text")
        if len(field) > MAX_NAME_CHARS:
            raise EventError(
                f"a voice's name, language or speaker has more than {MAX_NAME_CHARS} characters"
            )
    return SynthesizeVoice(*fields)


def is_ssml(event: Event) -> bool:
    """Whether the event says that its text is SSML; another format is text. Raises WireError."""
    text_format = event.data.get("text_format")
    if text_format is not None and not isinstance(text_format, str):
        raise EventError("a text's format is text")
    return text_format == SynthesizeTextFormat.SSML


def fallback_context(server_id: str) -> dict[str, str]:
    """The context of a request that the server ``server_id`` hands to its fallback voice."""
    return {_FALLBACK_OF: server_id}


def fallback_origin(event: Event) -> str | None:
    """The ID of the server whose fallback voice is asked by this; None if a client asks."""
    context = event.data.get("context")
    server_id = context.get(_FALLBACK_OF) if isinstance(context, dict) else None
    return server_id[:MAX_NAME_CHARS] if isinstance(server_id, str) else None


def json_object(data: bytes) -> dict[str, Any]:
    """The object that ``data`` is in JSON. Raises WireError."""
    if len(data) > SMALL_JSON_BYTES:
        _check_structure(data)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise EventError("an event is a line of JSON") from error
    if not isinstance(value, dict):
        raise EventError("an event is a JSON object")
    return value


def _check_structure(data: bytes) -> None:
    """Raise WireError for JSON that takes much more memory when it is parsed."""
    # Without escapes, a quotation mark begins or ends a string.
    data = data.replace(rb"\\", b"").replace(rb"\"", b"")
    structure = end = 0
    for string in _STRING.finditer(data):
        # A string takes memory too, even an empty one.
        structure += string.start() - end + 1
        end = string.end()
        if structure > MAX_STRUCTURE_BYTES:
            break
    if structure + len(data) - end > MAX_STRUCTURE_BYTES:
        raise EventError("an event has too many values")


def _length(header: dict[str, Any], name: str, limit: int) -> int:
    length = header.get(name)
    if length is None:
        return 0
    # True is an int in Python.
    if type(length) is not int or length < 0:
        raise EventError(f"{name} is a number of bytes")
    if length > limit:
        raise EventError(f"{name} is {length}, and {limit} is the most")
    return length


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
