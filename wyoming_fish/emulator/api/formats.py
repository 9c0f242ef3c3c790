"""Audio formats: s16le mono PCM in, the bytes of the format that was asked for out."""

import ctypes
import ctypes.util
import secrets
import struct
from functools import cache
from typing import Any, Final, Protocol

from .errors import ApiError
from .request import SpeechRequest

# A stream's length is not known at its start: the size that Fish's encoder writes in its place
# (official documentation; the RIFF size is the same and 36, 4294967076).
PLACEHOLDER_DATA_SIZE = 4294967040


class Encoder(Protocol):
    """One session's stream."""

    content_type: str
    bytes_per_second: int
    """Encoded bytes in a second of audio."""

    def encode(self, pcm: bytes) -> bytes:
        """Encode whole samples of s16le mono PCM. What comes out may belong to earlier ones."""

    def finish(self) -> bytes:
        """Give what the format kept back."""


def encoder_for(request: SpeechRequest, *, riff: bool = False) -> Encoder:
    """A fresh encoder for a session; `riff` puts a RIFF header before PCM as well.

    Raises ApiError 400 for a format that cannot be had here.
    """
    if request.format == "mp3":
        return _Mp3(request.sample_rate, request.mp3_bitrate)
    if request.format == "opus":
        return _Opus(request.opus_bitrate)
    wav = request.format == "wav"
    return _Pcm(request.sample_rate, "audio/wav" if wav else "audio/pcm", header=wav or riff)


def wav_header(rate: int, data_size: int = PLACEHOLDER_DATA_SIZE) -> bytes:
    """The 44 bytes before `data_size` bytes of s16le mono PCM at `rate` Hz."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        data_size + 36,
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        rate,
        rate * 2,
        2,
        16,
        b"data",
        data_size,
    )


class _Pcm:
    def __init__(self, rate: int, content_type: str, *, header: bool) -> None:
        self.content_type = content_type
        self.bytes_per_second = rate * 2
        self._header = wav_header(rate) if header else b""

    def encode(self, pcm: bytes) -> bytes:
        header, self._header = self._header, b""
        return header + pcm if header else pcm

    def finish(self) -> bytes:
        return b""


class _Mp3:
    content_type = "audio/mpeg"

    def __init__(self, rate: int, bitrate: int) -> None:
        try:
            import lameenc  # noqa: PLC0415 - an optional package
        except ModuleNotFoundError:
            raise ApiError(
                400, "format mp3 needs the Python package lameenc here: install it, or ask for pcm"
            ) from None
        self.bytes_per_second = bitrate * 125
        self._begun = False
        self._lame: Any = lameenc.Encoder()
        self._lame.silence()
        self._lame.set_channels(1)
        self._lame.set_in_sample_rate(rate)
        self._lame.set_bit_rate(bitrate)
        self._lame.set_quality(7)  # the quickest that still sounds well

    def encode(self, pcm: bytes) -> bytes:
        self._begun = True
        return bytes(self._lame.encode(pcm))

    def finish(self) -> bytes:
        return bytes(self._lame.flush()) if self._begun else b""


# From opus_defines.h.
_OPUS_APPLICATION_AUDIO: Final = 2049
_OPUS_SET_BITRATE: Final = 4002
_OPUS_GET_LOOKAHEAD: Final = 4027

OPUS_RATE: Final = 48000
OPUS_FRAME: Final = 960
"""Samples of a packet: 20 ms."""
MAX_PACKET_BYTES: Final = 1275
OPUS_VENDOR: Final = b"wyoming_fish emulator"


class _Opus:
    """Ogg Opus (RFC 7845), a page for each packet, by the system's libopus."""

    content_type = "audio/opus"

    def __init__(self, bitrate: int | None) -> None:
        self._library = _libopus()
        error = ctypes.c_int()
        self._encoder = ctypes.c_void_p(
            self._library.opus_encoder_create(
                OPUS_RATE, 1, _OPUS_APPLICATION_AUDIO, ctypes.byref(error)
            )
        )
        if self._encoder.value is None:
            raise ApiError(500, f"libopus could not be started: error {error.value}")
        if bitrate is not None:
            self._control(_OPUS_SET_BITRATE, ctypes.c_int(bitrate))
        lookahead = ctypes.c_int()
        self._control(_OPUS_GET_LOOKAHEAD, ctypes.byref(lookahead))
        self._skipped = lookahead.value
        """Samples before the first one of the audio, which a player leaves out."""
        self.bytes_per_second = (bitrate or 64000) // 8
        self._pcm = b""
        self._samples = 0
        """How many were given to the encoder."""
        self._encoded = 0
        """How many are in packets."""
        self._serial = secrets.randbits(32)
        self._page_number = 0
        self._last = b""
        """The last packet. It waits, since its page says whether it is the last one."""

    def __del__(self) -> None:
        if encoder := getattr(self, "_encoder", None):
            self._library.opus_encoder_destroy(encoder)

    def encode(self, pcm: bytes) -> bytes:
        begun = b""
        if not self._samples:
            head = struct.pack("<8sBBHIhB", b"OpusHead", 1, 1, self._skipped, OPUS_RATE, 0, 0)
            tags = struct.pack("<8sI", b"OpusTags", len(OPUS_VENDOR)) + OPUS_VENDOR + bytes(4)
            begun = self._page(head, 0, flags=2) + self._page(tags, 0)
        self._samples += len(pcm) // 2
        self._pcm += pcm
        return begun + self._packets()

    def finish(self) -> bytes:
        if not self._samples:
            return b""
        # What the encoder still has in it comes out with silence behind it.
        end = self._skipped + self._samples
        missing = end - self._encoded - len(self._pcm) // 2
        short = -(len(self._pcm) // 2 + missing) % OPUS_FRAME
        self._pcm += bytes(2 * (missing + short))
        return self._packets() + self._page(self._last, end, flags=4)

    def _packets(self) -> bytes:
        pages = []
        begin, size = 0, 2 * OPUS_FRAME
        while len(self._pcm) - begin >= size:
            if self._last:
                pages.append(self._page(self._last, self._encoded))
            self._last = self._packet(self._pcm[begin : begin + size])
            self._encoded += OPUS_FRAME
            begin += size
        self._pcm = self._pcm[begin:]
        return b"".join(pages)

    def _packet(self, pcm: bytes) -> bytes:
        packet = ctypes.create_string_buffer(MAX_PACKET_BYTES)
        size = self._library.opus_encode(self._encoder, pcm, OPUS_FRAME, packet, len(packet))
        if size < 0:
            raise RuntimeError(f"libopus could not encode: error {size}")
        return packet.raw[:size]

    def _control(self, request: int, value: Any) -> None:
        error = self._library.opus_encoder_ctl(self._encoder, request, value)
        if error:
            raise ApiError(500, f"libopus could not be set up: error {error}")

    def _page(self, packet: bytes, position: int, flags: int = 0) -> bytes:
        lengths = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
        page = struct.pack(
            "<4sBBqIIIB",
            *(b"OggS", 0, flags, position, self._serial, self._page_number, 0, len(lengths)),
        )
        page += lengths + packet
        self._page_number += 1
        return page[:22] + struct.pack("<I", _ogg_checksum(page)) + page[26:]


@cache
def _libopus() -> Any:
    name = ctypes.util.find_library("opus")
    if name is None:
        raise ApiError(400, "format opus needs the library libopus here: install it, or use pcm")
    library = ctypes.CDLL(name)
    library.opus_encoder_create.restype = ctypes.c_void_p
    return library


@cache
def _ogg_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = value << 1 ^ (0x04C11DB7 if value & 0x80000000 else 0)
        table.append(value & 0xFFFFFFFF)
    return table


def _ogg_checksum(page: bytes) -> int:
    """CRC-32 as Ogg has it: not reflected, and begun with 0, unlike that of zlib."""
    table, value = _ogg_table(), 0
    for byte in page:
        value = (value << 8 & 0xFFFFFFFF) ^ table[value >> 24 ^ byte]
    return value
