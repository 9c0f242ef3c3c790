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
from typing import Final, Self

from .catalog import Catalog
from .connection import Connection
from .fish.account import Account
from .fish.settings import Endpoint
from .fish.sockets import Sockets
from .options import Address, Options
from .wire import LINE_LIMIT, Wire

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
        self._connections: dict[asyncio.Task[None], Connection] = {}
        self._listener: asyncio.Server | None = None
        self._resources = contextlib.AsyncExitStack()
        self.stopping = asyncio.Event()
        """Set to ask for the end; over stdio, set when its one client has left."""

    @property
    def uri(self) -> str:
        """Where it listens, with the port that it really has."""
        address = self._options.address
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
            await self._listen(self._options.address)
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
            self._listener = await asyncio.start_unix_server(
                self._connected, path=address.path, limit=LINE_LIMIT
            )
        else:
            self._listener = await _listen_tcp(self._connected, address.host, address.port)

    def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, linger: bool = False
    ) -> None:
        wire = Wire(reader, writer)
        connection = Connection(wire, self._sockets, self._catalog, self._options)
        task = asyncio.create_task(connection.run(linger=linger))
        self._connections[task] = connection
        task.add_done_callback(self._disconnected)

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
            if self._options.address.scheme == "unix":
                Path(self._options.address.path).unlink(missing_ok=True)  # noqa: ASYNC240 - one
        tasks = set(self._connections)
        if not tasks:
            return
        for connection in self._connections.values():
            connection.drain()
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
