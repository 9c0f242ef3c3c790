"""Generation pace: how long a server works on a second of speech before it sends any of it."""

from __future__ import annotations

from typing import Final

from ..speech_answer import AnswerTiming

__all__ = ["GenerationPace"]

# Seconds of work for a second of speech, until it is measured; and the seconds of speech that this
# guess counts for. The two machines on which fish-speech was measured took 0.47 and 0.76.
GUESSED_RATE: Final = 0.6
GUESS_WEIGHT_S: Final = 2.0

# Seconds of speech that the measurement remembers: a machine can become busy with other work.
MEMORY_S: Final = 30.0

# An answer counts as at most this many times the work that was expected: a server that loads its
# model takes long once.
MAX_SURPRISE: Final = 2.0

# Less speech says little: the time that every request takes outweighs it.
MIN_SPEECH_S: Final = 0.5

# An answer is streamed if it took this share of the wait for its first audio to come in whole.
STREAMED_SHARE: Final = 0.1


class GenerationPace:
    """Measures one server."""

    def __init__(self) -> None:
        self._speech_s = self._work_s = 0.0

    @property
    def rate(self) -> float | None:
        """Seconds of work for a second of speech; None if the server sends speech as it is made."""
        return self._work_s / self._speech_s if self._speech_s else None

    def guess(self, *, sends_whole: bool) -> None:
        """Start again with another server.

        ``sends_whole`` is whether it may send whole answers, and not speech as it is made.
        """
        self._speech_s = GUESS_WEIGHT_S if sends_whole else 0.0
        self._work_s = GUESSED_RATE * self._speech_s

    def measure(self, answer: AnswerTiming) -> None:
        """An answer has come to its end."""
        if answer.first_s is None or answer.audio_s < MIN_SPEECH_S:
            return
        if answer.later_s > STREAMED_SHARE * answer.first_s:
            self._speech_s = self._work_s = 0.0
            return
        expected_s = (self.rate or GUESSED_RATE) * answer.audio_s
        if self._speech_s > MEMORY_S:
            self._speech_s, self._work_s = self._speech_s / 2, self._work_s / 2
        self._speech_s += answer.audio_s
        self._work_s += min(answer.first_s + answer.later_s, MAX_SURPRISE * expected_s)
