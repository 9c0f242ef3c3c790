"""Wyoming events: parses them with limits and field checks, and encodes them.

The port has no password, so no input is trusted: each length is checked before data is kept, and
each field before it is used. The format is the `wyoming` package's: a line of JSON, then
``data_length`` bytes of JSON that add to its ``data``, then ``payload_length`` bytes.
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
    "length_of",
    "text_of",
    "voice_of",
]

# Channels of the audio, and bytes of a sample: s16le mono.
CHANNELS: Final = 1
WIDTH: Final = 2

# Bytes of the first line: a type, two lengths, and from old clients the data. The `wyoming` package
# has the same limit.
MAX_LINE_BYTES: Final = 64 * 1024

# Bytes of an event's data: a text of this length becomes hours of speech.
MAX_DATA_BYTES: Final = 200 * 1024

# Bytes of a payload. No event of a text-to-speech client has one: it is dropped as it arrives.
MAX_PAYLOAD_BYTES: Final = 2**20

# Characters of a name, and of all other texts that are not spoken.
MAX_NAME_CHARS: Final = 256

# JSON of this size is parsed without a check: it takes 100 KB of memory at most.
SMALL_JSON_BYTES: Final = 4096
# Bytes outside of strings in larger JSON. Three bytes can become an object of 64 bytes. Events of
# clients have less than a hundred such bytes, and one long text.
MAX_STRUCTURE_BYTES: Final = 1024

# The key in a request's `context` with which a server names itself to its fallback voice. Wyoming
# does not define the keys of a context, and servers ignore unknown keys.
_FALLBACK_OF: Final = "wyoming-fish-fallback-of"

# Events whose data is used. Data of other events is dropped as it arrives.
_WITH_DATA: Final = frozenset({"ping", "synthesize", "synthesize-start", "synthesize-chunk"})

_STRING: Final = re.compile(rb'"[^"]*"?')

_AUDIO_HEAD: Final = (
    b'{"type": "audio-chunk", "version": "%b", "data_length": %%d, "payload_length": %%d}\n'
    % version.__version__.encode()
)


class EventError(Exception):
    """The input is not a valid Wyoming event."""


class _Head(NamedTuple):
    """Data of an event's first line that is kept until the rest has arrived."""

    event_type: str
    line: bytes
    """The line, if it has data that is used. It is parsed again later, because JSON is smaller."""
    data_length: int
    dropped: int
    """Bytes after the data that are dropped."""


class EventParser:
    """Incremental parser: bytes in, events out. It keeps incomplete events unparsed."""

    def __init__(self) -> None:
        self._input = bytearray()
        self._searched = 0
        """Bytes of the input without a line end."""
        self._head: _Head | None = None
        self._data = b""

    @property
    def held(self) -> int:
        """Bytes of input in memory."""
        return len(self._input) + len(self._data) + (len(self._head.line) if self._head else 0)

    @property
    def has_incomplete_event(self) -> bool:
        """Whether an event has begun and is not complete."""
        return self._head is not None or bool(self._input)

    def feed(self, data: bytes | memoryview) -> None:
        """Add input."""
        self._input += data

    def next_event(self) -> Event | None:
        """Return the next event without its payload; None if incomplete. Raises EventError."""
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
        raise EventError("an event must have a type")
    if len(event_type) > MAX_NAME_CHARS:
        raise EventError(f"the type of an event has more than {MAX_NAME_CHARS} characters")
    inline = _inline_data(header)
    data_length = length_of(header, "data_length", MAX_DATA_BYTES)
    payload_length = length_of(header, "payload_length", MAX_PAYLOAD_BYTES)
    if event_type not in _WITH_DATA:
        return _Head(event_type, b"", 0, data_length + payload_length)
    return _Head(event_type, line if inline else b"", data_length, payload_length)


def _inline_data(header: dict[str, Any]) -> dict[str, Any]:
    data = header.get("data", {})
    if not isinstance(data, dict):
        raise EventError("the data of an event must be a JSON object")
    return data


def encode(event: Event) -> bytes:
    """Encode an event, as the `wyoming` package does."""
    header: dict[str, Any] = {"type": event.type, "version": version.__version__}
    data = json.dumps(event.data, ensure_ascii=False).encode() if event.data else b""
    if data:
        header["data_length"] = len(data)
    if event.payload:
        header["payload_length"] = len(event.payload)
    return b"".join((json.dumps(header).encode(), b"\n", data, event.payload or b""))


def encode_audio(rate: int, milliseconds: int, pcm: bytes) -> bytes:
    """Encode an `audio-chunk` of s16le mono PCM; ``milliseconds`` is its timestamp.

    With `json`, these many events would need a twentieth of the CPU time of a reply.
    """
    data = b'{"rate": %d, "width": 2, "channels": 1, "timestamp": %d}' % (rate, milliseconds)
    return b"".join((_AUDIO_HEAD % (len(data), len(pcm)), data, pcm))


def text_of(event: Event, limit: int | None = None) -> str:
    """Return the event's text. Raises EventError if it is not valid, or longer than ``limit``."""
    text = event.data.get("text")
    if not isinstance(text, str):
        raise EventError(f"{event.type} must have a text")
    if limit is not None and len(text) > limit:
        raise EventError(f"the text of {event.type} has more than {limit} characters")
    if not _is_unicode(text):
        raise EventError(f"the text of {event.type} is not valid Unicode")
    return text


def voice_of(event: Event) -> SynthesizeVoice:
    """Return the event's voice; without one, all of its fields are None. Raises EventError."""
    voice = event.data.get("voice")
    if voice is None:
        return SynthesizeVoice()
    if not isinstance(voice, dict):
        raise EventError("a voice must be a JSON object")
    fields = [voice.get(name) for name in ("name", "language", "speaker")]
    for field in fields:
        if field is None:
            continue
        if not (isinstance(field, str) and _is_unicode(field)):
            raise EventError("the name, language and speaker of a voice must be text")
        if len(field) > MAX_NAME_CHARS:
            raise EventError(
                f"a voice has a name, language or speaker of more than {MAX_NAME_CHARS} characters"
            )
    return SynthesizeVoice(*fields)


def is_ssml(event: Event) -> bool:
    """Return whether the event's text is SSML. Raises EventError."""
    text_format = event.data.get("text_format")
    if text_format is not None and not isinstance(text_format, str):
        raise EventError("the format of a text must be text")
    return text_format == SynthesizeTextFormat.SSML


def fallback_context(server_id: str) -> dict[str, str]:
    """Return the context of a request of the server ``server_id`` to its fallback voice."""
    return {_FALLBACK_OF: server_id}


def fallback_origin(event: Event) -> str | None:
    """Return the ID of the server whose fallback voice gets this request; None for a client."""
    context = event.data.get("context")
    server_id = context.get(_FALLBACK_OF) if isinstance(context, dict) else None
    return server_id[:MAX_NAME_CHARS] if isinstance(server_id, str) else None


def json_object(data: bytes) -> dict[str, Any]:
    """Parse a JSON object. Raises EventError."""
    if len(data) > SMALL_JSON_BYTES:
        _check_structure(data)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise EventError("an event must be a line of JSON") from error
    if not isinstance(value, dict):
        raise EventError("an event must be a JSON object")
    return value


def _check_structure(data: bytes) -> None:
    """Raise EventError for JSON that needs far more memory when it is parsed."""
    # Without escapes, a quotation mark begins or ends a string.
    data = data.replace(rb"\\", b"").replace(rb"\"", b"")
    structure = end = 0
    for string in _STRING.finditer(data):
        # An empty string also needs memory.
        structure += string.start() - end + 1
        end = string.end()
        if structure > MAX_STRUCTURE_BYTES:
            break
    if structure + len(data) - end > MAX_STRUCTURE_BYTES:
        raise EventError("an event has too many values")


def length_of(header: dict[str, Any], name: str, limit: int) -> int:
    """Return a length in an event's first line. Raises EventError."""
    length = header.get(name)
    if length is None:
        return 0
    # True is an int in Python.
    if type(length) is not int or length < 0:
        raise EventError(f"{name} must be a number of bytes")
    if length > limit:
        raise EventError(f"{name} must be at most {limit} (got {length})")
    return length


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
