"""How often and for how long a reply is tried again."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Final

from .errors import FishError, NoAudioError

__all__ = ["Retries"]

_LOGGER = logging.getLogger(__name__)

# Seconds in which a reply is tried again: from the first text on, and after a break from the next.
# Whoever listens has given up by then.
RETRY_TIME: Final = 20.0
# Seconds before the second new try, the first one being made at once; each further one doubles
# them.
FIRST_DELAY: Final = 0.25
LONGEST_DELAY: Final = 4.0

# Breaks amid the audio after which a reply is given up. In half an hour of speech a line that drops
# every few minutes is bridged; one that drops with each sentence is not worth listening to.
BREAKS: Final = 10


class Retries:
    """The tries of one reply; with ``patience``, seconds in which it has to be heard at first."""

    def __init__(self, patience: float | None = None) -> None:
        self._patience = patience
        self._breaks = 0
        self._reset()

    def _reset(self) -> None:
        self._until: float | None = None
        self._delay = 0.0
        self._silent = False

    def begin(self) -> float | None:
        """There is text, and a try of speaking it begins.

        Gives the loop's time at which this try is to be given up where it has not been heard; None
        where it may take the time that it takes.
        """
        if self._until is None:
            self._until = _now() + (RETRY_TIME if self._patience is None else self._patience)
        return None if self._patience is None else self._until

    def broke(self, error: FishError) -> None:
        """A try that was heard has broken off: what is left has all its tries before it again.

        Raises ``error`` where that has happened too often.
        """
        self._breaks += 1
        self._patience = None
        if self._breaks > BREAKS:
            raise error
        self._reset()

    def pause(self, error: FishError) -> float:
        """Seconds to wait before the next try. Raises ``error`` where there is to be none."""
        # The first is made at once: most often a socket had died unseen.
        pause = self._delay * random.uniform(0.5, 1.5)  # noqa: S311 - so that not all come at once
        self._delay = min(2 * self._delay or FIRST_DELAY, LONGEST_DELAY)
        # Silence is mostly the voice's fault, but may have been an accident: once.
        passing = error.passing or (isinstance(error, NoAudioError) and not self._silent)
        self._silent = self._silent or isinstance(error, NoAudioError)
        if not passing or (self._until is not None and _now() + pause > self._until):
            raise error
        _LOGGER.debug("Trying again in %.1f s: %s", pause, error)
        return pause


def _now() -> float:
    return asyncio.get_running_loop().time()
