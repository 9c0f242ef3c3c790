"""What comes from hands that cannot be trusted: corpus/, and what is too large for a file.

The first word of a name says what it is: `event` is served, `fail` is not a Wyoming event, and
`senseless` is one that cannot be served.
"""

import json
from pathlib import Path
from typing import Final

from wyoming_fish.server.events import MAX_DATA_BYTES, MAX_LINE_BYTES, MAX_NAME_CHARS

__all__ = ["CORPUS", "HELD", "LARGE"]

CORPUS: Final = {
    path.stem: path.read_bytes()
    for path in Path(__file__).parents[1].glob("server/hostile/corpus/*.wyoming")
}


def _data(data: bytes) -> bytes:
    return b'{"type": "ping", "data_length": %d}\n' % len(data) + data


def _filled(begin: bytes, middle: bytes, end: bytes) -> bytes:
    """As much of ``middle`` as data may have."""
    return begin + middle * ((MAX_DATA_BYTES - len(begin) - len(end)) // len(middle)) + end


FLOOD: Final = bytes(32 * 2**20)

LARGE: Final = {
    "fail-line-without-end": b"x" * len(FLOOD),
    "fail-line-too-long": b'{"type": "' + b"x" * MAX_LINE_BYTES + b'"}\n',
    "fail-brackets": b'{"type": "x", "data": ' + b"[" * 30_000 + b"]" * 30_000 + b"}\n",
    "fail-open-brackets": b"[" * 30_000 + b"\n",
    "fail-brackets-in-data": _data(b"[" * MAX_DATA_BYTES),
    "fail-data-flood": b'{"type": "x", "data_length": 1000000000000}\n' + FLOOD,
    "fail-payload-flood": b'{"type": "x", "payload_length": 1000000000000}\n' + FLOOD,
    "fail-digits-in-data": _data(_filled(b'{"a": ', b"9", b"}")),
    # The most objects, names and characters that so many bytes could become.
    "fail-many-objects": _data(_filled(b'{"a": [{}', b",{}", b"]}")) * 8,
    "fail-many-names": _data(b"{" + b",".join(b'"%05d":[]' % n for n in range(18_000)) + b"}") * 8,
    "senseless-wide-text": _data(_filled('{"text": "🐟'.encode(), b"x", b'"}')) * 8,
    "event-payloads": (b'{"type": "x", "payload_length": %d}\n' % 2**20 + bytes(2**20)) * 32,
}


def _event(event_type: str, **data: object) -> bytes:
    text = json.dumps(data, ensure_ascii=False).encode() if data else b""
    return b'{"type": "%b", "data_length": %d}\n' % (event_type.encode(), len(text)) + text


# A long reply, which comes first so that whatever follows has to wait.
_SPEECH: Final = _event("synthesize", text="Good night. " * 200)
_WIDE: Final = _event("synthesize", text="\U00020bb7" * 45_000)
_WAITING: Final = (
    _event("synthesize", text="Hi.", voice={"name": "\U00020bb7" * MAX_NAME_CHARS}) * 99
)
_HALF: Final = b'{"type": "ping", "data_length": %d, "payload_length": 9}\n' % MAX_DATA_BYTES
_LETTERS: Final = _event("synthesize-chunk", text="\U00020bb7")

# What a client may send, and then neither send nor read more, so that much of it is kept.
HELD: Final = {
    "texts": _WIDE * 4,
    "replies": _SPEECH + _WAITING,
    "letters": _event("synthesize-start") + _LETTERS * 1000,
    "line": b'{"type": "' + b"x" * (MAX_LINE_BYTES - 100),
    "data": _HALF + _filled(b'{"a": [{}', b",{}", b"]}"),
    "pongs": _event("ping", text="\U00020bb7" * MAX_NAME_CHARS) * 2000,
    "infos": _event("describe") * 2000,
    "texts-and-data": _WIDE * 4 + _HALF + bytes(MAX_DATA_BYTES),
    "replies-and-data": _SPEECH + _WAITING + _HALF + bytes(MAX_DATA_BYTES),
    "replies-and-pongs": _SPEECH + _WAITING + _event("ping", text="x" * MAX_NAME_CHARS) * 2000,
}
