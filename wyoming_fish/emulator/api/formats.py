"""Audio formats: s16le mono PCM in, the bytes of the format that was asked for out."""

import importlib
import io
import struct
from typing import Any, Protocol

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
        return _Opus(request.sample_rate)
    wav = request.format == "wav"
    return _Pcm(request.sample_rate, "audio/wav" if wav else "audio/pcm", header=wav or riff)


def wav_header(rate: int, data_size: int = PLACEHOLDER_DATA_SIZE) -> bytes:
    """The 44 bytes before `data_size` bytes of s16le mono PCM at `rate` Hz."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", data_size + 36, b"WAVE"),
        *(b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16),
        *(b"data", data_size),
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
        lameenc = _optional_package("lameenc", "mp3")
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


class _Opus:
    """Opus in Ogg, at the bitrate that the encoder chooses, in pages of at most a second."""

    content_type = "audio/opus"
    bytes_per_second = 8000

    def __init__(self, rate: int) -> None:
        self._soundfile = _optional_package("soundfile", "opus")
        self._rate = rate
        self._stream = io.BytesIO()
        self._file: Any = None

    def encode(self, pcm: bytes) -> bytes:
        if self._file is None:
            self._file = self._soundfile.SoundFile(
                self._stream, "w", self._rate, 1, format="OGG", subtype="OPUS"
            )
        self._file.buffer_write(pcm, dtype="int16")
        return self._taken()

    def finish(self) -> bytes:
        if self._file is not None:
            self._file.close()
        return self._taken()

    def _taken(self) -> bytes:
        data = self._stream.getvalue()
        self._stream.seek(0)
        self._stream.truncate()
        return data


def _optional_package(name: str, audio_format: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        need = f"format {audio_format} needs the Python package {name} here"
        raise ApiError(400, f"{need}: install it, or ask for pcm") from None
