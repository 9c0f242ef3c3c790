"""Connection pool: Fish Audio's websockets, opened before they are needed and used again.

A handshake takes about 0.3 s, so a connection waits for the next reply. One that has carried a
session to its end is kept for the next, since Fish may leave it open. A house that has fallen
quiet keeps no connection open.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Final

from .. import clock
from ..api.live_connection import LiveConnection
from ..api.tts import TtsClient
from ..errors import ClosedError, FishConnectionError, FishError, LimitError
from ..settings import Backend, Endpoint
from .connecting import PendingConnections
from .limiter import ConcurrencyLimiter
from .measurements import Measurements
from .opener import ConnectionOpener

__all__ = ["ConnectionPool"]

_LOGGER = logging.getLogger(__name__)

# Seconds after which an idle connection is replaced: LiveKit found one good for 300 s.
MAX_IDLE_AGE_S: Final = 240.0
# Seconds without any use after which no connection is kept open.
IDLE_TIMEOUT_S: Final = 600.0
# Seconds after which a connection that was opened for a reply is closed if it is one too many.
TRIM_AFTER_S: Final = 1.0
# Seconds after a session within which the server has closed its connection because of its end.
CLOSED_BY_FINISH_S: Final = 2.0
# Seconds open after which a connection that has not been used is taken for a good one.
PROVEN_AFTER_S: Final = 5.0


class ConnectionPool:
    """All websockets of one account, whose sessions ``limiter`` counts.

    ``FishClient`` documents the other arguments. At most ``warm`` + 1 connections of a backend are
    idle, or one for each reply that is expected. All together are never more than there may be
    sessions: Fish may count idle ones. ``rest`` is lent to replies that go by REST.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        limiter: ConcurrencyLimiter,
        opener: ConnectionOpener,
        rest: TtsClient,
        *,
        warm: int,
        idle_timeout_s: float,
    ) -> None:
        self.endpoint = endpoint
        """The server."""
        self.breaker = opener.breaker
        self.limiter = limiter
        self.measurements = Measurements()
        self.acquired = 0
        """How many connections have been lent for a session."""
        self.acquired_ready = 0
        """How many of these were open already."""
        self.rest_pace = rest.pace
        """How fast the server makes speech, if it sends no piece before all of it is made."""
        self.pings_answered = False
        """Whether this server answers pings: only then does a missing answer mean anything."""
        self._opener = opener
        self._rest = rest
        self._warm = warm
        self._idle_timeout_s = idle_timeout_s
        self._idle: dict[LiveConnection, asyncio.Task[None]] = {}
        """Each with the task that watches it, the one used last at the end."""
        self._pending = PendingConnections(self._open, self._store)
        self._in_use = dict.fromkeys(Backend, 0)
        self._waiting = dict.fromkeys(Backend, 0)
        """Sessions that wait for a connection."""
        self._taking = 0
        """Connections that are no more idle, and not in use yet."""
        self._expected = dict.fromkeys(Backend, 0)
        self._last_use = dict.fromkeys(Backend, float("-inf"))
        self._timers: dict[tuple[str, Backend], asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def opened(self) -> int:
        """How many connections have been opened."""
        return self._opener.opened

    @property
    def idle(self) -> int:
        """How many connections are open and wait for a reply."""
        return len(self._idle)

    @property
    def is_ready(self) -> bool:
        """Whether a reply will find a way to Fish, as far as the pool knows."""
        is_known = self.opened > 0 and not self._opener.failures
        return is_known or self.breaker.is_open or not self._warm

    def prewarm(self, backend: Backend) -> None:
        """Have a connection ready, since a reply is to be expected. Returns immediately."""
        self._last_use[backend] = clock.now()
        self._replenish(backend)

    @contextlib.contextmanager
    def expect(self, backend: Backend) -> Iterator[None]:
        """Have a connection ready for one more reply, while its text is being written."""
        self._expected[backend] += 1
        try:
            self.prewarm(backend)
            yield
        finally:
            self._expected[backend] -= 1
            self._call_at(clock.now() + TRIM_AFTER_S, self._trim, backend)

    @contextlib.asynccontextmanager
    async def acquire(
        self, backend: Backend, until: float | None = None
    ) -> AsyncIterator[LiveConnection]:
        """A connection for one session, whose slot the caller holds.

        On leaving, it is kept if its session has finished, else closed: what Fish still had to say
        would be heard in the next session. Raises FishError if none is open by ``until``.
        """
        connection: LiveConnection | None = None
        warm = bool(self._idle_of(backend))
        try:
            connection = await self._take(backend, until)
            self._in_use[backend] += 1
            self.acquired += 1
            self.acquired_ready += warm
            if self.measurements.closes_after_finish:
                self._replenish(backend)
            yield connection
        except FishConnectionError:
            if connection is not None and not connection.answered:
                self._failed(backend)  # It was accepted, and then closed without a word.
            raise
        except LimitError:
            # It may be that Fish counts idle connections.
            self.evict()
            raise
        finally:
            if connection is not None:
                self._in_use[backend] -= 1
                await self._release(connection)

    @contextlib.asynccontextmanager
    async def acquire_rest(self) -> AsyncIterator[TtsClient]:
        """Speech by REST for one reply, whose slot the caller holds."""
        try:
            yield self._rest
        except FishError as error:
            self.breaker.record_rest_failure()
            if isinstance(error, LimitError):
                self.evict()
            raise

    def evict(self, opened_before: float = math.inf) -> None:
        """Close the idle connections that were opened before that time of the loop's clock."""
        for connection in [idle for idle in self._idle if idle.opened_at < opened_before]:
            self._discard(connection)

    async def close(self) -> None:
        """Close the connections that are kept; those that are lent close when they come back."""
        self._closed = True
        self.limiter.close()
        for timer in self._timers.values():
            timer.cancel()
        self.evict()
        await self._pending.close()
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _take(self, backend: Backend, until: float | None) -> LiveConnection:
        """The best connection there is, or a new one."""
        if self._closed:
            raise ClosedError("The connections to the server are closed.")
        self._waiting[backend] += 1
        try:
            async with asyncio.timeout_at(until):
                # The one used last is the least likely to have been dropped.
                for connection in reversed(self._idle_of(backend)):
                    if await self._stop_watching(connection):
                        return connection
                if not self._pending.unclaimed(backend):
                    self._make_room()
                return await self._pending.take(backend)
        except TimeoutError as error:
            self.breaker.record_failure()
            raise FishConnectionError(f"{self.endpoint.name} did not answer in time.") from error
        finally:
            self._waiting[backend] -= 1

    async def _stop_watching(self, connection: LiveConnection) -> bool:
        """Take an idle connection for a session; false if it is of no more use."""
        watching = self._idle.pop(connection, None)
        if watching is None:
            return False
        watching.cancel()
        self._taking += 1
        try:
            await asyncio.wait((watching,))
        except asyncio.CancelledError:
            self._spawn(connection.close())
            raise
        finally:
            self._taking -= 1
        if connection.answered:
            self.measurements.on_finished(closed=not connection.alive)
        if not connection.alive:
            self._spawn(connection.close())
        return connection.alive

    async def _release(self, connection: LiveConnection) -> None:
        """Keep a connection whose session has finished, close any other."""
        backend = connection.backend
        self._last_use[backend] = clock.now()
        if connection.answered:
            self._opener.proved()
        if connection.has_finished and not connection.alive:
            self.measurements.on_finished(closed=True)
        if connection.alive and not self._closed:
            self._store(connection)
            self._trim(backend)
        else:
            await connection.close()
            self._replenish(backend)

    def _make_room(self, more: int = 1) -> None:
        """Close idle connections so that ``more`` may be opened within the account's limit."""
        while self._idle and self._open_or_opening + more > self.limiter.limit:
            self._discard(next(iter(self._idle)))

    @property
    def _open_or_opening(self) -> int:
        return sum(self._in_use.values()) + self._taking + len(self._idle) + len(self._pending)

    def _replenish(self, backend: Backend) -> None:
        """Open connections in the background if they are wanted and not yet on their way."""
        busy = self._in_use[backend] + self._waiting[backend]
        if self.measurements.closes_after_finish:
            # None of them will be there for another reply.
            busy = 0
        wanted = max(self._expected[backend], self._warm - busy)
        while (
            len(self._idle_of(backend)) + self._pending.unclaimed(backend) < wanted
            and self._open_or_opening < self.limiter.limit
            and clock.now() >= self._opener.retry_at
            and not self.breaker.websocket_unsupported
            and not self._closed
        ):
            self._pending.start(backend)

    def _idle_of(self, backend: Backend) -> list[LiveConnection]:
        return [connection for connection in self._idle if connection.backend is backend]

    def _store(self, connection: LiveConnection) -> None:
        if self._closed:
            self._spawn(connection.close())
        else:
            self._idle[connection] = self._spawn(self._watch(connection))

    def _trim(self, backend: Backend) -> None:
        """Close idle connections that nothing will need soon, or that exceed the limit."""
        idle = self._idle_of(backend)
        kept = max(self._warm + 1, self._expected[backend] + self._waiting[backend])
        for connection in idle[:-kept]:
            self._discard(connection)
        self._make_room(0)

    def _discard(self, connection: LiveConnection) -> None:
        self._idle.pop(connection).cancel()
        self._spawn(connection.close())

    async def _watch(self, connection: LiveConnection) -> None:
        """Replace an idle connection that dies or grows old; close it when the house is quiet."""
        backend, kept_at = connection.backend, clock.now()
        proven_at = kept_at if connection.answered else kept_at + PROVEN_AFTER_S
        closed = False
        while (
            not closed
            and (until := min(kept_at + MAX_IDLE_AGE_S, self._idle_until(backend))) > clock.now()
        ):
            is_proven = clock.now() >= proven_at
            closed = await connection.closes(until if is_proven else min(until, proven_at))
            if closed and not is_proven:
                self._failed(backend)
            elif not is_proven and clock.now() >= proven_at:
                self._opener.proved()
        del self._idle[connection]
        if connection.answered:
            is_early = clock.now() - kept_at < CLOSED_BY_FINISH_S
            self.measurements.on_finished(closed=closed and is_early)
        self._replenish_if_used(backend)
        await connection.close()

    def _replenish_if_used(self, backend: Backend) -> None:
        if self._idle_until(backend) > clock.now():
            self._replenish(backend)
            if clock.now() < self._opener.retry_at:
                self._call_at(self._opener.retry_at, self._replenish_if_used, backend)

    def _idle_until(self, backend: Backend) -> float:
        return self._last_use[backend] + self._idle_timeout_s

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run ``work`` in a task that ``close()`` waits for."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _failed(self, backend: Backend) -> None:
        self._opener.failed()
        self._call_at(self._opener.retry_at, self._replenish_if_used, backend)

    def _call_at(self, at: float, call: Callable[[Backend], None], backend: Backend) -> None:
        """Call it at the loop's time ``at``, and not at a time that was set before."""
        key = (call.__name__, backend)
        if key in self._timers:
            self._timers[key].cancel()
        if not self._closed:
            self._timers[key] = asyncio.get_running_loop().call_at(at, call, backend)

    async def _open(self, backend: Backend) -> LiveConnection:
        try:
            connection = await self._opener.open(backend)
        except FishError as error:
            _LOGGER.debug("No connection: %s", error)
            if self._opener.failures:
                self._call_at(self._opener.retry_at, self._replenish_if_used, backend)
            raise
        if connection.limit is not None:
            self.limiter.set_limit(connection.limit)
        self._spawn(self._learn_pings(connection))
        return connection

    async def _learn_pings(self, connection: LiveConnection) -> None:
        with contextlib.suppress(FishConnectionError):
            await connection.ping()
            self.pings_answered = True
