"""Watchdog: ends a wait for audio that comes too slowly, or in too small parts, to be speech."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from .. import clock

__all__ = ["PartLimit", "Watchdog"]


class Watchdog:
    """Bounds the wait for a server's audio: ``limit_s`` seconds, which each second of audio renews.

    So a server that sends a byte now and then is not waited for without end. Only the waits count,
    and not the time that a listener takes.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._left_s = limit_s
        self._heard = False

    @contextlib.asynccontextmanager
    async def waiting(self) -> AsyncIterator[None]:
        """Wait within. Raises TimeoutError."""
        began = clock.now()
        async with asyncio.timeout(max(0.0, self._left_s)):
            yield
        self._left_s -= clock.now() - began

    def hear(self, seconds: float) -> None:
        """So many seconds of audio have come. The first may take long."""
        renewed = self._left_s + seconds * self._limit_s if self._heard else self._limit_s
        self._left_s = min(self._limit_s, renewed)
        self._heard = self._heard or seconds > 0


class PartLimit:
    """Bounds the parts in which a server sends: ``most``, which each second of audio renews.

    So a server that sends endless frames or events with little or no audio is given up.
    """

    def __init__(self, most: int) -> None:
        self.taken = 0
        """Parts that have come."""
        self._most = most
        self._allowed = float(most)

    @property
    def is_exceeded(self) -> bool:
        """Whether too many parts have come."""
        return self.taken > self._allowed

    def take(self) -> None:
        """A part has come."""
        self.taken += 1

    def hear(self, seconds: float) -> None:
        """So many seconds of audio have come."""
        if not self.is_exceeded:
            renewed = self._allowed + seconds * self._most
            self._allowed = min(self.taken + self._most, renewed)

    def renew(self) -> None:
        """A new reply begins."""
        self._allowed = self.taken + self._most
