"""Answers of a server, parsed with bounds.

The base URL can lead to a server that is broken or hostile. Parsed, its answer may take a hundred
times the memory of its bytes, so its structure is looked at first.
"""

from __future__ import annotations

import json
from typing import Any, Final

import ormsgpack

from .errors import ProtocolError
from .untrusted import hide

__all__ = ["LIMIT_HEADER", "concurrency_limit", "from_json", "unpack"]

# The header that tells how many sessions the account may have at the same time.
LIMIT_HEADER: Final = "ratelimit-limit-concurrency"

# Commas, colons and opening brackets of JSON. Each takes up to 80 bytes when it is parsed, 5 MB in
# all. A page of 100 voices has some 16,000.
MAX_JSON_MARKS: Final = 60_000

# Values in one MessagePack frame, likewise. A frame with the timing of 300 characters has 2,000.
MAX_FRAME_VALUES: Final = 5000

# Digits of a number of sessions. Python refuses to read a number of thousands of digits.
MAX_LIMIT_DIGITS: Final = 6

# By the first byte of a MessagePack value: the bytes of the length that follows it, and how many
# values or how many bytes follow for each of its units.
_LENGTHS: Final = {
    0xC4: (1, 0, 1),  # bin
    0xC5: (2, 0, 1),
    0xC6: (4, 0, 1),
    0xD9: (1, 0, 1),  # str
    0xDA: (2, 0, 1),
    0xDB: (4, 0, 1),
    0xDC: (2, 1, 0),  # array
    0xDD: (4, 1, 0),
    0xDE: (2, 2, 0),  # map
    0xDF: (4, 2, 0),
}
# Bytes of the numbers, from 0xCA on: float 32 and 64, uint 8 to 64, int 8 to 64.
_FIRST_NUMBER: Final = 0xCA
_NUMBER_BYTES: Final = (4, 8, 1, 2, 4, 8, 1, 2, 4, 8)


def from_json(body: bytes | bytearray, secret: str = "") -> object:
    """Parse JSON, and hide ``secret`` in it. Raises ProtocolError."""
    if sum(map(body.count, (b",", b":", b"[", b"{"))) > MAX_JSON_MARKS:
        raise ProtocolError("The server's answer has too many values.")
    try:
        answer: object = hide(json.loads(body), secret) if secret else json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProtocolError("The server's answer is not JSON.") from error
    return answer


def unpack(frame: bytes) -> dict[str, Any]:
    """The MessagePack map that a frame is. Raises ProtocolError."""
    _check_values(frame)
    try:
        message = ormsgpack.unpackb(frame)
    except ValueError as error:
        raise ProtocolError("The server sent a frame that is not MessagePack.") from error
    if not isinstance(message, dict):
        raise ProtocolError("The server sent a frame that is not a message.")
    return message


def concurrency_limit(value: object) -> int | None:
    """The sessions that an account may have, from a header or a message; None if it is not one."""
    if isinstance(value, str):
        value = int(value) if value.isdecimal() and len(value) <= MAX_LIMIT_DIGITS else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if 0 < value < 10**MAX_LIMIT_DIGITS else None


def _check_values(frame: bytes) -> None:
    """Raise ProtocolError for a frame of too many values. What is not MessagePack may pass."""
    at, size = 0, len(frame)
    values = to_come = 1
    while to_come and at < size:
        kind = frame[at]
        at += 1
        inside = 0
        if kind in _LENGTHS:
            width, each_values, each_bytes = _LENGTHS[kind]
            count = int.from_bytes(frame[at : at + width])
            inside = each_values * count
            at += width + each_bytes * count
        elif 0x80 <= kind <= 0x8F:
            inside = 2 * (kind - 0x80)
        elif 0x90 <= kind <= 0x9F:
            inside = kind - 0x90
        elif 0xA0 <= kind <= 0xBF:
            at += kind - 0xA0
        elif 0 <= kind - _FIRST_NUMBER < len(_NUMBER_BYTES):
            at += _NUMBER_BYTES[kind - _FIRST_NUMBER]
        elif 0xC7 <= kind <= 0xC9 or 0xD4 <= kind <= 0xD8:
            raise ProtocolError("The server sent a frame with an unknown type.")
        values += inside
        to_come += inside - 1
        if values > MAX_FRAME_VALUES:
            raise ProtocolError("The server sent a frame with too many values.")
