"""Fish Audio's websockets: opened, lent to one session at a time, and kept for the next.

Two things are scarce: time (a handshake takes about 0.3 s) and the account's concurrency (the
number of sessions at once). A socket that has carried a session to its end is kept for the next
one, since Fish leaves it open as often as not; one that it closed is forgotten. Who asks while
all of the account's sessions are taken waits in line.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from typing import Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxy,
    InvalidStatus,
)
from websockets.protocol import State as ConnectionState

from .errors import FishConnectionError, FishError, from_status
from .protocol import Session, State
from .settings import Backend, Endpoint

__all__ = ["Socket", "Sockets"]

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

# Seconds that an unused socket is kept. LiveKit found one good for 300 s after its last use.
IDLE_TIME: Final = 240.0


class Socket:
    """One open websocket of one backend, carrying one session after another."""

    def __init__(self, connection: ClientConnection, backend: Backend) -> None:
        self.backend = backend
        self.sessions = 0
        """How many sessions have begun on it."""
        self._connection = connection
        self._session = Session()
        self._waiting_since: float | None = None

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
        """The next frame. Raises FishConnectionError where the socket is closed."""
        self._waiting_since = asyncio.get_running_loop().time()
        try:
            return await self._connection.recv()
        except ConnectionClosed as error:
            raise _closed(error) from error
        finally:
            self._waiting_since = None

    @property
    def silence(self) -> float:
        """Seconds for which ``receive`` has been waiting; 0 while nobody waits in it."""
        since = self._waiting_since
        return 0.0 if since is None else asyncio.get_running_loop().time() - since

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

    ``concurrency`` is the number of sessions that the account may hold at once. ``ssl_context`` is
    used for wss addresses; without one the system's trust store is. Call ``close()`` in the end.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        concurrency: int = 5,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._ssl_context = ssl_context
        # asyncio's semaphore serves in the order of asking.
        self._slots = asyncio.Semaphore(concurrency)
        self._idle: dict[Backend, dict[Socket, asyncio.Task[None]]] = {
            backend: {} for backend in Backend
        }
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @contextlib.asynccontextmanager
    async def lend(self, backend: Backend) -> AsyncIterator[Socket]:
        """A socket for one session; waits, first come first served, for the account's limit.

        On leaving, the socket is kept if its session has finished, else it is closed: what Fish
        still had to say would be heard in the next session. Raises FishError where none can be
        opened.
        """
        async with self._slots:
            socket = self._take(backend) or await self._open(backend)
            try:
                yield socket
            finally:
                if socket.alive and not self._closed:
                    self._keep(socket)
                else:
                    await socket.close()

    async def close(self) -> None:
        """Close the sockets that are kept; those that are lent close when they come back."""
        self._closed = True
        idle = [socket for sockets in self._idle.values() for socket in sockets]
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(
            *self._tasks, *(socket.close() for socket in idle), return_exceptions=True
        )

    def _take(self, backend: Backend) -> Socket | None:
        idle = self._idle[backend]
        while idle:
            # The one used last is the least likely to have been dropped.
            socket, watching = idle.popitem()
            watching.cancel()
            if socket.alive:
                return socket
        return None

    def _keep(self, socket: Socket) -> None:
        watching = asyncio.create_task(self._watch(socket))
        self._idle[socket.backend][socket] = watching
        self._tasks.add(watching)
        watching.add_done_callback(self._tasks.discard)

    async def _watch(self, socket: Socket) -> None:
        """Let an idle socket go when Fish closes it or nobody has wanted it for IDLE_TIME."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(IDLE_TIME):
                await socket.wait_closed()
        del self._idle[socket.backend][socket]
        await socket.close()

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
