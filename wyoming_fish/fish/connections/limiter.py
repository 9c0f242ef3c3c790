"""Concurrency limiter: the account's sessions, shared fairly among those who ask for them."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
from collections.abc import AsyncIterator, Iterator
from itertools import count
from operator import attrgetter
from typing import Final, NamedTuple

from .. import clock
from ..errors import LimitError, QueueFullError, QueueTimeoutError
from ..owner import NO_OWNER, Owner, Shares
from .turns import Turns

__all__ = ["ConcurrencyLimiter", "SlotRequest"]

# Sessions of an account that has topped up less than 100 dollars (documentation); it is the
# smallest limit that there is.
DEFAULT_LIMIT: Final = 5
# The most sessions that an account has without a contract of its own. A server that tells of more
# is not believed: each session takes memory.
LARGEST_LIMIT: Final = 50

# Seconds that one reply waits in line. Replies are a few seconds long, and nobody waits longer for
# an answer.
QUEUE_TIMEOUT_S: Final = 30.0
# The same for a reply that has been heard in part, and whose session ended for another one: it is
# late rather than cut off.
RESUME_TIMEOUT_S: Final = 300.0

# Replies in line, of all owners together. The largest accounts have 50 sessions, which serve about
# as many short replies within QUEUE_TIMEOUT_S: any more would time out.
MAX_WAITING: Final = 1000

# Seconds without text to speak after which a session is given up if a reply waits in line. It is
# longer than the schedule holds back a sentence that is there (`LONG_QUIET_S`), so a reply whose
# text is written faster than it is spoken keeps its session. Text that is written, but not yet
# sent, does not count: a client that writes a letter a second would hold the session.
MAX_IDLE_S: Final = 2.0

# Seconds after which a session can be given to an owner that holds fewer, if there are more owners
# than sessions: longer than most replies, and half of the time that a reply waits in line.
MIN_SHARE_S: Final = 15.0

# Sessions that any owner can have, however many are kept free for those that hold none: with one
# alone, all replies of a house would wait for each other.
MIN_NOT_KEPT: Final = 2

# Seconds until the next session is tried after Fish itself has refused one. Each refusal in a row
# doubles them. A session of our own that ends is a reason to try immediately.
FIRST_REFUSAL_DELAY_S: Final = 0.25
MAX_REFUSAL_DELAY_S: Final = 4.0


class SlotRequest:
    """One reply's place in line. A reply that is tried again keeps it.

    ``owner`` is the party that the reply is for.
    """

    def __init__(self, owner: Owner = NO_OWNER, timeout_s: float | None = None) -> None:
        self.owner = owner
        self.timeout_s = QUEUE_TIMEOUT_S if timeout_s is None else timeout_s
        """Seconds that it may wait in total."""
        self.number: int | None = None
        """Set as it first waits. Of one owner, lower numbers are served first."""
        self.waited_s = 0.0
        """Seconds in line, over all tries."""
        self.is_ending = False
        """Whether its session will be free soon: no more text will be sent in it."""
        self.is_preempted = False
        """Whether its session ended for another owner, and the reply was not idle."""
        self.asked_at = 0.0
        """The loop's time at which it came into line."""
        self.session_began = 0.0
        """The loop's time at which it was given its session."""

    def renew(self) -> None:
        """Let the reply, which has been heard in part, wait for another session.

        If it was idle, it comes behind the replies that wait by now.
        """
        self.timeout_s, self.waited_s = RESUME_TIMEOUT_S, 0.0
        if not self.is_preempted:
            self.number = None


class _Waiter(NamedTuple):
    """A reply in line."""

    number: int
    """The place's own number."""
    request: SlotRequest
    turn: asyncio.Future[None]
    """Set when it is its turn."""


class ConcurrencyLimiter:
    """Limiter: at most ``limit`` sessions at the same time.

    A free session goes to the owner whose turn it is (`Turns`), and within one owner to the reply
    that came first. ``is_wanted`` tells a session when to end for those in line.

    ``most`` is never exceeded. Without it the limit is the smallest that accounts have, until
    Fish has told this account's, which is LARGEST_LIMIT at most.

    Fish may refuse a session within that limit, since others use the account too. After a refusal
    the line stands still for a moment, then its first is tried alone. The line moves again as soon
    as Fish begins to speak in a session.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self.limit = most or DEFAULT_LIMIT
        self.in_use = 0
        self.waited_s = 0.0
        """Seconds that have been waited in line, in total."""
        self._numbers = count(1)
        self._lines: dict[Owner, list[_Waiter]] = {}
        """The replies in line of each owner that has any, in their order."""
        self._holders: set[SlotRequest] = set()
        self._turns = Turns()
        self._refusals = 0
        """In a row."""
        self._last_refusal: tuple[float, LimitError] | None = None
        """The loop's time, and what Fish said."""
        self._trial: SlotRequest | None = None
        """After a refusal: the reply that is tried alone."""
        self._timer: asyncio.TimerHandle | None = None
        """While the line stands still after a refusal."""

    @property
    def waiting(self) -> int:
        """How many replies wait in line."""
        return sum(map(len, self._lines.values()))

    def close(self) -> None:
        """Wait for no more sessions: nothing is left in line."""
        if self._timer is not None:
            self._timer.cancel()

    def set_limit(self, limit: int) -> None:
        """Set the number of sessions that Fish says the account may have."""
        if limit > 0:
            self.limit = min(limit, self._most or LARGEST_LIMIT)
            self._serve()

    def on_accepted(self) -> None:
        """Fish has begun to speak in a session: it refuses no more. Once for each session."""
        self._refusals, self._trial = 0, None
        self._go_on()

    def is_wanted(self, request: SlotRequest, *, is_spare: bool) -> bool:
        """Return whether a reply in line should have the session that ``request`` holds.

        A session that ``is_spare`` serves any reply: it has had nothing to speak for MAX_IDLE_S,
        or its listener has enough in hand. Any other serves only another network, or another
        address of its own: if that one then holds no more than this one, or after MIN_SHARE_S, so
        that they take turns if there are more of them than sessions.
        """
        if not self._lines:
            return False
        wanted = {owner: len(line) for owner, line in self._lines.items()}
        held = Shares(holder.owner for holder in self._holders if not holder.is_ending)
        # The sessions that will be free soon go to those who hold the fewest.
        for _ in range(sum(holder.is_ending for holder in self._holders)):
            owner = min(wanted, key=held.of)
            held.add(owner)
            wanted[owner] -= 1
            if not wanted[owner]:
                del wanted[owner]
                if not wanted:
                    return False
        if is_spare:
            return True
        has_had_its_share = clock.now() - request.session_began >= MIN_SHARE_S
        return held.owes(request.owner, wanted, gap=1 if has_had_its_share else 2)

    @contextlib.contextmanager
    def try_acquire(self) -> Iterator[bool]:
        """Hold one slot more, if one is free that nothing waits for; tell whether it is held."""
        is_free = self.in_use < self.limit and not self._refusals and not self._lines
        self.in_use += is_free
        try:
            yield is_free
        finally:
            if is_free:
                self.in_use -= 1
                self._go_on()

    @contextlib.asynccontextmanager
    async def acquire(self, request: SlotRequest) -> AsyncIterator[None]:
        """Hold one session's slot. A LimitError raised inside is a refusal by Fish.

        Raises QueueTimeoutError when ``request`` has waited as long as it may, and
        QueueFullError.
        """
        await self._wait_for_turn(request)
        refused = False
        try:
            yield
        except LimitError as error:
            refused = True
            self._refused(error)
            raise
        finally:
            self._release(request, refused=refused)

    async def _wait_for_turn(self, request: SlotRequest) -> None:
        """Wait in line."""
        began = clock.now()
        request.is_ending = request.is_preempted = False
        if request.number is None:
            request.number, request.asked_at = next(self._numbers), began
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = _Waiter(request.number, request, turn)
        line = self._lines.setdefault(request.owner, [])
        bisect.insort(line, waiting, key=attrgetter("number"))
        self._serve()
        self._shorten()
        try:
            async with asyncio.timeout_at(began + request.timeout_s - request.waited_s):
                await turn
        except BaseException as error:
            if request in self._holders:
                # Cancelled as its turn came.
                self._release(request)
            else:
                self._leave(waiting)
            if isinstance(error, TimeoutError):
                raise QueueTimeoutError(self._why_late(request)) from error
            raise
        finally:
            request.waited_s += clock.now() - began
            self.waited_s += clock.now() - began

    def _why_late(self, request: SlotRequest) -> str:
        """The text of the error for a ``request`` that has waited as long as it may."""
        waited = f"for {request.timeout_s:.0f} s"
        if self._last_refusal and self._last_refusal[0] >= clock.now() - request.timeout_s:
            happened = self._last_refusal[1].reason
            return f"{happened} No session was free {waited}: others may use the account too."
        return f"No session was free {waited}. The account may have {self.limit} at a time."

    def _shorten(self) -> None:
        """Send away the last reply of the address with the most, if too many are in line.

        It is one of the network with the most.
        """
        if self.waiting > MAX_WAITING:
            waiting = Shares(each.request.owner for line in self._lines.values() for each in line)
            most = max(self._lines, key=waiting.of)
            last = self._lines[most][-1]
            self._leave(last)
            if not last.turn.done():
                last.turn.set_exception(
                    QueueFullError(f"{MAX_WAITING} replies wait for one of the account's sessions.")
                )

    def _leave(self, waiting: _Waiter) -> None:
        line = self._lines.get(waiting.request.owner, [])
        if waiting in line:
            line.remove(waiting)
            if not line:
                del self._lines[waiting.request.owner]

    def _release(self, request: SlotRequest, *, refused: bool = False) -> None:
        self.in_use -= 1
        self._holders.discard(request)
        if request is self._trial:
            self._trial = None
        if not refused:
            self._turns.ended(request.owner, (clock.now(), next(self._numbers)))
            # Fish may have room now.
            self._go_on()

    def _refused(self, error: LimitError) -> None:
        self._last_refusal = (clock.now(), error)
        delay = min(FIRST_REFUSAL_DELAY_S * 2.0**self._refusals, MAX_REFUSAL_DELAY_S)
        self._refusals += 1
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(delay, self._go_on)
        if error.limit is not None:
            self.set_limit(error.limit)

    def _go_on(self) -> None:
        """End the standstill after a refusal."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._serve()

    def _serve(self) -> None:
        while (
            self._lines
            and self.in_use < self.limit
            and self._timer is None
            and not (self._refusals and self._trial)
        ):
            first = self._first()
            if first is None:
                break
            self._leave(first)
            # A reply that is being cancelled leaves the line only when its task has its turn.
            if not first.turn.cancelled():
                self.in_use += 1
                self._holders.add(first.request)
                first.request.session_began = clock.now()
                if self._refusals:
                    self._trial = first.request
                first.turn.set_result(None)

    def _first(self) -> _Waiter | None:
        """The reply in line whose turn it is; None if the free session is kept for others."""
        firsts = {owner: line[0] for owner, line in self._lines.items()}
        waiting = {owner: (each.request.asked_at, each.number) for owner, each in firsts.items()}
        held = Shares(holder.owner for holder in self._holders)
        owner, kept = self._turns.first(waiting, held, clock.now())
        kept = min(kept, max(0, self.limit - MIN_NOT_KEPT))
        return firsts[owner] if self.limit - self.in_use > kept else None
