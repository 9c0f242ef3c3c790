"""Measurements: how the server answers, learned from the last replies in place of constants."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from statistics import median_low
from typing import Final, NamedTuple

from ..settings import SAMPLE_RATES, Backend, Latency, SpeechSettings

__all__ = ["EXPECTED_SPEED", "Measurements", "RateMeter", "ServiceSpeed", "SlowLine"]

_LOGGER = logging.getLogger(__name__)

# Replies that are remembered, of each backend and latency: enough to see the spread, and few enough
# that a change is noticed after five.
MAX_REPLIES: Final = 9
# Replies before which nothing is said of a rate or a socket: one odd reply changes no median.
MIN_REPLIES: Final = 3

# Seconds to the first audio of a server that has not answered yet: users measured 0.3 to 0.5 s, and
# a spread of 0.2 s. From the fifth reply on, each reply takes the place of one of them.
EXPECTED_ANSWERS_S: Final = (0.5, 0.5, 0.5, 0.7, 0.7)
# A slower answer is no more than this for the schedule: it would send every sentence by itself.
MAX_ANSWER_S: Final = 5.0
MAX_SPREAD_S: Final = 2.0

# Seconds for which a frame has to be waited for to be a burst of its own: frames of one packet come
# within less.
BURST_S: Final = 0.02
# Seconds of audio from which a rate is taken.
MIN_RATE_AUDIO_S: Final = 1.5
# Seconds of audio in a second below which the line is slow, and from which it no longer is.
SLOW_RATE: Final = 1.0
RECOVERED_RATE: Final = 1.1
# The same that a lower sample rate should give.
COMFORTABLE_RATE: Final = 1.25
# The least rate that the schedule reckons with: at less, nothing that it does helps.
MIN_RATE: Final = 0.25
# That of audio that is there before it is asked for.
MAX_RATE: Final = 20.0


class ServiceSpeed(NamedTuple):
    """How quickly the server speaks, with one backend and latency."""

    answer_s: float
    """Seconds from text to its first audio."""
    spread_s: float
    """Seconds that it may take longer."""
    rate: float | None = None
    """Seconds of audio that come in a second; None if it is not known, and more than enough."""


class SlowLine(NamedTuple):
    """Audio comes slower than it plays."""

    rate: float
    """Seconds of audio that come in a second."""
    sample_rate: int
    """Hertz of that audio."""

    @property
    def better_sample_rate(self) -> int | None:
        """The highest sample rate that would come fast enough, or the lowest; None: there is none.

        It assumes that the line, and not the model, takes the time.
        """
        lower = [rate for rate in SAMPLE_RATES if rate < self.sample_rate]
        enough = [rate for rate in lower if self.rate * self.sample_rate / rate >= COMFORTABLE_RATE]
        return max(enough) if enough else min(lower, default=None)

    def __str__(self) -> str:
        rate = self.better_sample_rate
        advice = f"Set a lower sample rate, such as {rate} Hz" if rate else "Use another connection"
        return (
            f"Audio comes slower than it plays: {self.rate:.2f} s in a second. Replies have gaps. "
            f"{advice}, and check this machine's network."
        )


class Measurements:
    """What the last replies showed. No I/O: it is told what happened."""

    def __init__(self) -> None:
        self.slow_line: SlowLine | None = None
        """Set while audio comes slower than it plays."""
        self._answers: dict[tuple[Backend, Latency], deque[float]] = {}
        self._rates: dict[tuple[Backend, Latency], deque[float]] = {}
        self._closed = deque[bool](maxlen=MAX_REPLIES)

    @property
    def closes_after_finish(self) -> bool:
        """Whether the server closes a connection that has carried a session."""
        known = len(self._closed) >= MIN_REPLIES
        return known and 2 * sum(self._closed) > len(self._closed)

    @property
    def keys(self) -> Iterable[tuple[Backend, Latency]]:
        """The backends and latencies that have spoken."""
        return tuple(self._answers)

    def speed(self, backend: Backend, latency: Latency) -> ServiceSpeed:
        """How quickly the server speaks."""
        answers = sorted(self._answers.get((backend, latency), EXPECTED_ANSWERS_S))
        rates = self._rates.get((backend, latency), ())
        answer_s = median_low(answers)
        # Without the slowest answer, which may be an odd one.
        spread_s = min(MAX_SPREAD_S, answers[-2] - answer_s)
        rate = median_low(rates) if len(rates) >= MIN_REPLIES else None
        return ServiceSpeed(min(MAX_ANSWER_S, answer_s), spread_s, rate)

    def on_answer(self, settings: SpeechSettings, seconds: float) -> None:
        """The first audio of a session came so many seconds after its text."""
        key = settings.backend, settings.latency
        self._answers.setdefault(key, deque(EXPECTED_ANSWERS_S, MAX_REPLIES)).append(seconds)

    def on_rate(self, settings: SpeechSettings, rate: float) -> None:
        """The audio of a session came at this rate."""
        key = settings.backend, settings.latency
        self._rates.setdefault(key, deque(maxlen=MAX_REPLIES)).append(rate)
        median = self.speed(*key).rate
        if median is None:
            return
        if median < SLOW_RATE:
            is_new = self.slow_line is None
            self.slow_line = SlowLine(median, settings.sample_rate)
            if is_new:
                _LOGGER.warning("%s", self.slow_line)
        elif self.slow_line is not None and median >= RECOVERED_RATE:
            self.slow_line = None
            _LOGGER.info("Audio comes fast enough again")

    def on_finished(self, *, closed: bool) -> None:
        """A connection has carried a session, and was ``closed`` by the server after it."""
        self._closed.append(closed)


EXPECTED_SPEED: Final = Measurements().speed(Backend.S2_1_PRO, Latency.BALANCED)
"""That of a server that has not answered yet."""


class RateMeter:
    """The rate at which one session's audio comes, while there is text to be spoken.

    Between two bursts of frames, all the time is the server's if it was mostly spent waiting. A
    listener that is slow, and text that is, are not measured.
    """

    def __init__(self) -> None:
        self._burst_at: float | None = None
        self._waited_s = self._audio_s = 0.0
        """Since the last burst began."""
        self._total_s = self._total_audio_s = 0.0
        self._ready_audio_s = 0.0
        """What did not have to be waited for."""

    def on_text(self) -> None:
        """Text was sent: the server may have waited for it."""
        self._burst_at = None

    def on_audio(self, seconds: float, waited_s: float, now: float) -> None:
        """So many seconds of audio came, after a wait."""
        self._audio_s += seconds
        self._waited_s += waited_s
        if waited_s < BURST_S:
            self._ready_audio_s += seconds
            return
        if self._burst_at is not None and 2 * self._waited_s >= now - self._burst_at:
            self._total_s += now - self._burst_at
            self._total_audio_s += self._audio_s
        self._burst_at = now
        self._waited_s = self._audio_s = 0.0

    @property
    def rate(self) -> float | None:
        """Seconds of audio that came in a second; None if too little was measured."""
        if self._total_audio_s >= MIN_RATE_AUDIO_S:
            return min(MAX_RATE, self._total_audio_s / self._total_s)
        return MAX_RATE if self._ready_audio_s >= MIN_RATE_AUDIO_S else None
