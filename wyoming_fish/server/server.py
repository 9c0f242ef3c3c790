"""Server: listens, serves, drains, stops."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, Self

from wyoming.error import Error

from ..fish import Endpoint, FishClient, Owner, clock, owner_at
from .admission import connections_to_close
from .connection import STOP_LINGER_S, Connection
from .context import ServerContext
from .events import encode
from .listener import listen
from .memory_budget import MemoryBudget
from .options import ServerOptions
from .requests.cache import Cache
from .requests.log import RequestLog
from .requests.synthesis import Synthesis
from .shutdown import STOP_TIMEOUT_S
from .stream import WyomingStream
from .voice_catalog import VoiceCatalog

__all__ = ["MAX_REFUSALS", "FrontEnd", "Server"]

_LOGGER = logging.getLogger(__name__)

# Seconds of STOP_TIMEOUT_S that are left when the replies in progress are ended: one to send their
# clients an error, and one to close everything else.
CLOSE_TIMEOUT_S: Final = 2.0

# Seconds in which a client that has just connected can still send its request.
NEW_CLIENT_GRACE_S: Final = 0.25

# Refused clients that have not yet read their error; one more closes the oldest. Each can use
# 20 KB of memory.
MAX_REFUSALS: Final = 50


class FrontEnd(Protocol):
    """Another way to have text spoken, such as the status page: it runs as long as the server."""

    async def __aenter__(self) -> object:
        """Listen. Raises ListenError."""

    async def __aexit__(self, *error: object) -> None:
        """Close everything."""

    def drain(self) -> set[asyncio.Task[Any]]:
        """Accept no more text; return the tasks that still speak."""


class Server:
    """Listens within ``async with``; at its end, replies in progress are finished.

    ``endpoint`` is used instead of ``options.endpoint``. Raises ListenError.
    """

    def __init__(self, options: ServerOptions, endpoint: Endpoint) -> None:
        self._options = options
        self._fish = FishClient(
            endpoint,
            concurrency=options.concurrency,
            warm=options.ready_connections,
            idle_timeout_s=options.pool_idle_timeout_s,
            # Without --resume, the backend decides.
            timestamps=options.resume or None,
        )
        self._request_log = RequestLog()
        self._cache = (
            Cache(options.cache_dir, options.cache_size_mb * 10**6, endpoint.base_url)
            if options.cache_dir
            else None
        )
        self._catalog = VoiceCatalog(self._fish, options.speech)
        synthesis = Synthesis(self._fish, self._catalog, options, self._request_log, self._cache)
        self.context = ServerContext(
            options, self._fish, self._catalog, synthesis, self._request_log
        )
        """The server's parts, for other front ends."""
        self._connections: dict[asyncio.Task[None], Connection] = {}
        """The oldest first."""
        self._refusals: dict[asyncio.Task[None], Callable[[], None]] = {}
        """Refused clients that are being closed, and how to close them now. The oldest first."""
        self._memory = MemoryBudget(options.max_pending_characters)
        self._listener: asyncio.Server | None = None
        self._front_ends: list[FrontEnd] = []
        self._resources = contextlib.AsyncExitStack()
        self._stop_by = float("inf")
        """The event loop's time at which everything must be closed."""
        self.stopping = asyncio.Event()
        """Set by ``stop``; over stdio, when the client has disconnected."""

    def attach(self, front_end: FrontEnd) -> None:
        """Open and close ``front_end`` with the server. Call it before ``async with``."""
        self._front_ends.append(front_end)

    def stop(self) -> None:
        """Start to stop: everything must be closed within STOP_TIMEOUT_S."""
        if not self.stopping.is_set():
            self._stop_by = clock.now() + STOP_TIMEOUT_S
            self.stopping.set()

    async def within_stop(self, closing: Awaitable[object]) -> None:
        """Await ``closing``, until STOP_TIMEOUT_S is over."""
        try:
            async with asyncio.timeout_at(self._stop_by):
                await closing
        except TimeoutError:
            _LOGGER.warning(
                "Stopping before everything is closed: it took more than %.0f s", STOP_TIMEOUT_S
            )

    @property
    def uri(self) -> str:
        """The URI for clients of this machine, with the actual port."""
        return self.uris[0]

    @property
    def uris(self) -> list[str]:
        """``uri``, then the URIs for other machines."""
        address = self._options.uri
        if address.scheme == "stdio":
            return ["stdio://"]
        if address.scheme == "unix":
            return [f"unix://{address.path}"]
        return [f"tcp://{own.url_host}:{self.port}" for own in address.to_open()]

    @property
    def port(self) -> int:
        """The actual TCP port; 0 if it does not listen at one."""
        return next(iter(self._names()), ("", 0))[1]

    @property
    def hosts(self) -> set[str]:
        """The addresses at which it listens."""
        return {name[0] for name in self._names()}

    def _names(self) -> list[tuple[str, int]]:
        if self._options.uri.scheme != "tcp" or self._listener is None:
            return []
        return [listening.getsockname()[:2] for listening in self._listener.sockets]

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:

            def close_later(close: Callable[[], Awaitable[object]]) -> None:
                stack.push_async_callback(lambda: self.within_stop(close()))

            if self._cache is not None:
                close_later(self._cache.close)
            close_later(self._fish.close)
            for front_end in self._front_ends:
                await front_end.__aenter__()
                close_later(partial(front_end.__aexit__, None, None, None))
            self._listener = await listen(self._options.uri, self._new_stream)
            stack.push_async_callback(self._drain)
            refreshing = asyncio.create_task(self._catalog.refresh_periodically())
            close_later(partial(_cancel, refreshing))
            self._fish.prewarm(self._options.speech.backend)
            self._resources = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()
        await self._resources.aclose()

    def _new_stream(self) -> WyomingStream:
        share = self._memory.share()
        return WyomingStream(self._connected, share, write_timeout_s=self._options.write_timeout_s)

    def _connected(self, stream: WyomingStream) -> None:
        if stream.has_hung_up():
            # It was reset before it was accepted. To serve it costs ten times as much.
            stream.abort()
            return
        stream.memory.owner = owner = owner_at(stream.host)
        if not self._admit(owner):
            self._request_log.refused["too-many-connections"] += 1
            _LOGGER.warning("Refusing a client at %s: too many connections", stream.host)
            self._refuse(stream)
            return
        connection = Connection(stream, self.context)
        task = asyncio.create_task(connection.run())
        self._connections[task] = connection
        self._request_log.clients = len(self._connections)
        task.add_done_callback(self._disconnected)
        # A task that is cancelled before its start does not close its stream.
        task.add_done_callback(lambda _: stream.abort())

    def _refuse(self, stream: WyomingStream) -> None:
        text = "There are too many connections. Try again in a moment."
        stream.write_last(encode(Error(text, "too-many-connections").event()))
        task = asyncio.create_task(stream.close())
        self._limit_refusals(task, stream.abort)
        task.add_done_callback(lambda _: stream.abort())

    def _limit_refusals(self, task: asyncio.Task[None], abort: Callable[[], None]) -> None:
        """Add ``task``; close the oldest refused client if there are too many."""
        if len(self._refusals) >= MAX_REFUSALS:
            self._refusals.pop(next(iter(self._refusals)))()
        self._refusals[task] = abort
        task.add_done_callback(lambda _: self._refusals.pop(task, None))

    def _admit(self, owner: Owner) -> bool:
        """Return whether ``owner`` may have one more connection. Can close others for it."""
        here = {
            task: connection
            for task, connection in self._connections.items()
            if not (task.cancelling() or connection.is_displaced)
        }
        most = self._options.max_connections_per_address, self._options.max_connections
        if (to_close := connections_to_close(here, owner, *most)) is None:
            return False
        for task in to_close:
            if (connection := here[task]).is_ending:
                task.cancel()
                continue
            kind = "busy" if connection.is_busy else "silent" if connection.is_silent else "idle"
            self._request_log.refused[f"displaced-{kind}"] += 1
            connection.is_displaced = True
            self._limit_refusals(task, connection.abort)
            # Not before its task has started: until then it could not send an error.
            asyncio.get_running_loop().call_soon(task.cancel)
        return True

    def _disconnected(self, task: asyncio.Task[None]) -> None:
        if (reason := self._connections.pop(task).close_reason) is not None:
            self._request_log.refused[reason] += 1
        self._request_log.clients = len(self._connections)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.error("Cannot serve a client. Report this error.", exc_info=error)
        if self._listener is None:
            self.stop()

    async def _drain(self) -> None:
        """Stop listening, finish the replies in progress, then end all others."""
        if self._listener is not None:
            self._listener.close()
            if self._options.uri.scheme == "unix":
                Path(self._options.uri.path).unlink(missing_ok=True)  # noqa: ASYNC240 - one
        if self._connections:
            _LOGGER.info(
                "Stopping after the replies in progress. Press Ctrl-C to stop immediately."
            )
        if any(connection.is_silent for connection in self._connections.values()):
            await asyncio.sleep(NEW_CLIENT_GRACE_S)
        speaking = {task for front_end in self._front_ends for task in front_end.drain()}
        for task, connection in self._connections.items():
            connection.drain()
            if connection.is_busy:
                speaking.add(task)
        if speaking:
            await _wait(speaking, self._stop_by - CLOSE_TIMEOUT_S)
            # Their clients get an error, and then have the same time to close as the others.
            left = [task for task in speaking if not task.done()]
            if left:
                _LOGGER.warning("Ending replies that are not complete: %d", len(left))
            for task in left:
                task.cancel()
        rest = {*speaking, *self._connections, *self._refusals}
        await _wait(rest, min(clock.now() + STOP_LINGER_S, self._stop_by))
        self._cut_short(rest)
        await _wait(rest, self._stop_by)

    def _cut_short(self, tasks: Iterable[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        # Its task may still be closing a session. After that, a client that reads nothing would
        # keep it until the end.
        for connection in self._connections.values():
            connection.abort()


async def _wait(tasks: Iterable[asyncio.Task[Any]], until: float) -> None:
    """Wait for the tasks, at most until the event loop's time ``until``."""
    if left := [task for task in tasks if not task.done()]:
        await asyncio.wait(left, timeout=max(0, until - clock.now()))


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))
