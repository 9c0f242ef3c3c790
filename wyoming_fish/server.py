"""The server's life: listen, serve, finish what is being said, stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from wyoming.error import Error

from .address import WILDCARDS, Address
from .cache import Cache
from .catalog import Catalog
from .connection import Connection
from .demo import demo
from .fish.account import Account
from .fish.settings import Endpoint
from .fish.sockets import Sockets
from .history import History
from .options import Options
from .seldom import Seldom
from .speaker import Speaker
from .wire import LINE_LIMIT, Wire, encode

if TYPE_CHECKING:
    from .web import Site

__all__ = ["Server", "serve"]

_LOGGER = logging.getLogger(__name__)

# Seconds that what is being said may take to finish when the server is stopped: Docker and
# Home Assistant's Supervisor kill after 10 s, and who still waits then has to be told.
DRAIN_TIMEOUT: Final = 8.0

# Seconds that are left to a client which has just connected, to say what it wants.
ASKING_TIME: Final = 0.25

Background = Coroutine[Any, Any, None]


async def serve(options: Options, announce: Callable[[], Background] | None = None) -> None:
    """Serve until SIGTERM or Ctrl-C; over stdio, until its end.

    ``announce`` is started once it listens, and cancelled before it stops. Raises OSError where
    the address cannot be had, or nobody could reach what is to be announced.
    """
    where = contextlib.nullcontext(options.endpoint) if options.endpoint else demo()
    async with where as endpoint, Server(options, endpoint) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.stopping.set)
        _LOGGER.info("Ready on %s", server.uri)
        async with contextlib.AsyncExitStack() as announcements:
            for announcing in _announcements(options, server, announce):
                task = asyncio.create_task(announcing)
                announcements.push_async_callback(_cancelled, task)
            await server.stopping.wait()


def _announcements(
    options: Options, server: Server, announce: Callable[[], Background] | None
) -> Iterator[Background]:
    if announce is not None:
        yield announce()
    if options.zeroconf is not None:
        from .discovery import check_reachable, keep_announced  # noqa: PLC0415 - seldom used

        check_reachable(server.hosts)
        yield keep_announced(options.zeroconf, server.hosts, server.port)


class _Client(NamedTuple):
    connection: Connection
    host: str


class Server:
    """Listens within ``async with``; leaving it lets what is being said finish.

    ``options.endpoint`` is not looked at: ``endpoint`` is where Fish is. Raises OSError where the
    address cannot be had.
    """

    def __init__(self, options: Options, endpoint: Endpoint) -> None:
        self._options = options
        self._endpoint = endpoint
        self._sockets = Sockets(
            endpoint,
            concurrency=options.concurrency,
            warm=options.warm,
            quiet_time=options.quiet_time,
            # Else it is for the backend to say.
            timestamps=options.resume or None,
        )
        self._account = Account(endpoint)
        self._catalog = Catalog(self._account, options.speech)
        self._history = History()
        self._cache = (
            Cache(options.cache, options.cache_size * 10**6, endpoint.base_url)
            if options.cache
            else None
        )
        self._speaker = Speaker(self._sockets, self._catalog, options, self._history, self._cache)
        self._connections: dict[asyncio.Task[None], _Client] = {}
        """In the order of their coming."""
        self._complaints = Seldom(_LOGGER)
        self._listener: asyncio.Server | None = None
        self._site: Site | None = None
        self._resources = contextlib.AsyncExitStack()
        self.stopping = asyncio.Event()
        """Set to ask for the end; over stdio, set when its one client has left."""

    @property
    def uri(self) -> str:
        """Where it listens, with the port that it really has."""
        address = self._options.uri
        if address.scheme == "stdio":
            return "stdio://"
        if address.scheme == "unix":
            return f"unix://{address.path}"
        host = f"[{address.host}]" if ":" in address.host else address.host
        return f"tcp://{host}:{self.port}"

    @property
    def url(self) -> str | None:
        """Where its page is, if anywhere."""
        return self._site.url if self._site else None

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
            stack.push_async_callback(self._account.close)
            if self._cache is not None:
                stack.push_async_callback(self._cache.close)
            stack.push_async_callback(self._sockets.close)
            if self._options.http is not None:
                self._site = await stack.enter_async_context(self._new_site(self._options.http))
            await self._listen(self._options.uri)
            stack.push_async_callback(self._drain)
            refreshing = asyncio.create_task(self._catalog.keep_fresh())
            stack.push_async_callback(_cancelled, refreshing)
            self._sockets.warm(self._options.speech.backend)
            self._resources = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._resources.aclose()

    def _new_site(self, address: Address) -> Site:
        from .web import Site, View  # noqa: PLC0415 - it takes a quarter of a second

        view = View(
            self._options,
            self._endpoint,
            self._sockets,
            self._account,
            self._catalog,
            self._speaker,
            self._history,
        )
        return Site(view, address)

    async def _listen(self, address: Address) -> None:
        if address.scheme == "stdio":
            self._connected(*await _standard_streams(), linger=True)
        elif address.scheme == "unix":
            await _check_free(address.path)
            self._listener = await asyncio.start_unix_server(
                self._connected, path=address.path, limit=LINE_LIMIT
            )
        else:
            self._listener = await _listen_tcp(self._connected, address.host, address.port)

    def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, linger: bool = False
    ) -> None:
        host = _host(writer)
        if not self._make_room(host):
            self._history.refused["too-many"] += 1
            self._complaints.warning("A client at %s was refused: too many connections", host)
            writer.write(encode(Error("There are too many connections.", "too-many").event()))
            writer.close()
            return
        wire = Wire(reader, writer, patience=self._options.write_timeout)
        connection = Connection(wire, self._speaker, self._catalog, self._options, self._complaints)
        task = asyncio.create_task(connection.run(linger=linger))
        self._connections[task] = _Client(connection, host)
        self._history.clients = len(self._connections)
        task.add_done_callback(self._disconnected)

    def _make_room(self, host: str) -> bool:
        """Whether there may be one more connection, if need be in place of a silent one.

        So a thousand that connect and say nothing keep no one out who has something to say.
        """
        here = {t: client for t, client in self._connections.items() if not t.cancelling()}
        same = {t: client for t, client in here.items() if client.host == host}
        for clients, most in (
            (same, self._options.max_per_address),
            (here, self._options.max_connections),
        ):
            if len(clients) >= most:
                silent = (t for t, client in clients.items() if client.connection.silent)
                if (oldest := next(silent, None)) is None:
                    return False
                self._history.refused["silent"] += 1
                oldest.cancel()
                here.pop(oldest)
        return True

    def _disconnected(self, task: asyncio.Task[None]) -> None:
        if (reason := self._connections.pop(task).connection.sent_away) is not None:
            self._history.refused[reason] += 1
        self._history.clients = len(self._connections)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.error("A connection failed; please report this", exc_info=error)
        if self._listener is None:
            self.stopping.set()

    async def _drain(self) -> None:
        """Listen no more, let what is being said finish, then end what is left."""
        if self._listener is not None:
            self._listener.close()
            if self._options.uri.scheme == "unix":
                Path(self._options.uri.path).unlink(missing_ok=True)  # noqa: ASYNC240 - one
        if any(client.connection.silent for client in self._connections.values()):
            await asyncio.sleep(ASKING_TIME)
        tasks: set[asyncio.Task[Any]] = set(self._connections)
        if self._site is not None:
            tasks |= self._site.drain()
        if not tasks:
            return
        for client in self._connections.values():
            client.connection.drain()
        _LOGGER.info("Stopping when what is being said is finished")
        _, late = await asyncio.wait(tasks, timeout=DRAIN_TIMEOUT)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)


async def _listen_tcp(
    connected: Callable[[asyncio.StreamReader, asyncio.StreamWriter], None], host: str, port: int
) -> asyncio.Server:
    start = partial(asyncio.start_server, connected, port=port, limit=LINE_LIMIT)
    if host not in WILDCARDS:
        return await start(host=host)
    try:
        return await start(host=WILDCARDS)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise
        # A machine without IPv6.
        return await start(host="0.0.0.0")  # noqa: S104


async def _check_free(path: str) -> None:
    """Raise OSError where somebody listens at ``path``: asyncio would take it away from him."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return
    writer.close()
    raise OSError(errno.EADDRINUSE, f"{path} is in use by another server")


async def _standard_streams() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), sys.stdout
    )
    return reader, asyncio.StreamWriter(transport, protocol, None, loop)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))


def _host(writer: asyncio.StreamWriter) -> str:
    """The address of a client; those of a unix socket, or of stdio, share one."""
    peer = writer.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else "this machine"
