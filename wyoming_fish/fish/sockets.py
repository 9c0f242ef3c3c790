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
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxy,
    InvalidStatus,
)
from websockets.protocol import State as ConnectionState

from .errors import FishConnectionError, FishError, LimitError, from_status
from .protocol import Session, State
from .settings import Backend, Endpoint
from .slots import Slots

__all__ = ["Socket", "Sockets"]

_LOGGER = logging.getLogger(__name__)

# At DEBUG websockets logs the headers of the handshake, and so the key.
_QUIET_LOGGER: Final = logging.getLogger(f"{__name__}.websockets")
_QUIET_LOGGER.setLevel(logging.WARNING)

# Seconds for name, TCP, TLS and upgrade together: about 0.3 on a good line.
OPEN_TIMEOUT: Final = 10.0

# Seconds that a closing handshake may take before the connection is cut: a session that nobody
# hears any more must not hold its place for longer.
CLOSE_TIMEOUT: Final = 0.5

# Fish's own Python client lost long replies to pongs that took over 20 s; 60 s cured it
# (fish-audio-python issue 47).
PING_INTERVAL: Final = 20.0
PING_TIMEOUT: Final = 60.0

# Bytes of one message. Fish's are below 50 kB; its compatible sockets stop at 32 MiB.
MESSAGE_LIMIT: Final = 32 * 2**20

# Seconds after which an idle socket is replaced: LiveKit found one good for 300 s after its last
# use.
REFRESH: Final = 240.0

# Seconds without any use after which no socket is kept open.
QUIET_TIME: Final = 600.0

# Seconds to the next try to open a warm socket after a failure; each further one doubles them.
RETRY_DELAY: Final = 1.0
LONGEST_RETRY_DELAY: Final = 60.0


class Socket:
    """One open websocket of one backend, carrying one session after another."""

    def __init__(self, connection: ClientConnection, backend: Backend) -> None:
        self.backend = backend
        self.sessions = 0
        """How many sessions have begun on it."""
        self._connection = connection
        self._session = Session()

    @property
    def alive(self) -> bool:
        """Whether it is open as far as is known, with no session under way."""
        resting = self._session.state in (State.NEW, State.FINISHED)
        return resting and self._connection.state is ConnectionState.OPEN

    def begin(self) -> Session:
        """A new session, whose frames are to be sent here."""
        self.sessions += 1
        self._session = Session()
        return self._session

    async def send(self, frame: bytes) -> None:
        """Send a frame. Raises FishConnectionError where the socket is closed."""
        try:
            await self._connection.send(frame)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def receive(self) -> bytes | str:
        """The next frame. Raises FishConnectionError where the socket is closed.

        When it is cancelled, no frame is lost.
        """
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise _closed(error) from error

    def abort(self) -> None:
        """Cut the connection at once; who waits in ``receive`` is told."""
        self._connection.transport.abort()

    async def close(self) -> None:
        """Close the socket within CLOSE_TIMEOUT. May be called twice."""
        try:
            await self._connection.close()
        finally:
            self.abort()

    async def wait_closed(self) -> None:
        """Return when the connection is gone, whoever ended it."""
        await self._connection.wait_closed()


class Sockets:
    """All sockets of one account.

    ``concurrency`` is the number of sessions to hold at once at the most; without it, what Fish
    tells that the account may have. ``warm`` is the number of sockets of each backend that are kept
    open for the next replies, ``quiet_time`` the seconds without use after which they are let go.
    No more sockets are kept than there may be sessions, since it is not known whether Fish counts
    idle ones. ``ssl_context`` is used for wss addresses; without one the system's trust store is.
    Call ``close()`` in the end.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        concurrency: int | None = None,
        warm: int = 1,
        quiet_time: float = QUIET_TIME,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._ssl_context = ssl_context
        self._slots = Slots(concurrency)
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

    def warm(self, backend: Backend) -> None:
        """Have a socket ready, since a reply is to be expected. Returns at once; never fails."""
        self._last_use[backend] = _now()
        self._replenish(backend)

    @contextlib.asynccontextmanager
    async def lend(self, backend: Backend) -> AsyncIterator[Socket]:
        """A socket for one session; waits, first come first served, for the account's limit.

        On leaving, the socket is kept if its session has finished, else it is closed: what Fish
        still had to say would be heard in the next session. Raises FishError where none can be
        opened.
        """
        async with self._slots.one():
            socket = await self._take(backend)
            self.warm(backend)
            try:
                yield socket
            except LimitError as error:
                # Others use the account too, or Fish counts idle sockets.
                if error.limit is not None:
                    self._slots.learn(error.limit)
                self._shed()
                raise
            finally:
                if socket.alive and not self._closed:
                    self._last_use[backend] = _now()
                    self._keep(socket)
                else:
                    await socket.close()

    async def close(self) -> None:
        """Close the sockets that are kept; those that are lent close when they come back."""
        self._closed = True
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

    def _replenish(self, backend: Backend) -> None:
        """Open a warm socket if one is wanted and not yet on its way."""
        idle = sum(len(sockets) for sockets in self._idle.values())
        if (
            len(self._idle[backend]) < self._warm
            and backend not in self._opening
            and self._slots.taken + idle + len(self._opening) < self._slots.limit
            and _now() >= self._retry_at
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
        url = self._endpoint.live_url
        secure: dict[str, Any] = {}
        if url.startswith("wss:"):
            if self._ssl_context is None:
                # Made once: it takes tens of milliseconds, and reads files.
                self._ssl_context = await asyncio.to_thread(ssl.create_default_context)
            secure["ssl"] = self._ssl_context
        try:
            connection = await _Connect(
                url,
                additional_headers={**self._endpoint.headers, "model": str(backend)},
                user_agent_header="wyoming-fish",
                compression=None,  # audio hardly shrinks, and Fish offers none
                open_timeout=OPEN_TIMEOUT,
                close_timeout=CLOSE_TIMEOUT,
                ping_interval=PING_INTERVAL,
                ping_timeout=PING_TIMEOUT,
                max_size=MESSAGE_LIMIT,
                logger=_QUIET_LOGGER,
                **secure,
            )
        except TimeoutError as error:
            raise FishConnectionError(
                f"Fish Audio did not answer within {OPEN_TIMEOUT:.0f} s."
            ) from error
        except (OSError, InvalidHandshake, InvalidProxy) as error:
            raise _refused(error) from error
        self._retry_at, self._retry_delay = float("-inf"), RETRY_DELAY
        headers = connection.response.headers if connection.response else {}
        limit = headers.get("ratelimit-limit-concurrency", "")
        if limit.isdecimal():
            self._slots.learn(int(limit))
        return Socket(connection, backend)


class _Connect(connect):
    """`connect` that follows no redirect: the key is for the address that it was given for."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _refused(error: Exception) -> FishError:
    """What it means that no websocket came about."""
    if isinstance(error, InvalidStatus):
        return from_status(error.response.status_code, bytes(error.response.body or b""))
    if isinstance(error, ssl.SSLCertVerificationError):
        return FishConnectionError(
            f"Fish Audio's certificate is not valid: {error.verify_message}."
        )
    if isinstance(error, OSError):
        return FishConnectionError(f"Fish Audio cannot be reached: {error.strerror or error}.")
    return FishConnectionError(f"Fish Audio's websocket could not be opened: {error}.")


def _closed(error: ConnectionClosed) -> FishConnectionError:
    how = f"{error.rcvd.code} {error.rcvd.reason}".rstrip() if error.rcvd else "without a word"
    return FishConnectionError(f"Fish Audio closed the connection ({how}).")


def _now() -> float:
    return asyncio.get_running_loop().time()
