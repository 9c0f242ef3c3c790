"""Audio as a file that grows."""

import contextlib
import struct
from collections.abc import AsyncGenerator
from typing import Final

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
    """Return the 68 bytes that make a Core Audio file of the same.

    It is for ffmpeg, which takes the first 64 KiB of a WAV, 0.74 s of speech, to look whether they
    are something else (S/PDIF) before it gives any; a CAF's it converts as they come. (Apple's
    «Core Audio Format Specification 1.0».)
    """
    return struct.pack(
        ">4sHH4sqd4sIIIII4sqI",
        *(b"caff", 1, 0),
        # Little-endian whole numbers; a packet has 2 bytes, which are a frame of one channel.
        *(b"desc", 32, float(rate), b"lpcm", 2, 2, 1, 1, 16),
        # A length that is not known, and no edits.
        *(b"data", -1, 0),
    )


async def audio_file(
    header: bytes, rate: int, speech: AsyncGenerator[bytes]
) -> AsyncGenerator[bytes]:
    """Yield ``header`` and the PCM of ``speech``; a short silence if there is none.

    Nothing comes before the first sample, so that Home Assistant answers with an error, and not
    with an empty file, if ``speech`` fails before that.
    """
    async with contextlib.aclosing(speech):
        silence = bytes(2 * round(SILENCE_S * rate))
        yield header + await anext(speech, silence)
        async for pcm in speech:
            yield pcm
