"""The server's life: listen, serve, finish what is being said, stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from wyoming.error import Error

from .catalog import Catalog
from .connection import Connection
from .fish.account import Account
from .fish.settings import Endpoint
from .fish.sockets import Sockets
from .flags import Address
from .options import Options
from .seldom import Seldom
from .speaker import Speaker
from .wire import LINE_LIMIT, Wire, encode

__all__ = ["Server", "serve"]

_LOGGER = logging.getLogger(__name__)

# Seconds that what is being said may take to finish when the server is stopped: Docker and
# Home Assistant's Supervisor kill after 10 s.
DRAIN_TIMEOUT: Final = 10.0


async def serve(options: Options) -> None:
    """Serve until SIGTERM or Ctrl-C; over stdio, until its end.

    Raises OSError where the address cannot be had.
    """
    async with _endpoint(options) as endpoint, Server(options, endpoint) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.stopping.set)
        _LOGGER.info("Ready on %s", server.uri)
        await server.stopping.wait()


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
        self._sockets = Sockets(
            endpoint,
            concurrency=options.concurrency,
            warm=options.warm,
            quiet_time=options.quiet_time,
        )
        self._account = Account(endpoint)
        self._catalog = Catalog(self._account, options.speech)
        self._speaker = Speaker(self._sockets, self._catalog, options)
        self._connections: dict[asyncio.Task[None], _Client] = {}
        """In the order of their coming."""
        self._complaints = Seldom(_LOGGER)
        self._listener: asyncio.Server | None = None
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
        assert self._listener is not None  # noqa: S101 - it listens
        host = f"[{address.host}]" if ":" in address.host else address.host
        return f"tcp://{host}:{self._listener.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._account.close)
            stack.push_async_callback(self._sockets.close)
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
            self._complaints.warning("A client at %s was refused: too many connections", host)
            writer.write(encode(Error("There are too many connections.", "too-many").event()))
            writer.close()
            return
        wire = Wire(reader, writer, patience=self._options.write_timeout)
        connection = Connection(wire, self._speaker, self._catalog, self._options, self._complaints)
        task = asyncio.create_task(connection.run(linger=linger))
        self._connections[task] = _Client(connection, host)
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
                oldest.cancel()
                here.pop(oldest)
        return True

    def _disconnected(self, task: asyncio.Task[None]) -> None:
        del self._connections[task]
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
        tasks = set(self._connections)
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
    if host not in ("0.0.0.0", "::"):  # noqa: S104
        return await start(host=host)
    # «Every address of this machine» is meant, and it has some of each kind.
    try:
        return await start(host=["0.0.0.0", "::"])  # noqa: S104
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


@contextlib.asynccontextmanager
async def _endpoint(options: Options) -> AsyncIterator[Endpoint]:
    """The Fish Audio of the options; for the demo, an emulator in this process."""
    if options.endpoint is not None:
        yield options.endpoint
        return
    from .emulator import Emulator, EmulatorSettings  # noqa: PLC0415 - heavy, and for this alone

    # About the pace that users measured at Fish Audio's.
    async with Emulator(EmulatorSettings(first_audio=0.3, pace=0.13)) as emulator:
        yield Endpoint("demo", emulator.url)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))


def _host(writer: asyncio.StreamWriter) -> str:
    """The address of a client; those of a unix socket, or of stdio, share one."""
    peer = writer.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else "this machine"
