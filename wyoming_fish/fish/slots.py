"""The account's sessions: so many at once, first come, first served."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from .errors import LimitError

__all__ = ["Slots"]

# Sessions of an account that has topped up less than 100 dollars (documentation); it is the
# least that there is.
SMALLEST_LIMIT: Final = 5

# Seconds to wait in line. Replies are a few seconds long, and nobody waits longer for an answer.
PATIENCE: Final = 30.0


class Slots:
    """How many sessions there may be, and the line of those who wait for one.

    ``most`` is never exceeded. Without it the limit is the smallest that accounts have, until
    Fish has told this account's.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self.limit = most or SMALLEST_LIMIT
        self.taken = 0
        self.waited = 0.0
        """Seconds that have been waited in line, all in all."""
        self._line: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait in line."""
        return sum(not place.cancelled() for place in self._line)

    def learn(self, limit: int) -> None:
        """Fish has told how many sessions the account may have."""
        if limit > 0:
            self.limit = min(limit, self._most or limit)
            self._serve()

    @contextlib.asynccontextmanager
    async def one(self, until: float | None = None) -> AsyncIterator[None]:
        """Hold one session.

        Raises LimitError where none is free within PATIENCE, or by the loop's time ``until``.
        """
        began = _now()
        until = began + PATIENCE if until is None else min(until, began + PATIENCE)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(place)
        self._serve()
        try:
            try:
                async with asyncio.timeout_at(until):
                    await place
            except TimeoutError as error:
                raise LimitError(
                    f"All {self.limit} sessions that the account may have at once "
                    f"have been in use for {max(until - began, 0.0):.0f} s."
                ) from error
            finally:
                self.waited += _now() - began
            yield
        finally:
            if place.done() and not place.cancelled():
                self.taken -= 1
                self._serve()
            else:
                place.cancel()

    def _serve(self) -> None:
        while self._line and self.taken < self.limit:
            place = self._line.popleft()
            # Who has left the line has cancelled his place.
            if not place.cancelled():
                self.taken += 1
                place.set_result(None)


def _now() -> float:
    return asyncio.get_running_loop().time()
