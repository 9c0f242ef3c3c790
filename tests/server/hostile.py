"""What comes from hands that cannot be trusted: corpus/, and what is too large for a file.

By the first word of its name, `event` is served, `fail` is no Wyoming event, and `senseless` is one
that nobody can serve.
"""

from pathlib import Path
from typing import Final

from wyoming_fish.events import DATA_LIMIT, LINE_LIMIT

__all__ = ["CORPUS", "LARGE"]

CORPUS: Final = {
    path.stem: path.read_bytes() for path in Path(__file__).parent.glob("corpus/*.wyoming")
}


def _data(data: bytes) -> bytes:
    return b'{"type": "ping", "data_length": %d}\n' % len(data) + data


def _filled(begin: bytes, middle: bytes, end: bytes) -> bytes:
    """As much of ``middle`` as data may have."""
    return begin + middle * ((DATA_LIMIT - len(begin) - len(end)) // len(middle)) + end


FLOOD: Final = bytes(32 * 2**20)

LARGE: Final = {
    "fail-line-without-end": b"x" * len(FLOOD),
    "fail-line-too-long": b'{"type": "' + b"x" * LINE_LIMIT + b'"}\n',
    "fail-brackets": b'{"type": "x", "data": ' + b"[" * 30_000 + b"]" * 30_000 + b"}\n",
    "fail-open-brackets": b"[" * 30_000 + b"\n",
    "fail-brackets-in-data": _data(b"[" * DATA_LIMIT),
    "fail-data-flood": b'{"type": "x", "data_length": 1000000000000}\n' + FLOOD,
    "fail-payload-flood": b'{"type": "x", "payload_length": 1000000000000}\n' + FLOOD,
    "fail-digits-in-data": _data(_filled(b'{"a": ', b"9", b"}")),
    # The most objects, names and characters that so many bytes could become.
    "fail-many-objects": _data(_filled(b'{"a": [{}', b",{}", b"]}")) * 8,
    "fail-many-names": _data(b"{" + b",".join(b'"%05d":[]' % n for n in range(18_000)) + b"}") * 8,
    "event-wide-text": _data(_filled('{"text": "🐟'.encode(), b"x", b'"}')) * 8,
    "event-payloads": (b'{"type": "x", "payload_length": %d}\n' % 2**20 + bytes(2**20)) * 32,
}
