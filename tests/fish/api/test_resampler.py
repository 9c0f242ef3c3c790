"""Audio of one rate in another."""

from __future__ import annotations

import array
import math
from itertools import pairwise

import pytest

from wyoming_fish.fish import ProtocolError
from wyoming_fish.fish.api.resampler import SERVER_RATES_HZ, Resampler

LOUD = 10_000


def _tone(hertz: int, rate: int) -> array.array[int]:
    """A fifth of a second of a sine."""
    turn = math.tau * hertz / rate
    return array.array("h", (round(LOUD * math.sin(turn * at)) for at in range(rate // 5)))


def _converted(pcm: bytes, source: int, target: int, size: int = 2**20) -> array.array[int]:
    resampler = Resampler(source, target)
    blocks = [
        step for at in range(0, len(pcm), size) for step in resampler.feed(pcm[at : at + size])
    ]
    return array.array("h", b"".join([*blocks, *resampler.end()]))


def _decibels(samples: list[int]) -> float:
    """Of the middle, beside a tone of that loudness: the ends are cut hard."""
    middle = samples[len(samples) // 5 : -len(samples) // 5]
    power = sum(sample * sample for sample in middle) / len(middle)
    return 10 * math.log10(max(power, 0.01) / (LOUD**2 / 2))


@pytest.mark.parametrize(
    ("source", "target", "hertz"),
    [(44100, 16000, 12000), (44100, 16000, 8300), (44100, 8000, 5000), (48000, 24000, 13000)],
)
def test_what_the_rate_cannot_carry_is_not_heard(source: int, target: int, hertz: int) -> None:
    """A tone above half of the new rate would be heard as another one: it is 60 dB down."""
    assert _decibels(list(_converted(_tone(hertz, source).tobytes(), source, target))) < -60


@pytest.mark.parametrize(
    ("source", "target", "hertz"),
    [(44100, 16000, 6000), (44100, 24000, 1000), (24000, 44100, 9000), (22050, 44100, 3000)],
)
def test_all_else_stays_the_same(source: int, target: int, hertz: int) -> None:
    """Any other tone is the same, to the sample's place, within 60 dB."""
    out = _converted(_tone(hertz, source).tobytes(), source, target)
    same = _tone(hertz, target)
    assert len(out) == len(same)
    assert _decibels([a - b for a, b in zip(out, same, strict=True)]) < -60


@pytest.mark.parametrize("size", [2, 662, 8820])
def test_blocks_join_without_a_seam(size: int) -> None:
    """However the samples are cut into blocks, the same come out."""
    pcm = _tone(700, 44100).tobytes()
    assert _converted(pcm, 44100, 16000, size) == _converted(pcm, 44100, 16000)


@pytest.mark.parametrize("target", [8000, 16000, 24000, 32000, 44100])
@pytest.mark.parametrize("source", SERVER_RATES_HZ)
def test_steps_are_short(source: int, target: int) -> None:
    """No step has more samples than can be computed in some milliseconds, or so many filters."""
    steps = list(Resampler(source, target).feed(bytes(4096)))
    if source != target:
        assert max(map(len, steps)) <= 2 * 1000
        assert len(steps[0]) <= 2 * 40


@pytest.mark.parametrize("rate", SERVER_RATES_HZ)
def test_the_same_rate_is_left_alone(rate: int) -> None:
    """Without another rate, each sample is the one that came."""
    pcm = _tone(700, rate).tobytes()
    assert _converted(pcm, rate, rate).tobytes() == pcm


def test_the_loudest_is_cut_off_and_does_not_turn_over() -> None:
    """What would be louder than a sample can be stays the loudest."""
    square = ([32767] * 20 + [-32768] * 20) * 20
    out = _converted(array.array("h", square).tobytes(), 22050, 44100)
    assert (max(out), min(out)) == (32767, -32768)
    # An overshoot that turned over would be a sign of its own.
    signs = [sample > 0 for sample in out if sample]
    assert sum(a != b for a, b in pairwise(signs)) == 39


@pytest.mark.parametrize("rate", [0, 1, 44099, 10**9])
def test_a_rate_that_no_model_has(rate: int) -> None:
    """It is refused, and no table of filters is made for it."""
    with pytest.raises(ProtocolError, match=f"{rate} Hz"):
        Resampler(rate, 16000)
