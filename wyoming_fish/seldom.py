"""Log lines that others could make us write without end."""

from __future__ import annotations

import logging
from collections import Counter
from time import monotonic
from typing import Final

__all__ = ["Seldom"]

# Seconds between two lines of one kind.
INTERVAL: Final = 60.0


class Seldom:
    """Lets one warning of a kind through in INTERVAL seconds, and says how many it held back."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._next: dict[str, float] = {}
        self._held_back: Counter[str] = Counter()

    def warning(self, message: str, *arguments: object) -> None:
        """Log a warning, as a logger does, or count it. ``message`` is what makes a kind."""
        now = monotonic()
        if now < self._next.get(message, now):
            self._held_back[message] += 1
            return
        self._next[message] = now + INTERVAL
        more = self._held_back.pop(message, 0)
        self._logger.warning(f"{message}%s", *arguments, f" ({more} more)" if more else "")  # noqa: G004
