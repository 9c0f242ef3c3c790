"""Body of an answer of OpenAI's speech API: WAV, PCM, or events with either; in any rate."""

from __future__ import annotations

import binascii
from typing import Any, Final

from ...bounded_json import from_json
from ...error_mapping import MAX_READ_CHARS, error_from_event
from ...errors import AudioFormatError, FishConnectionError, ProtocolError
from ...untrusted import hide
from ..resampler import checked_rate
from ..watchdog import PartLimit

__all__ = ["OPENAI_RATE_HZ", "SpeechBody"]

# Of PCM, if the answer does not tell another (OpenAI's documentation).
OPENAI_RATE_HZ: Final = 24000

# Bytes of one event. Events are streamed, with a second of audio or so. This is a whole answer of
# 32 s in base64 at 24000 Hz, or 17 s at 44100 Hz, as long as the longest chunk of a text.
MAX_EVENT_BYTES: Final = 2**21
# Bytes of one event that has other characters than audio has: as text, each could take 4 bytes.
MAX_WIDE_EVENT_BYTES: Final = 2**16
# Lines of events and chunks of WAV with hardly any audio after which a server is given up, as for
# messages of websockets.
MAX_SILENT_PARTS: Final = 2000

# Bytes of a WAV file beside its samples: a header has 44, and some programs add a comment.
MAX_WAV_EXTRA_BYTES: Final = 2**16
# A streamed file does not know its size. Its header has 0, or a number near one of the largest.
UNKNOWN_SIZE: Final = 0x7FFF0000
# The number of PCM in a header, and the one that means that the number stands further on in it.
PCM_FORMAT: Final = 1
EXTENSIBLE_FORMAT: Final = 0xFFFE


class SpeechBody:
    """Decodes one answer, with or without events, to PCM. ``rate`` is that of PCM in it.

    ``secret`` is in no error.
    """

    def __init__(self, rate: int, *, has_events: bool, secret: str = "") -> None:
        self._parts = _Parts(MAX_SILENT_PARTS)
        self._events = EventStream(self._parts, secret) if has_events else None
        self._wav = WavStream(rate, self._parts)

    @property
    def rate(self) -> int:
        """Hertz, once there are samples."""
        return self._wav.rate

    def feed(self, data: bytes) -> bytes:
        """The samples that ``data`` completes. Raises FishError."""
        pcm = b""
        for rate, audio in self._events.feed(data) if self._events else [(None, data)]:
            if rate is not None:
                self._wav.set_rate(rate)
            pcm += self._wav.feed(audio)
        self._parts.hear(len(pcm) / 2 / self.rate)
        return pcm

    def end(self) -> bytes:
        """The samples that were held back. Raises FishConnectionError if the answer is cut off."""
        pcm = self._wav.end()
        if self._wav.is_cut or (self._events is not None and not self._events.is_done):
            raise FishConnectionError("The server broke off its answer.")
        return pcm


class _Parts(PartLimit):
    """The lines and chunks of one answer."""

    def take(self) -> None:
        """A part has come. Raises ProtocolError if there are too many."""
        super().take()
        if self.is_exceeded:
            raise ProtocolError(
                f"The server sent more than {MAX_SILENT_PARTS} parts with hardly any audio."
            )


class EventStream:
    """Server-sent events in the two forms that speech servers use.

    OpenAI and vLLM-Omni: `speech.audio.delta` and `speech.audio.done`. SGLang-Omni before June
    2026: `audio.speech.chunk`, and `[DONE]`.
    """

    def __init__(self, parts: PartLimit, secret: str) -> None:
        self.is_done = False
        """Whether the server has said that all was spoken."""
        self._parts = parts
        self._secret = secret
        self._line = bytearray()
        self._data = bytearray()
        """Of the event that is being read."""

    def feed(self, data: bytes) -> list[tuple[int | None, bytes]]:
        """The audio of the events that ``data`` completes, and its rate if it is told."""
        found = []
        # Only the new data is searched: a line may have megabytes.
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._add(end)
            self._parts.take()
            if self._line.startswith(b"data:"):
                self._data += self._line[5:]
            elif self._data and not self._line.strip():
                found += self._read(self._data)
                self._data.clear()
            self._line.clear()
        self._add(rest)
        return found

    def _add(self, data: bytes) -> None:
        self._line += data
        if len(self._line) + len(self._data) > MAX_EVENT_BYTES:
            raise ProtocolError("The server sent an event that is too large.")

    def _read(self, event: bytearray) -> list[tuple[int | None, bytes]]:
        if event.strip() == b"[DONE]":
            self.is_done = True
            return []
        if len(event) > MAX_WIDE_EVENT_BYTES and _is_wide(event):
            raise ProtocolError("The server sent a large event that is not audio.")
        message = from_json(event)
        if not isinstance(message, dict):
            raise ProtocolError("The server sent an event that is not a message.")
        if error := message.get("error"):
            said = error.get("message", "") if isinstance(error, dict) else error
            said = said[:MAX_READ_CHARS] if isinstance(said, str) else ""
            raise error_from_event(hide(said, self._secret))
        kind = message.get("type")
        if kind == "speech.audio.done" or message.get("finish_reason"):
            self.is_done = True
        audio: Any = message.get("audio")
        rate: Any = None
        if isinstance(audio, dict):
            audio, rate = audio.get("data"), audio.get("sample_rate")
        if audio is None:
            return []
        return [(rate if type(rate) is int else None, _from_base64(audio))]


class WavStream:
    """WAV files one after the other, cut anywhere, or PCM without a header.

    Some servers send each part of their speech as a file of its own.
    """

    def __init__(self, rate: int, parts: PartLimit) -> None:
        self.rate = checked_rate(rate)
        """Hertz."""
        self._parts = parts
        self._bytes = bytearray()
        """Not read yet."""
        self._has_header = False
        self._left: int | None = 0
        """Bytes of samples that are to come in this file; None: until the end."""
        self._skipped = 0
        """Bytes of this file that are not samples."""
        self._has_samples = False

    @property
    def is_cut(self) -> bool:
        """Whether bytes are missing that a header has announced."""
        return bool(self._left) or (not self._has_samples and len(self._bytes) > 1)

    def set_rate(self, rate: int) -> None:
        """The server has told the rate. Raises ProtocolError if it changes within the speech."""
        if self._has_samples and rate != self.rate:
            raise ProtocolError("The server changed the sample rate within its speech.")
        self.rate = checked_rate(rate)

    def feed(self, data: bytes) -> bytes:
        """The samples that ``data`` completes. Raises ProtocolError."""
        self._bytes += data
        pcm = bytearray()
        while True:
            pcm += self._samples()
            # A header within the same data may tell another rate.
            self._has_samples = self._has_samples or bool(pcm)
            if self._left != 0 or not self._read_chunk():
                return bytes(pcm)

    def end(self) -> bytes:
        """The samples that were held back as the possible start of a header."""
        if not self._has_header and len(self._bytes) < len(b"RIFF"):
            self._left = None
            return self._samples()
        return b""

    def _samples(self) -> bytes:
        """Take what there is of the samples, in whole ones."""
        most = len(self._bytes) if self._left is None else min(self._left, len(self._bytes))
        if self._left is None or most < self._left:
            most -= most % 2
        pcm = bytes(self._bytes[:most])
        del self._bytes[:most]
        if self._left is not None:
            self._left -= most
        return pcm[: most - most % 2]

    def _read_chunk(self) -> bool:
        """Read the header of a chunk, if it is there; tell whether it was."""
        name = bytes(self._bytes[:4])
        is_file = b"RIFF".startswith(name)
        if len(name) == 4 and not is_file and not (self._has_header and name.strip().isalnum()):
            # These are samples.
            self._left = None
            return True
        if len(self._bytes) < (12 if is_file else 8):
            return self._has_no_header(name)
        size = int.from_bytes(self._bytes[4:8], "little")
        if is_file:
            self._skip(12)
            self._skipped, self._has_header = 0, True
        elif name == b"data":
            self._skip(8)
            self._left = size if 0 < size < UNKNOWN_SIZE else None
        else:
            length = 8 + size + size % 2
            if self._skipped + length > MAX_WAV_EXTRA_BYTES:
                raise ProtocolError("The server sent a RIFF header without an end.")
            if len(self._bytes) < length:
                return False
            if name == b"fmt ":
                self._read_format(bytes(self._bytes[8:length]))
            self._skip(length)
        return True

    def _has_no_header(self, name: bytes) -> bool:
        """Whether the few bytes that there are cannot begin a header: then they are samples."""
        if not self._has_header and not b"RIFF".startswith(name):
            self._left = None
            return True
        return False

    def _skip(self, length: int) -> None:
        self._parts.take()
        del self._bytes[:length]
        self._skipped += length

    def _read_format(self, fields: bytes) -> None:
        kind = int.from_bytes(fields[:2], "little")
        if kind == EXTENSIBLE_FORMAT:
            kind = int.from_bytes(fields[24:26], "little")
        if kind != PCM_FORMAT:
            raise AudioFormatError(
                f"The server's audio is WAV of format {kind}, and not of 1 (PCM)."
            )
        channels = int.from_bytes(fields[2:4], "little")
        bits = int.from_bytes(fields[14:16], "little")
        if (channels, bits) != (1, 16):
            raise AudioFormatError(
                f"The server's audio has {channels} channels of {bits} bits, and not one of 16."
            )
        self.set_rate(int.from_bytes(fields[4:8], "little"))


def _is_wide(event: bytearray) -> bool:
    """Whether it may have characters that are not in Latin-1, written or escaped."""
    return not event.isascii() or event.count(b"\\u") != event.count(b"\\u00")


def _from_base64(audio: Any) -> bytes:
    try:
        return binascii.a2b_base64(audio, strict_mode=True)
    except (ValueError, TypeError):
        raise ProtocolError("The server sent audio that is not base64.") from None
