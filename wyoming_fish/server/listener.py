"""Where clients come from: a TCP port, a unix socket or standard input."""

from __future__ import annotations

import asyncio
import errno
import sys
from collections.abc import Callable
from functools import partial
from typing import Final

from ..uri import WILDCARDS, ListenAddress
from .stream import WyomingStream

__all__ = ["listen"]

# Connections that the kernel holds until they are accepted. When it has no room for one, it tries
# again after 1 s, so there is room for all that come within a tenth of a second of a flood.
BACKLOG: Final = 1024

# Connections that are accepted before those that make room for them have closed, which takes a few
# turns of the loop. asyncio would accept as many as its backlog in each turn.
ACCEPTED_AT_ONCE: Final = 8


async def listen(
    address: ListenAddress, new_wire: Callable[[], WyomingStream]
) -> asyncio.Server | None:
    """Make a new stream for each client. Over stdio there is one, and no server.

    Raises OSError if the address cannot be had.
    """
    if address.scheme == "stdio":
        await _open_standard_streams(new_wire())
        return None
    if address.scheme == "unix":
        await _check_free(address.path)
        create = asyncio.get_running_loop().create_unix_server
        server = await create(new_wire, address.path, backlog=ACCEPTED_AT_ONCE)
    else:
        server = await _listen_tcp(new_wire, address.host, address.port)
    for listening in server.sockets:
        with listening.dup() as same:
            same.listen(BACKLOG)
    return server


async def _listen_tcp(
    new_wire: Callable[[], WyomingStream], host: str, port: int
) -> asyncio.Server:
    create = asyncio.get_running_loop().create_server
    start = partial(create, new_wire, port=port, backlog=ACCEPTED_AT_ONCE)
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
    raise OSError(errno.EADDRINUSE, f"{path} is in use by another server")


class _StandardInput(asyncio.Protocol):
    """Hands standard input to a stream. Its end does not end standard output."""

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
