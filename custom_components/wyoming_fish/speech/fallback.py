"""Fallback voice: a text-to-speech entity that speaks when Fish Audio cannot."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Final

from homeassistant.components import tts
from homeassistant.components.tts.const import DATA_COMPONENT
from homeassistant.core import HomeAssistant
from homeassistant.util import language as language_util

from ..fish import SpeechBody
from ..fish.errors import MAX_HAPPENED_CHARS, FishError, ProtocolError
from ..fish.reply_metrics import max_audio_s, size_of
from ..fish.untrusted import one_line

# Seconds without audio from the fallback voice. A small computer may need long for a long text, and
# the text itself may pause while the conversation agent uses a tool.
AUDIO_TIMEOUT_S: Final = 60.0

# What a WAV file begins with.
_WAV_START: Final = b"RIFF"


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
        text_bytes = 0
        audio_s = 0.0

        async def counted() -> AsyncGenerator[str]:
            nonlocal text_bytes
            async for piece in text:
                text_bytes += size_of(piece)
                yield piece

        wav = self._wav(counted(), language, sample_rate)
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
                    raise FallbackError(one_line(str(error), MAX_HAPPENED_CHARS)) from error
                if pcm is None:
                    break
                audio_s += len(pcm) / 2 / sample_rate
                if audio_s > max_audio_s(text_bytes):
                    raise FallbackError("far too much audio for the text")
                yield pcm
        if not audio_s:
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
                tts.ATTR_PREFERRED_SAMPLE_CHANNELS: 1,
                tts.ATTR_PREFERRED_SAMPLE_BYTES: 2,
            },
        )
        stream.async_set_message_stream(text)
        async for chunk in stream.async_stream_result():
            yield chunk


async def samples_of_wav(wav: AsyncGenerator[bytes], sample_rate: int) -> AsyncGenerator[bytes]:
    """Yield the samples of a WAV file that comes in chunks.

    Raises FallbackError for any other format than s16le mono PCM of ``sample_rate`` hertz, and for
    a file that is cut off.
    """
    body = SpeechBody(sample_rate, has_events=False)
    start = b""
    async with contextlib.aclosing(wav):
        async for chunk in wav:
            # Without a header, the body would be PCM.
            start = (start + chunk)[: len(_WAV_START)]
            if not _WAV_START.startswith(start):
                raise FallbackError("not a WAV file")
            try:
                pcm = body.feed(chunk)
            except ProtocolError as error:
                raise FallbackError(f"its audio cannot be read: {error.reason}") from error
            if pcm and body.rate != sample_rate:
                raise FallbackError(f"another sample rate: {body.rate} Hz, not {sample_rate} Hz")
            if pcm:
                yield pcm
    try:
        body.end()
    except FishError as error:
        raise FallbackError("its audio is cut off") from error
