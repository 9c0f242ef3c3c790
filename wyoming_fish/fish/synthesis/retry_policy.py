"""Retry policy: how often and for how long a reply is tried again."""

from __future__ import annotations

import logging
import random
from typing import Final

from .. import clock
from ..errors import FishError, LimitError, NoAudioError

__all__ = ["RetryPolicy"]

_LOGGER = logging.getLogger(__name__)

# Seconds in which a reply is tried again, from its first text sent on, and after a break from the
# next. Whoever listens has given up by then.
RETRY_TIMEOUT_S: Final = 20.0
# Seconds before the second new try, the first one being made immediately; each further one doubles
# them.
FIRST_DELAY_S: Final = 0.25
MAX_DELAY_S: Final = 4.0

# Breaks after the first audio until a reply is given up. In half an hour of speech a line that
# drops every few minutes is bridged; one that drops with each sentence is not worth listening to.
MAX_RESUMES: Final = 10


class RetryPolicy:
    """The tries of one reply, which has to be heard within ``first_audio_timeout_s``, if given.

    Only the time of the tries themselves and the delays between them count: neither the time in the
    queue for a slot nor that of text that is not written yet.
    """

    def __init__(self, first_audio_timeout_s: float | None = None) -> None:
        self._first_audio_timeout_s = first_audio_timeout_s
        self._breaks = 0
        self._began: float | None = None
        self._reset()

    def _reset(self) -> None:
        self._left = (
            RETRY_TIMEOUT_S if self._first_audio_timeout_s is None else self._first_audio_timeout_s
        )
        self._delay = 0.0
        self._silent = False

    def begin(self) -> float | None:
        """A try begins. Gives the loop's time until which it has to be heard, if there is one."""
        self._began = clock.now()
        return None if self._first_audio_timeout_s is None else self._began + self._left

    def on_interruption(self, error: FishError) -> None:
        """A try that was heard has broken off: what is left has all its tries before it again.

        Raises ``error`` if that has happened too often.
        """
        self._breaks += 1
        if self._breaks > MAX_RESUMES:
            raise error
        self.on_audio()

    def on_audio(self) -> None:
        """A try was heard: what is left of the reply has all its tries before it again."""
        self._first_audio_timeout_s = self._began = None
        self._reset()

    def next_delay(self, error: FishError) -> float:
        """Seconds to wait before the next try. Raises ``error`` if there is none."""
        if self._began is not None:
            self._left -= clock.now() - self._began
            self._began = None
        if isinstance(error, LimitError) and error.retryable and self._left > 0:
            # It waits in the queue.
            return 0.0
        # The first is made immediately: most often a connection had died unseen.
        delay = self._delay * random.uniform(0.5, 1.5)  # noqa: S311 - so that not all come together
        self._delay = min(2 * self._delay or FIRST_DELAY_S, MAX_DELAY_S)
        # Silence is mostly the voice's fault, but may have been an accident: once.
        passing = error.retryable or (isinstance(error, NoAudioError) and not self._silent)
        self._silent = self._silent or isinstance(error, NoAudioError)
        self._left -= delay
        if not passing or self._left < 0:
            raise error
        _LOGGER.debug("Trying again in %.1f s: %s", delay, error)
        return delay
