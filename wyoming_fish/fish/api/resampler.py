"""Resampler: s16le mono PCM of one sample rate to another, with a low-pass filter.

A polyphase FIR filter in plain Python. `soxr` has no wheels for musl, which Home Assistant's
container uses, and needs numpy; `audioop` has no low-pass filter, and left Python.
"""

from __future__ import annotations

import array
import math
import operator
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from ..errors import ProtocolError

__all__ = ["SERVER_RATES_HZ", "Resampler", "checked_rate"]

# Sample rates that models speak at. Others would need a table of filters without a limit.
SERVER_RATES_HZ: Final = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)

# Zero crossings of the filter on each side. With 24 and this window, the stopband begins at -60 dB,
# and the passband ends at 85 % of the lower rate's Nyquist frequency.
ZERO_CROSSINGS: Final = 24
KAISER_BETA: Final = 5.65
# The middle of the transition, as a share of the lower rate's Nyquist frequency: what is above 100
# % would be heard as another tone.
CUTOFF: Final = 0.923

# Multiplications of one step: 1,000 samples of a higher rate, and 2 to 4 ms on a slow machine.
STEP_MULTIPLICATIONS: Final = 50_000
# Multiplications that take as long as making one weight of a filter.
WEIGHT_MULTIPLICATIONS: Final = 30

if sys.version_info >= (3, 12):
    from math import sumprod as _sumprod
else:

    def _sumprod(samples: Sequence[float], weights: Sequence[float]) -> float:
        total: float = sum(map(operator.mul, samples, weights))
        return total


class Resampler:
    """Converts one stream, block by block, from ``source_hz`` to ``target_hz``.

    Each block has whole samples, and is converted in steps of a few milliseconds. Raises
    ProtocolError for a rate that no model speaks at.
    """

    def __init__(self, source_hz: int, target_hz: int) -> None:
        self._is_same = checked_rate(source_hz) == target_hz
        divisor = math.gcd(source_hz, target_hz)
        self._up, self._down = target_hz // divisor, source_hz // divisor
        # In units of the input: the lower rate decides.
        self._cutoff = CUTOFF * min(1.0, self._up / self._down)
        self._half = math.ceil(ZERO_CROSSINGS / self._cutoff)
        # What the first output sample would need from before the stream is silence.
        self._samples = [0.0] * (self._half - 1)
        self._at = 0
        """The position of the next output sample in ``_samples``, in 1/up of a sample."""
        self._taken = 0
        """Samples that came."""
        self._given = 0

    def feed(self, pcm: bytes) -> Iterator[bytes]:
        """The samples that ``pcm`` completes, step by step."""
        if self._is_same:
            yield pcm
            return
        samples = array.array("h", pcm)
        if sys.byteorder == "big":
            samples.byteswap()
        self._taken += len(samples)
        self._samples.extend(map(float, samples))
        yield from self._convert()

    def end(self) -> Iterator[bytes]:
        """The samples that the filter still holds, step by step."""
        if self._is_same:
            return
        self._samples.extend([0.0] * 2 * self._half)
        missing = round(self._taken * self._up / self._down) - self._given
        for pcm in self._convert():
            yield pcm[: 2 * max(0, missing)]
            missing -= len(pcm) // 2

    def _convert(self) -> Iterator[bytes]:
        samples, up, down = self._samples, self._up, self._down
        cutoff, half = self._cutoff, self._half
        taps = 2 * half
        while self._at <= (last := (len(samples) - taps) * up):
            # Each of the first samples may need a filter of its own, which is made for it.
            cost = taps * (1 if self._given >= up else WEIGHT_MULTIPLICATIONS)
            last = min(last, self._at + STEP_MULTIPLICATIONS // cost * down)
            out = array.array("h")
            for at in range(self._at, last + 1, down):
                first, phase = divmod(at, up)
                value = round(
                    _sumprod(samples[first : first + taps], _filter(cutoff, half, phase / up))
                )
                out.append(max(-32768, min(32767, value)))
            self._at += len(out) * down
            drop = min(self._at // up, len(samples))
            del samples[:drop]
            self._at -= drop * up
            self._given += len(out)
            if sys.byteorder == "big":
                out.byteswap()
            yield out.tobytes()


def checked_rate(hertz: int) -> int:
    """The rate of a server's audio, if it can be read. Raises ProtocolError."""
    if hertz not in SERVER_RATES_HZ:
        raise ProtocolError(f"The server's audio has {hertz} Hz, which cannot be read.")
    return hertz


@cache
def _filter(cutoff: float, half: int, phase: float) -> list[float]:
    """The windowed sinc for an output sample that lies ``phase`` of a sample after an input one.

    Made when it is first needed: there are up to 1,280 for a pair of rates.
    """
    offsets = [tap - (half - 1) - phase for tap in range(2 * half)]
    weights = [_sinc(cutoff * offset) * _kaiser(offset / half) for offset in offsets]
    # Each phase passes a constant unchanged, so that none is heard as a tone.
    total = sum(weights)
    return [weight / total for weight in weights]


def _sinc(x: float) -> float:
    return math.sin(math.pi * x) / (math.pi * x) if x else 1.0


def _kaiser(x: float) -> float:
    return _bessel(KAISER_BETA * math.sqrt(1 - x * x)) if abs(x) < 1 else 0.0


def _bessel(x: float) -> float:
    """The modified Bessel function of the first kind, of order 0."""
    total = term = 1.0
    k = 0
    while term > total * 1e-6:
        k += 1
        term *= (x / 2 / k) ** 2
        total += term
    return total
