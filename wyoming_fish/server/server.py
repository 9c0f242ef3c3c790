"""The server's life: listen, serve, finish what is being said, stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from wyoming.error import Error

from ..cli.demo import demo
from ..cli.options import Options
from ..fish import Endpoint, FishClient, Owner, clock, owner_at
from ..uri import ListenAddress
from .admission import Client, given_up
from .connection import STOP_LINGER_S, Connection
from .events import encode
from .listener import listen
from .memory_budget import MemoryBudget
from .open_files import check_open_files, files_needed, limit_accept_errors
from .requests.cache import Cache
from .requests.log import RequestLog
from .requests.synthesis import Synthesis
from .shutdown import STOP_TIMEOUT_S, stop_on_signal
from .stream import WyomingStream
from .voice_catalog import VoiceCatalog

if TYPE_CHECKING:
    from ..web import StatusServer

__all__ = ["Server", "serve"]

_LOGGER = logging.getLogger(__name__)

# Seconds of STOP_TIMEOUT_S that are left when what is still being said is cut off: one to tell its
# clients, and one to close everything else.
CLOSE_TIMEOUT_S: Final = 2.0

# Seconds that are left to a client which has just connected, to say what it wants.
NEW_CLIENT_GRACE_S: Final = 0.25

# Clients that are being told that there are too many; one more cuts the first of them short. Each
# is gone as soon as it has read that, and may hold 20 KB until then.
MAX_REFUSALS: Final = 50

Background = Coroutine[Any, Any, None]


async def serve(options: Options, announce: Callable[[], Background] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C; over stdio, until its end.

    ``announce`` is started once it listens, and cancelled before it stops. Raises OSError where
    the address cannot be had, or nobody could reach what is to be announced.
    """
    check_open_files(files_needed(options, MAX_REFUSALS))
    limit_accept_errors(asyncio.get_running_loop())
    where = contextlib.nullcontext(options.endpoint) if options.endpoint else demo()
    async with where as endpoint, Server(options, endpoint) as server:
        stop_on_signal(server.stop)
        here, *elsewhere = server.uris
        _LOGGER.info(" and, from other machines, on ".join((f"Ready on {here}", *elsewhere)))
        async with contextlib.AsyncExitStack() as announcements:
            for announcing in _announcements(options, server, announce):
                task = asyncio.create_task(_logged(announcing))
                announcements.push_async_callback(server.within_stop, _cancelled(task))
            await server.stopping.wait()


def _announcements(
    options: Options, server: Server, announce: Callable[[], Background] | None
) -> Iterator[Background]:
    if announce is not None:
        yield announce()
    if options.zeroconf is not None:
        from .zeroconf import advertise, check_reachable  # noqa: PLC0415 - seldom used

        check_reachable(server.hosts)
        yield advertise(options.zeroconf, server.hosts, server.port)


class Server:
    """Listens within ``async with``; leaving it lets what is being said finish.

    ``options.endpoint`` is not looked at: ``endpoint`` is where Fish is. Raises OSError where the
    address cannot be had.
    """

    def __init__(self, options: Options, endpoint: Endpoint) -> None:
        self._options = options
        self._fish = FishClient(
            endpoint,
            concurrency=options.concurrency,
            warm=options.warm,
            idle_timeout_s=options.quiet_time,
            # Else it is for the backend to say.
            timestamps=options.resume or None,
        )
        self._catalog = VoiceCatalog(self._fish, options.speech)
        self._request_log = RequestLog()
        self._cache = (
            Cache(options.cache, options.cache_size * 10**6, endpoint.base_url)
            if options.cache
            else None
        )
        self._synthesis = Synthesis(
            self._fish, self._catalog, options, self._request_log, self._cache
        )
        self._connections: dict[asyncio.Task[None], Client[Connection]] = {}
        """In the order of their coming."""
        self._refusals: dict[asyncio.Task[None], Callable[[], None]] = {}
        """Clients that are being told that there are too many, likewise."""
        self._memory = MemoryBudget(options.max_text)
        self._listener: asyncio.Server | None = None
        self._status_server: StatusServer | None = None
        self._resources = contextlib.AsyncExitStack()
        self._stop_by = float("inf")
        """The loop's time at which everything is to have stopped."""
        self.stopping = asyncio.Event()
        """Set by ``stop``; over stdio, when its one client has left."""

    def stop(self) -> None:
        """Begin to stop: from now on STOP_TIMEOUT_S runs."""
        if not self.stopping.is_set():
            self._stop_by = clock.now() + STOP_TIMEOUT_S
            self.stopping.set()

    async def within_stop(self, closing: Awaitable[object]) -> None:
        """Wait for what closes something, as long as there is time to stop."""
        try:
            async with asyncio.timeout_at(self._stop_by):
                await closing
        except TimeoutError:
            _LOGGER.warning("Not everything could be closed in time")

    @property
    def uri(self) -> str:
        """Where this machine reaches it, with the port that it really has."""
        return self.uris[0]

    @property
    def uris(self) -> list[str]:
        """The same, and then where other machines reach it."""
        address = self._options.uri
        if address.scheme == "stdio":
            return ["stdio://"]
        if address.scheme == "unix":
            return [f"unix://{address.path}"]
        return [f"tcp://{own.url_host}:{self.port}" for own in address.to_open()]

    @property
    def url(self) -> str | None:
        """Where its page is, if anywhere."""
        return self._status_server.url if self._status_server else None

    @property
    def port(self) -> int:
        """The TCP port that it really has; 0 where it listens at none."""
        return next(iter(self._names()), ("", 0))[1]

    @property
    def hosts(self) -> set[str]:
        """The addresses at which it listens at its port."""
        return {name[0] for name in self._names()}

    def _names(self) -> list[tuple[str, int]]:
        if self._options.uri.scheme != "tcp" or self._listener is None:
            return []
        return [listening.getsockname()[:2] for listening in self._listener.sockets]

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:

            def at_the_end(close: Callable[[], Awaitable[object]]) -> None:
                stack.push_async_callback(lambda: self.within_stop(close()))

            if self._cache is not None:
                at_the_end(self._cache.close)
            at_the_end(self._fish.close)
            if self._options.http is not None:
                self._status_server = self._new_status_server(self._options.http)
                await self._status_server.__aenter__()
                at_the_end(self._status_server.__aexit__)
            self._listener = await listen(self._options.uri, self._new_stream)
            stack.push_async_callback(self._drain)
            refreshing = asyncio.create_task(self._catalog.refresh_periodically())
            at_the_end(partial(_cancelled, refreshing))
            self._fish.prewarm(self._options.speech.backend)
            self._resources = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()
        await self._resources.aclose()

    def _new_status_server(self, address: ListenAddress) -> StatusServer:
        from ..web import ServerContext, StatusServer  # noqa: PLC0415 - it takes a quarter of a second

        context = ServerContext(
            self._options,
            self._fish,
            self._catalog,
            self._synthesis,
            self._request_log,
        )
        return StatusServer(context, address)

    def _new_stream(self) -> WyomingStream:
        share = self._memory.share()
        return WyomingStream(self._connected, share, write_timeout=self._options.write_timeout)

    def _connected(self, stream: WyomingStream) -> None:
        stream.memory.owner = owner = owner_at(stream.host)
        if not self._make_room(owner):
            self._request_log.refused["too-many"] += 1
            _LOGGER.warning("A client at %s was refused: too many connections", stream.host)
            self._refuse(stream)
            return
        connection = Connection(stream, self._synthesis, self._catalog, self._options)
        task = asyncio.create_task(connection.run())
        self._connections[task] = Client(connection, owner)
        self._request_log.clients = len(self._connections)
        task.add_done_callback(self._disconnected)
        # A task that is cancelled before it begins closes nothing.
        task.add_done_callback(lambda _: stream.abort())

    def _refuse(self, stream: WyomingStream) -> None:
        text = "There are too many connections. Try again in a moment."
        stream.write_last(encode(Error(text, "too-many").event()))
        task = asyncio.create_task(stream.close())
        self._limit_refusal(task, stream.abort)
        task.add_done_callback(lambda _: stream.abort())

    def _limit_refusal(self, task: asyncio.Task[None], cut_short: Callable[[], None]) -> None:
        """Cut the oldest refusal short if there are too many with ``task``."""
        if len(self._refusals) >= MAX_REFUSALS:
            self._refusals.pop(next(iter(self._refusals)))()
        self._refusals[task] = cut_short
        task.add_done_callback(lambda _: self._refusals.pop(task, None))

    def _make_room(self, owner: Owner) -> bool:
        """Whether there may be one more connection, if need be in place of others."""
        here = {
            task: client
            for task, client in self._connections.items()
            if not (task.cancelling() or client.connection.is_displaced)
        }
        most = self._options.max_per_address, self._options.max_connections
        if (going := given_up(here, owner, *most)) is None:
            return False
        for task in going:
            if (connection := here[task].connection).ending:
                task.cancel()
                continue
            reason = "too-many" if connection.busy else "idle"
            self._request_log.refused["silent" if connection.silent else reason] += 1
            connection.is_displaced = True
            self._limit_refusal(task, connection.abort)
            # Once it has begun: before that it could not tell its client.
            asyncio.get_running_loop().call_soon(task.cancel)
        return True

    def _disconnected(self, task: asyncio.Task[None]) -> None:
        if (reason := self._connections.pop(task).connection.close_reason) is not None:
            self._request_log.refused[reason] += 1
        self._request_log.clients = len(self._connections)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.error("A connection failed; please report this", exc_info=error)
        if self._listener is None:
            self.stop()

    async def _drain(self) -> None:
        """Listen no more, let what is being said finish, then end what is left."""
        if self._listener is not None:
            self._listener.close()
            if self._options.uri.scheme == "unix":
                Path(self._options.uri.path).unlink(missing_ok=True)  # noqa: ASYNC240 - one
        if self._connections:
            _LOGGER.info("Stopping when what is being said is finished; Ctrl-C stops immediately")
        if any(client.connection.silent for client in self._connections.values()):
            await asyncio.sleep(NEW_CLIENT_GRACE_S)
        speaking: set[asyncio.Task[Any]] = (
            self._status_server.drain() if self._status_server is not None else set()
        )
        for task, client in self._connections.items():
            client.connection.drain()
            if client.connection.busy:
                speaking.add(task)
        if speaking:
            await _wait(speaking, self._stop_by - CLOSE_TIMEOUT_S)
            # They are told, and then have as much time as the others to close.
            for task in speaking:
                task.cancel()
        rest = {*speaking, *self._connections, *self._refusals}
        await _wait(rest, min(clock.now() + STOP_LINGER_S, self._stop_by))
        for task in rest:
            task.cancel()
        await _wait(rest, self._stop_by)


async def _wait(tasks: Iterable[asyncio.Task[Any]], until: float) -> None:
    """Wait for what is not done of the tasks, at most until the loop's time ``until``."""
    if left := [task for task in tasks if not task.done()]:
        await asyncio.wait(left, timeout=max(0, until - clock.now()))


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))


async def _logged(work: Background) -> None:
    """Do ``work``, which nobody waits for: an error is logged."""
    try:
        await work
    except Exception:
        _LOGGER.exception("The server is not announced; please report this")
