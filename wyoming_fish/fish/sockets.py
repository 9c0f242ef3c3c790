"""Fish Audio's websockets: opened before they are needed, lent to one session at a time.

Two things are scarce: time (a handshake takes about 0.3 s) and the account's concurrency (the
number of sessions at once). So a warm socket waits for the next reply, and is replaced as it is
taken; one that has carried a session to its end is kept for the next, since Fish leaves it open
as often as not. Who asks while all of the account's sessions are taken waits in line. A house
that has fallen quiet holds nothing open.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Coroutine
from typing import TYPE_CHECKING, Final

from .detour import Detour
from .errors import FishConnectionError, FishError, LimitError, NoWebsocketError, UnavailableError
from .rest import Rest
from .settings import Backend, Endpoint
from .slots import Slots
from .websocket import Socket, open_socket

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Socket", "Sockets"]

_LOGGER = logging.getLogger(__name__)

# Seconds after which an idle socket is replaced: LiveKit found one good for 300 s after its last
# use.
REFRESH: Final = 240.0

# Seconds without any use after which no socket is kept open.
QUIET_TIME: Final = 600.0

# Backends that are spoken on the socket with timestamps unless it is said otherwise: one user found
# them there only. For the others it is not known whether timestamps cost time.
TIMESTAMPED: Final = frozenset((Backend.DRAMA_3, Backend.DRAMA_3_PREVIEW))

# Seconds to the next try to open a warm socket after a failure; each further one doubles them.
RETRY_DELAY: Final = 1.0
LONGEST_RETRY_DELAY: Final = 60.0


class Sockets:
    """All sockets of one account.

    ``concurrency`` is the number of sessions to hold at once at the most; without it, what Fish
    tells that the account may have. ``warm`` is the number of sockets of each backend that are kept
    open for the next replies, ``quiet_time`` the seconds without use after which they are let go.
    No more sockets are kept than there may be sessions, since it is not known whether Fish counts
    idle ones. ``ssl_context`` is used for wss and https; without one the system's trust store is.
    With ``timestamps`` the audio tells which words it says, so that a reply that breaks off can be
    resumed, if the server has such a socket; None leaves it to the backend (TIMESTAMPED).
    ``session`` is used where speech has to go by REST, and left open; without one, one of its own.
    Call ``close()`` in the end.
    """

    def __init__(  # noqa: PLR0913 - by name
        self,
        endpoint: Endpoint,
        *,
        concurrency: int | None = None,
        warm: int = 1,
        quiet_time: float = QUIET_TIME,
        ssl_context: ssl.SSLContext | None = None,
        timestamps: bool | None = None,
        session: aiohttp.ClientSession | None = None,
    ) -> None:
        self.detour = Detour()
        self.slots = Slots(concurrency)
        self.opened = 0
        """How many sockets have been opened."""
        self.lent = 0
        """How many sessions have been lent one."""
        self.lent_warm = 0
        """How many of these found it open."""
        self._endpoint = endpoint
        self._ssl_context = ssl_context
        self._timestamps = timestamps
        self._rest = Rest(endpoint, self.slots, ssl_context, session, quiet_time)
        self._warm = warm
        self._quiet_time = quiet_time
        self._idle: dict[Backend, dict[Socket, asyncio.Task[None]]] = {
            backend: {} for backend in Backend
        }
        self._opening: dict[Backend, asyncio.Task[None]] = {}
        self._last_use = dict.fromkeys(Backend, float("-inf"))
        self._retry_delay = RETRY_DELAY
        self._retry_at = float("-inf")
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def idle(self) -> int:
        """How many sockets are open and wait for a reply."""
        return sum(len(sockets) for sockets in self._idle.values())

    @property
    def ready(self) -> bool:
        """Whether a reply will find a way to Fish, as far as the sockets know.

        With warm sockets it is known once one has been opened, and until one cannot be.
        """
        known = self.opened > 0 and self._retry_delay == RETRY_DELAY
        return not self._warm or self.detour.taken or known

    def warm(self, backend: Backend) -> None:
        """Have a socket ready, since a reply is to be expected. Returns at once; never fails."""
        self._last_use[backend] = _now()
        self._replenish(backend)

    @contextlib.asynccontextmanager
    async def lend(self, backend: Backend, until: float | None = None) -> AsyncIterator[Socket]:
        """A socket for one session; waits, first come first served, for the account's limit.

        On leaving, the socket is kept if its session has finished, else it is closed: what Fish
        still had to say would be heard in the next session. Raises FishError where none can be
        opened, or none has been by the loop's time ``until``.
        """
        async with self.slots.one(until):
            warm = bool(self._idle[backend])
            try:
                async with asyncio.timeout_at(until):
                    socket = await self._take(backend)
            except TimeoutError as error:
                self.detour.failed()
                raise FishConnectionError("Fish Audio did not answer in time.") from error
            self.lent += 1
            self.lent_warm += warm
            self.warm(backend)
            try:
                yield socket
            except LimitError as error:
                # Others use the account too, or Fish counts idle sockets.
                if error.limit is not None:
                    self.slots.learn(error.limit)
                self._shed()
                raise
            finally:
                if socket.alive and not self._closed:
                    self._last_use[backend] = _now()
                    self._keep(socket)
                else:
                    await socket.close()

    @contextlib.asynccontextmanager
    async def lend_rest(self, until: float | None = None) -> AsyncIterator[Rest]:
        """The way by REST for one reply, which counts as one session; waits as ``lend`` does."""
        async with self.slots.one(until):
            try:
                yield self._rest
            except FishError as error:
                self.detour.failed_too()
                if isinstance(error, LimitError):
                    # It may be that Fish counts idle sockets.
                    self._shed()
                raise

    async def close(self) -> None:
        """Close the sockets that are kept; those that are lent close when they come back."""
        self._closed = True
        await self._rest.close()
        for task in self._tasks:
            task.cancel()
        self._shed()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _shed(self) -> None:
        """Close all idle sockets."""
        for idle in self._idle.values():
            while idle:
                socket, watching = idle.popitem()
                watching.cancel()
                self._own(socket.close())

    async def _take(self, backend: Backend) -> Socket:
        """The best socket there is, or a new one."""
        while True:
            idle = self._idle[backend]
            while idle:
                # The one used last is the least likely to have been dropped.
                socket, watching = idle.popitem()
                watching.cancel()
                if socket.alive:
                    return socket
            # One that is being opened is there sooner than one that is not; it is for the first
            # who asks.
            opening = self._opening.pop(backend, None)
            if opening is None:
                return await self._open(backend)
            await asyncio.wait((opening,))
            if self.detour.missing:
                raise NoWebsocketError("The server has just said that it has no websocket.")

    def _replenish(self, backend: Backend) -> None:
        """Open a warm socket if one is wanted and not yet on its way."""
        if (
            len(self._idle[backend]) < self._warm
            and backend not in self._opening
            and self.slots.taken + self.idle + len(self._opening) < self.slots.limit
            and _now() >= self._retry_at
            and not self.detour.missing
            and not self._closed
        ):
            self._opening[backend] = self._own(self._open_warm(backend))

    async def _open_warm(self, backend: Backend) -> None:
        try:
            self._keep(await self._open(backend))
        except FishError as error:
            # The reply that needs it will tell; until then this only costs time.
            _LOGGER.debug("No warm socket: %s", error)
            self._retry_at = _now() + self._retry_delay
            self._retry_delay = min(2 * self._retry_delay, LONGEST_RETRY_DELAY)
        finally:
            if self._opening.get(backend) is asyncio.current_task():
                del self._opening[backend]

    def _keep(self, socket: Socket) -> None:
        self._idle[socket.backend][socket] = self._own(self._watch(socket))

    async def _watch(self, socket: Socket) -> None:
        """Replace an idle socket that dies or grows old; let it go when the house is quiet."""
        backend, old_at = socket.backend, _now() + REFRESH
        while (until := min(old_at, self._quiet_at(backend))) > _now():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await socket.wait_closed()
                break
        del self._idle[backend][socket]
        if self._quiet_at(backend) > _now():
            self._replenish(backend)
        await socket.close()

    def _quiet_at(self, backend: Backend) -> float:
        return self._last_use[backend] + self._quiet_time

    def _own(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run ``work`` in a task that ``close()`` ends."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _open(self, backend: Backend) -> Socket:
        if self._ssl_context is None and self._endpoint.live_url.startswith("wss:"):
            # Made once: it takes tens of milliseconds, and reads files.
            self._ssl_context = await asyncio.to_thread(ssl.create_default_context)
        try:
            socket = await self._open_either(backend)
        except NoWebsocketError:
            self.detour.refused()
            raise
        except FishError as error:
            if isinstance(error, FishConnectionError | UnavailableError):
                self.detour.failed(slowly=isinstance(error.__cause__, TimeoutError))
            raise
        self.detour.opened()
        self.opened += 1
        self._retry_at, self._retry_delay = float("-inf"), RETRY_DELAY
        if socket.limit is not None:
            self.slots.learn(socket.limit)
        return socket

    async def _open_either(self, backend: Backend) -> Socket:
        """The socket with timestamps where it is wanted and there is one, else the plain one."""
        wanted = backend in TIMESTAMPED if self._timestamps is None else self._timestamps
        if wanted:
            try:
                return await open_socket(
                    self._endpoint, backend, timestamps=True, ssl_context=self._ssl_context
                )
            except NoWebsocketError:
                _LOGGER.debug("No websocket with timestamps")
        socket = await open_socket(self._endpoint, backend, ssl_context=self._ssl_context)
        if wanted:
            _LOGGER.info("The server has no websocket with timestamps: replies are not resumed")
            self._timestamps = False
        return socket


def _now() -> float:
    return asyncio.get_running_loop().time()
