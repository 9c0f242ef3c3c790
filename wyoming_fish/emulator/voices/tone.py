"""The voice `tone`: a plain tone for each word, as long as the word is. It needs no package."""

import math
from array import array
from functools import lru_cache
from sys import byteorder

LETTER = 0.06
"""Seconds of tone for each letter or digit: about 170 words a minute with the pauses."""
PAUSE = 0.06
"""Seconds of silence after each word."""
FADE = 0.005
"""Seconds at both ends of a tone in which it grows and fades, so that it does not click."""
LOUDNESS = 6000
"""Of a sample, at most 32767, at 0 dB."""
LONGEST_WORD = 100
"""Letters. A longer one, such as a sentence without spaces, is spoken in parts of this length."""


def speak_tones(text: str, rate: int, speed: float, volume: float, frequency: float) -> bytes:
    """Give a tone of `frequency` Hz for each word as s16le mono PCM at `rate` Hz.

    `speed` is a factor, `volume` in dB.
    """
    return b"".join(
        _word(letters, rate, speed, volume, frequency)
        for word in text.split()
        for letters in _parts(word)
    )


def locate_tones(text: str, rate: int, speed: float) -> list[tuple[str, int, int]]:
    """Each word of `text` with the first sample of its tone and the one after its last."""
    words = []
    begin = 0
    pause = int(PAUSE / speed * rate)
    for word in text.split():
        length = sum(int(letters * LETTER / speed * rate) + pause for letters in _parts(word))
        words.append((word, begin, begin + length - pause))
        begin += length
    return words


def _parts(word: str) -> list[int]:
    """How many letters each tone of a word has."""
    letters = sum(character.isalnum() for character in word)
    whole, rest = divmod(letters, LONGEST_WORD)
    return [LONGEST_WORD] * whole + ([rest] if rest or not whole else [])


@lru_cache(maxsize=512)
def _word(letters: int, rate: int, speed: float, volume: float, frequency: float) -> bytes:
    loudness = min(32767.0, LOUDNESS * 10 ** (volume / 20))
    length = int(letters * LETTER / speed * rate)
    fade = FADE * rate
    step = 2 * math.pi * frequency / rate
    samples = array("h")
    for index in range(length):
        envelope = min(1.0, index / fade, (length - index) / fade)
        samples.append(round(loudness * envelope * math.sin(index * step)))
    samples.extend([0] * int(PAUSE / speed * rate))
    if byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
