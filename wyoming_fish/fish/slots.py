"""The account's concurrency limit: so many sessions at the same time, first come, first served."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Final

from .errors import LimitError, QueueTimeoutError

__all__ = ["Place", "Slots"]

# Sessions of an account that has topped up less than 100 dollars (documentation); it is the
# smallest limit that there is.
SMALLEST_LIMIT: Final = 5

# Seconds that one reply waits in line. Replies are a few seconds long, and nobody waits longer for
# an answer.
QUEUE_TIMEOUT_S: Final = 30.0

# Seconds until the next session is tried after Fish itself has refused one. Each refusal in a row
# doubles them. A session of our own that ends is a reason to try immediately.
FIRST_REFUSAL_DELAY_S: Final = 0.25
MAX_REFUSAL_DELAY_S: Final = 4.0


class Place:
    """One reply's place in line. A reply that is tried again keeps it."""

    def __init__(self, timeout_s: float | None = None) -> None:
        self.timeout_s = QUEUE_TIMEOUT_S if timeout_s is None else timeout_s
        """Seconds that it may wait in total."""
        self.number: int | None = None
        """Set as it first waits. Lower numbers are served first."""
        self.waited = 0.0
        """Seconds in line, over all tries."""
        self.refusal: LimitError | None = None
        """The last refusal by Fish itself."""


class Slots:
    """Limiter: at most ``limit`` sessions at the same time, granted in the order of their places.

    ``most`` is never exceeded. Without it the limit is the smallest that accounts have, until
    Fish has told this account's.

    Fish may refuse a session within that limit, since others use the account too. After a refusal
    the line stands still for a moment, then its first is tried alone. The line moves again as soon
    as Fish begins to speak in a session.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self.limit = most or SMALLEST_LIMIT
        self.taken = 0
        self.waited = 0.0
        """Seconds that have been waited in line, in total."""
        self._numbers = count()
        self._line: list[tuple[int, int, asyncio.Future[None]]] = []
        """A heap: the place's number, a tie-breaker, and what is set when it is its turn."""
        self._refusals = 0
        """In a row."""
        self._trial: asyncio.Future[None] | None = None
        """After a refusal: the session that is tried alone."""
        self._timer: asyncio.TimerHandle | None = None
        """While the line stands still after a refusal."""

    @property
    def waiting(self) -> int:
        """How many replies wait in line."""
        return sum(not turn.cancelled() for _, _, turn in self._line)

    def close(self) -> None:
        """Wait for no more sessions: nothing is left in line."""
        if self._timer is not None:
            self._timer.cancel()

    def learn(self, limit: int) -> None:
        """Set the number of sessions that Fish says the account may have."""
        if limit > 0:
            self.limit = min(limit, self._most or limit)
            self._serve()

    def accepted(self) -> None:
        """Fish has begun to speak in a session: it refuses no more. Once for each session."""
        self._refusals, self._trial = 0, None
        self._go_on()

    @contextlib.contextmanager
    def spare(self) -> Iterator[bool]:
        """Hold one slot more, if one is free that nothing waits for; tell whether it is held."""
        is_free = self.taken < self.limit and not self._refusals and not self.waiting
        self.taken += is_free
        try:
            yield is_free
        finally:
            if is_free:
                self.taken -= 1
                self._go_on()

    @contextlib.asynccontextmanager
    async def one(self, place: Place) -> AsyncIterator[None]:
        """Hold one session's slot. A LimitError raised inside is a refusal by Fish.

        Raises QueueTimeoutError when ``place`` has waited as long as it may.
        """
        turn = await self._turn(place)
        refused = False
        try:
            yield
        except LimitError as error:
            refused = True
            self._refused(place, error)
            raise
        finally:
            self._give_back(turn, refused=refused)

    async def _turn(self, place: Place) -> asyncio.Future[None]:
        """Wait in line."""
        began = _now()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        number = next(self._numbers)
        place.number = number if place.number is None else place.number
        heapq.heappush(self._line, (place.number, number, turn))
        self._serve()
        try:
            async with asyncio.timeout_at(began + place.timeout_s - place.waited):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                # Cancelled as its turn came.
                self._give_back(turn)
            turn.cancel()
            if isinstance(error, TimeoutError):
                raise QueueTimeoutError(
                    place.refusal.happened
                    if place.refusal
                    else f"All {self.limit} sessions that the account may have at the same time "
                    f"have been in use for {place.timeout_s:.0f} s."
                ) from error
            raise
        finally:
            place.waited += _now() - began
            self.waited += _now() - began
        return turn

    def _give_back(self, turn: asyncio.Future[None], *, refused: bool = False) -> None:
        self.taken -= 1
        if turn is self._trial:
            self._trial = None
        if not refused:
            # Fish may have room now.
            self._go_on()

    def _refused(self, place: Place, error: LimitError) -> None:
        place.refusal = error
        delay = min(FIRST_REFUSAL_DELAY_S * 2.0**self._refusals, MAX_REFUSAL_DELAY_S)
        self._refusals += 1
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(delay, self._go_on)
        if error.limit is not None:
            self.learn(error.limit)

    def _go_on(self) -> None:
        """End the standstill after a refusal."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._serve()

    def _serve(self) -> None:
        while (
            self._line
            and self.taken < self.limit
            and self._timer is None
            and not (self._refusals and self._trial)
        ):
            _, _, turn = heapq.heappop(self._line)
            # A reply that has left the line has cancelled its turn.
            if not turn.cancelled():
                self.taken += 1
                if self._refusals:
                    self._trial = turn
                turn.set_result(None)


def _now() -> float:
    return asyncio.get_running_loop().time()
