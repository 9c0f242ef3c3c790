"""Audio as a file that grows, in the form that Home Assistant passes on or converts soonest."""

import contextlib
import struct
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from homeassistant.components.tts import (
    ATTR_PREFERRED_FORMAT,
    ATTR_PREFERRED_SAMPLE_BYTES,
    ATTR_PREFERRED_SAMPLE_CHANNELS,
    ATTR_PREFERRED_SAMPLE_RATE,
)
from homeassistant.const import MAJOR_VERSION, MINOR_VERSION

from ..fish.settings import SAMPLE_RATES

# From this release on, Home Assistant does not convert what has the preferred rate, channels and
# bytes already, if the engine lists these among its options.
PASSES_PREFERRED_WAV: Final = (MAJOR_VERSION, MINOR_VERSION) >= (2026, 11)

# Hertz of Fish Audio's own speech; as good as any other rate to convert from.
DEFAULT_RATE: Final = 44100

# What stands in a WAV header for a length that is not known yet: Home Assistant and ffmpeg read
# on to the end of the stream.
_UNKNOWN_LENGTH = 0xFFFFFFFF

# A reply without a word is this long: a player cannot play a file without a sample, and an MP3
# encoder needs some frames.
SILENCE_S: Final = 0.3


def wav_header(rate: int) -> bytes:
    """Return the 44 bytes that make a WAV file of the s16le mono PCM of ``rate`` Hz to come."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", _UNKNOWN_LENGTH, b"WAVE"),
        *(b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16),
        *(b"data", _UNKNOWN_LENGTH),
    )


def caf_header(rate: int) -> bytes:
    """Return the 68-byte header of a Core Audio Format (CAF) file.

    The file is for ffmpeg. Of a WAV file, ffmpeg first reads 64 KiB (0.74 s of speech) to check for
    S/PDIF, and outputs nothing until then. It converts a CAF file as the data arrives. Source:
    Apple, "Core Audio Format Specification 1.0".
    """
    return struct.pack(
        ">4sHH4sqd4sIIIII4sqI",
        *(b"caff", 1, 0),
        # Little-endian whole numbers; a packet has 2 bytes, which are a frame of one channel.
        *(b"desc", 32, float(rate), b"lpcm", 2, 2, 1, 1, 16),
        # A length that is not known, and no edits.
        *(b"data", -1, 0),
    )


@dataclass(frozen=True, slots=True)
class AudioFile:
    """A file of s16le mono PCM."""

    extension: Literal["caf", "wav"]
    """Also the name by which ffmpeg knows the format."""

    sample_rate: int
    """Hertz, one of those that Fish Audio has."""

    @classmethod
    def for_options(
        cls, options: Mapping[str, Any], *, passes_preferred_wav: bool = PASSES_PREFERRED_WAV
    ) -> Self:
        """Return the file to hand over to Home Assistant for a message with these ``options``.

        A WAV that is wanted as it is needs no conversion. For everything else it is a CAF, since
        that is converted sooner.
        """
        rate = options.get(ATTR_PREFERRED_SAMPLE_RATE)
        channels = options.get(ATTR_PREFERRED_SAMPLE_CHANNELS)
        sample_bytes = options.get(ATTR_PREFERRED_SAMPLE_BYTES)
        fits = rate in (None, *SAMPLE_RATES) and channels in (None, 1) and sample_bytes in (None, 2)
        is_passed = passes_preferred_wav or (rate, channels, sample_bytes) == (None, None, None)
        is_wav = options.get(ATTR_PREFERRED_FORMAT) == "wav" and fits and is_passed
        return cls("wav" if is_wav else "caf", rate if rate in SAMPLE_RATES else DEFAULT_RATE)

    @property
    def header(self) -> bytes:
        """What the file begins with."""
        make = wav_header if self.extension == "wav" else caf_header
        return make(self.sample_rate)

    async def filled(self, speech: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """Yield the file with the PCM of ``speech``; with a short silence if there is none.

        Nothing comes before the first sample, so that Home Assistant answers with an error, and not
        with an empty file, if ``speech`` fails before that.
        """
        async with contextlib.aclosing(speech):
            silence = bytes(2 * round(SILENCE_S * self.sample_rate))
            yield self.header + await anext(speech, silence)
            async for pcm in speech:
                yield pcm
