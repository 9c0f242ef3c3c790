"""Listens for clients: at a TCP port, a unix socket or standard input."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from ..uri import WILDCARDS, ListenAddress
from .stream import WyomingStream

__all__ = ["ListenError", "listen", "listening_at"]

# Connections that the kernel queues until they are accepted. It drops more, and the client tries
# again after 1 s: there is room for all that arrive in a tenth of a second of a flood.
BACKLOG: Final = 1024

# Connections that are accepted in one turn of the event loop. Connections that are closed for them
# need a few turns. asyncio accepts as many as the backlog that it is given.
MAX_ACCEPTS_PER_TURN: Final = 8


class ListenError(OSError):
    """The server cannot listen at ``address``. Its cause is the system's error."""

    def __init__(self, address: ListenAddress, cause: OSError) -> None:
        super().__init__(cause.errno, cause.strerror)
        self.address = address


@contextlib.contextmanager
def listening_at(address: ListenAddress) -> Iterator[None]:
    """Raise OSErrors within ``with`` as ListenError."""
    try:
        yield
    except OSError as error:
        raise ListenError(address, error) from error


async def listen(
    address: ListenAddress, new_stream: Callable[[], WyomingStream]
) -> asyncio.Server | None:
    """Listen at ``address``, and create a stream for each client. Over stdio there is no server.

    Raises ListenError.
    """
    if address.scheme == "stdio":
        await _open_standard_streams(new_stream())
        return None
    with listening_at(address):
        if address.scheme == "unix":
            await _check_free(address.path)
            create = asyncio.get_running_loop().create_unix_server
            server = await create(new_stream, address.path, backlog=MAX_ACCEPTS_PER_TURN)
        else:
            server = await _listen_tcp(new_stream, address.host, address.port)
    for listening in server.sockets:
        with listening.dup() as same:
            same.listen(BACKLOG)
    return server


async def _listen_tcp(
    new_stream: Callable[[], WyomingStream], host: str, port: int
) -> asyncio.Server:
    create = asyncio.get_running_loop().create_server
    start = partial(create, new_stream, port=port, backlog=MAX_ACCEPTS_PER_TURN)
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
    """Raise OSError if another server listens at ``path``: asyncio would take it over."""
    try:
        _, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return
    writer.close()
    raise OSError(errno.EADDRINUSE, f"Another server uses {path}")


class _StandardInput(asyncio.Protocol):
    """Passes standard input to a stream. Its end does not end standard output."""

    def __init__(self, stream: WyomingStream) -> None:
        self._stream = stream

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._stream.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._stream.data_received(data)

    def eof_received(self) -> bool:
        return self._stream.eof_received()


async def _open_standard_streams(stream: WyomingStream) -> None:
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: _StandardInput(stream), sys.stdin)
    await loop.connect_write_pipe(lambda: stream, sys.stdout)
