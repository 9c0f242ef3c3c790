"""Where clients come from: a TCP port, a unix socket or standard input."""

from __future__ import annotations

import asyncio
import errno
import sys
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeAlias

from .address import WILDCARDS, Address
from .wire import LINE_LIMIT

__all__ = ["host_of", "listen", "network_of"]

Connected: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]


async def listen(address: Address, connected: Connected) -> asyncio.Server | None:
    """Call ``connected`` with each client. Over stdio there is one, and no server.

    Raises OSError if the address cannot be had.
    """
    if address.scheme == "stdio":
        connected(*await _standard_streams())
        return None
    if address.scheme == "unix":
        await _check_free(address.path)
        return await asyncio.start_unix_server(connected, path=address.path, limit=LINE_LIMIT)
    return await _listen_tcp(connected, address.host, address.port)


def host_of(writer: asyncio.StreamWriter) -> str:
    """Return the address of a client; those of a unix socket, or of stdio, share one."""
    peer = writer.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else "this machine"


def network_of(host: str) -> str:
    """Return what stands for a client where addresses are limited: of IPv6, its /64 network.

    A machine may take as many addresses of that as it likes.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv4Address):
        return host
    if (mapped := address.ipv4_mapped) is not None:
        return str(mapped)
    return str(IPv6Address(int(address) >> 64 << 64))


async def _listen_tcp(connected: Connected, host: str, port: int) -> asyncio.Server:
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
    """Raise OSError if another server listens at ``path``: asyncio would take it over."""
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
