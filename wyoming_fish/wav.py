"""WAV file: speech, written as it arrives."""

import struct
import sys
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Self

from wyoming.audio import AudioChunk

__all__ = ["WavError", "WavFile"]

# What stands in a header for a length that is not known yet; players read on to the end.
UNKNOWN_LENGTH: Final = 0xFFFFFFFF


class WavError(Exception):
    """The audio cannot be written; the error's own text says why, in a sentence."""


class Format(NamedTuple):
    """How samples are written."""

    rate: int
    """Hertz."""
    width: int
    """Bytes in a sample of one channel."""
    channels: int

    def seconds(self, size: int) -> float:
        """Return how long `size` bytes sound."""
        return size / (self.rate * self.width * self.channels)

    def wav_header(self, size: int) -> bytes:
        """Return the 44 bytes that make a WAV file of the `size` bytes of PCM that follow them."""
        frame = self.width * self.channels
        return struct.pack(
            "<4sI4s4sIHHIIHH4sI",
            *(b"RIFF", min(size + 36, UNKNOWN_LENGTH), b"WAVE"),
            *(b"fmt ", 16, 1, self.channels, self.rate, self.rate * frame, frame, self.width * 8),
            *(b"data", size),
        )


class WavFile:
    """A WAV file, or WAV on standard output; nothing is opened or written before there is audio.

    A reply that failed leaves no file behind.
    """

    def __init__(self, name: str) -> None:
        """Take the file's name, or `-`."""
        self.name = "standard output" if name == "-" else name
        self.format: Format | None = None
        self.size = 0
        self._path = None if name == "-" else Path(name)
        self._file: BinaryIO = sys.stdout.buffer

    @property
    def seconds(self) -> float:
        """How long the audio so far sounds."""
        return self.format.seconds(self.size) if self.format else 0.0

    def write(self, chunk: AudioChunk) -> None:
        """Add PCM. Raises WavError where it does not fit what came before or cannot be written."""
        chunk_format = Format(chunk.rate, chunk.width, chunk.channels)
        # The package that reads events checks no number. True is an int in Python.
        if not all(type(number) is int and number > 0 for number in chunk_format):
            raise WavError("The server sent audio in a format that is not valid.")
        try:
            if self.format is None:
                header = chunk_format.wav_header(UNKNOWN_LENGTH)
                if self._path is not None:
                    self._file = self._path.open("wb")
                self._file.write(header)
                self.format = chunk_format
            elif chunk_format != self.format:
                raise WavError("The server changed the format of its audio within a reply.")
            self._file.write(chunk.audio)
            self._file.flush()
        except OSError as error:
            raise WavError(
                f"The audio cannot be written to {self.name}: {error.strerror}. Check the folder "
                "and its permissions, or set another file with --output."
            ) from error
        except struct.error as error:
            raise WavError(
                f"The server sent audio in a format that WAV does not support: {error}."
            ) from error
        self.size += len(chunk.audio)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._path is None or self.format is None:
            return
        with self._file:
            if kind is None and self._file.seekable():
                self._file.seek(0)
                self._file.write(self.format.wav_header(self.size))
        # Not /dev/null or a pipe.
        if kind is not None and self._path.is_file():
            self._path.unlink()
