"""Fallback voice: a text-to-speech entity that speaks when Fish Audio cannot."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncGenerator
from typing import Final

from homeassistant.components import tts
from homeassistant.components.tts.const import DATA_COMPONENT
from homeassistant.core import HomeAssistant
from homeassistant.util import language as language_util

# Seconds without audio from the fallback voice. A small computer may need long for a long text, and
# the text itself may pause while the conversation agent uses a tool.
AUDIO_TIMEOUT_S: Final = 60.0

# Bytes in front of the samples of a WAV file. ffmpeg writes 44 to about 200.
MAX_HEADER_BYTES: Final = 4096

# PCM, one channel, 16 bits: the only format that is asked for.
_PCM, _CHANNELS, _BITS = 1, 1, 16


class FallbackError(Exception):
    """The fallback voice could not speak either."""


class FallbackVoice:
    """Speaks replies with the text-to-speech entity ``engine``."""

    def __init__(self, hass: HomeAssistant, engine: str) -> None:
        """Take the id of the entity."""
        self._hass = hass
        self.engine = engine

    async def speak(
        self, text: AsyncGenerator[str], language: str, sample_rate: int
    ) -> AsyncGenerator[bytes]:
        """Speak ``text`` as s16le mono PCM. Raises FallbackError."""
        is_silent = True
        wav = self._wav(text, language, sample_rate)
        async with contextlib.aclosing(samples_of_wav(wav, sample_rate)) as samples:
            while True:
                try:
                    async with asyncio.timeout(AUDIO_TIMEOUT_S):
                        pcm = await anext(samples, None)
                except TimeoutError as error:
                    raise FallbackError(f"no audio for {AUDIO_TIMEOUT_S:.0f} s") from error
                except FallbackError:
                    raise
                except Exception as error:  # another integration's code may raise anything
                    raise FallbackError(str(error)) from error
                if pcm is None:
                    break
                is_silent = False
                yield pcm
        if is_silent:
            raise FallbackError("no audio")

    async def _wav(
        self, text: AsyncGenerator[str], language: str, sample_rate: int
    ) -> AsyncGenerator[bytes]:
        """Speak ``text`` as a WAV file, in the entity's best match for the language."""
        entity = self._hass.data[DATA_COMPONENT].get_entity(self.engine)
        if entity is None:
            raise FallbackError(f"{self.engine} not found")
        matches = language_util.matches(
            language, entity.supported_languages, self._hass.config.country
        )
        stream = tts.async_create_stream(
            self._hass,
            self.engine,
            next(iter(matches), None),
            {
                tts.ATTR_PREFERRED_FORMAT: "wav",
                tts.ATTR_PREFERRED_SAMPLE_RATE: sample_rate,
                tts.ATTR_PREFERRED_SAMPLE_CHANNELS: _CHANNELS,
                tts.ATTR_PREFERRED_SAMPLE_BYTES: _BITS // 8,
            },
        )
        stream.async_set_message_stream(text)
        async for chunk in stream.async_stream_result():
            yield chunk


async def samples_of_wav(wav: AsyncGenerator[bytes], sample_rate: int) -> AsyncGenerator[bytes]:
    """Yield the samples of a WAV file that comes in chunks.

    Raises FallbackError for any other format than s16le mono PCM of ``sample_rate`` hertz.
    """
    head = b""
    left: int | None = None
    async with contextlib.aclosing(wav):
        async for chunk in wav:
            samples = chunk
            if left is None:
                head += chunk
                found = _find_samples(head, sample_rate)
                if found is None:
                    if len(head) > MAX_HEADER_BYTES:
                        break
                    continue
                start, left = found
                samples = head[start:]
            if samples[:left]:
                yield samples[:left]
            left = max(0, left - len(samples))
    if left is None and head:
        raise FallbackError("not a WAV file")


def _find_samples(head: bytes, sample_rate: int) -> tuple[int, int] | None:
    """Return where the samples begin and their bytes; None if ``head`` ends before them."""
    if head[:4] != b"RIFF"[: len(head)]:
        raise FallbackError("not a WAV file")
    start = 12
    while len(head) >= start + 8:
        name, size = struct.unpack_from("<4sI", head, start)
        start += 8
        if name == b"data":
            # 0 and 0xFFFFFFFF stand for a length that is not known.
            return start, size or 0xFFFFFFFF
        if name == b"fmt " and len(head) >= start + 16:
            kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", head, start)
            if (kind, channels, rate, bits) != (_PCM, _CHANNELS, sample_rate, _BITS):
                raise FallbackError(f"another audio format: {channels} × {rate} Hz, {bits} bits")
        start += size + size % 2
    return None
