"""PCM aligner: turns received bytes into whole samples."""

from __future__ import annotations

from typing import Final

from ..errors import ProtocolError

__all__ = ["PcmAligner"]

# A RIFF header is 44 bytes, or a little more with chunks before its data.
MAX_HEADER_BYTES: Final = 4096


class PcmAligner:
    """s16le mono PCM, cut anywhere → the same in whole samples.

    An odd byte waits for its other half. A RIFF header, which Fish has been seen to send before
    PCM too, is taken off wherever one begins what is fed, however it is cut.
    """

    def __init__(self) -> None:
        self._header = b""
        self._odd = b""

    @property
    def empty(self) -> bool:
        """Whether no byte is held back."""
        return not self._header and not self._odd

    def feed(self, data: bytes) -> bytes:
        """The whole samples that ``data`` (one audio event, or a part of a body) completes.

        Raises ProtocolError for a RIFF header that does not come to an end.
        """
        if self._header or data.startswith(b"RIFF"[: len(data)]):
            self._header += data
            rest = _after_header(self._header)
            if rest is None:
                return b""
            data, self._header = rest, b""
        return self._whole(data)

    def end(self) -> bytes:
        """The samples that were held back as the possible start of a header."""
        data, self._header = self._header, b""
        return self._whole(data)

    def _whole(self, data: bytes) -> bytes:
        if self._odd:
            data = self._odd + data
        whole = len(data) - len(data) % 2
        self._odd = data[whole:]
        return data[:whole]


def _after_header(data: bytes) -> bytes | None:
    """What follows the RIFF header at the start of ``data``, or None while it is incomplete.

    Data without a header is audio, and is returned whole.
    """
    if not b"RIFF".startswith(data[:4]) or not b"WAVE".startswith(data[8:12]):
        return data
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if name == b"data":
            return data[at:]
        at += size + size % 2
        if at > MAX_HEADER_BYTES:
            break
    if at > MAX_HEADER_BYTES or len(data) > MAX_HEADER_BYTES:
        raise ProtocolError("The server sent a RIFF header without an end.")
    return None
