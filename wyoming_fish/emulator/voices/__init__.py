"""The emulator's three voices: text in, s16le mono PCM out."""

import asyncio
import math
import re
from zlib import crc32

from ..api.request import SpeechRequest
from ..settings import EmulatorSettings, VoiceName
from .code import (
    LEAST_SAMPLES,
    decode_code_voice,
    encode_code_voice,
    locate_code_words,
)
from .espeak import espeak_thread, missing_packages, speak_espeak
from .tone import locate_tones, speak_tones

__all__ = ["check_voice", "decode_code_voice", "locate_words", "synthesise"]

# What is acted and not said, but by S1, which knows neither brackets nor tokens.
_CUE = re.compile(r"\[[^\[\]]*\] ?|<\|[^|]*\|> ?")

DEFAULT_FREQUENCY = 330.0
"""Hz, of the voice `tone` where no reference is given."""


def check_voice(settings: EmulatorSettings) -> VoiceName:
    """The voice that `settings` gives. Raises RuntimeError where its packages are missing."""
    if settings.voice not in (None, "espeak"):
        return settings.voice
    missing = missing_packages()
    if not missing:
        return "espeak"
    if settings.voice == "espeak":
        raise RuntimeError(f"The voice espeak needs the Python packages {', '.join(missing)}")
    return "tone"


async def synthesise(text: str, request: SpeechRequest, settings: EmulatorSettings) -> bytes:
    """Say `text` as s16le mono PCM at the rate that `request` asks for.

    Cancelled, it lets a synthesis under way end in its thread, unheard.
    """
    name = check_voice(settings)
    voice = request.voice
    if name == "code":
        return encode_code_voice(text, settings.code_samples)
    text = _said(text, request)
    if name == "tone":
        frequency = _frequency(voice.id) if voice else DEFAULT_FREQUENCY
        return speak_tones(text, request.sample_rate, request.speed, request.volume, frequency)
    return await asyncio.get_running_loop().run_in_executor(
        espeak_thread(),
        speak_espeak,
        text,
        request.sample_rate,
        request.speed,
        request.volume,
        voice.languages[0] if voice and voice.languages else "",
        voice.espeak_variant if voice else "",
    )


def locate_words(
    text: str, samples: int, request: SpeechRequest, settings: EmulatorSettings
) -> list[tuple[str, int, int]]:
    """Each word of `text`, spoken in `samples`, with its first sample and the one after its last.

    Of espeak they are where they would be if all letters were equally long.
    """
    name = check_voice(settings)
    if name == "code":
        return locate_code_words(text, settings.code_samples)
    text = _said(text, request)
    if name == "tone":
        return locate_tones(text, request.sample_rate, request.speed)
    words = locate_code_words(text, LEAST_SAMPLES)
    length = len(text.encode()) * LEAST_SAMPLES
    return [(word, a * samples // length, b * samples // length) for word, a, b in words]


def _said(text: str, request: SpeechRequest) -> str:
    return text if request.backend == "s1" else _CUE.sub("", text)


def _frequency(voice_id: str) -> float:
    """Some pitch within an octave of the default for each voice, the same each time."""
    return DEFAULT_FREQUENCY * math.exp2(crc32(voice_id.encode()) / 2**31 - 1)
