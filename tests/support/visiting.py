"""The server's page as a browser visits it."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Final

import aiohttp

from .server import Served

__all__ = [
    "HEADER",
    "HTTP",
    "TEXT",
    "ask",
    "connect",
    "port_of",
    "posted",
    "read_to_end",
    "ready",
    "visitor",
    "wanted",
]

TEXT: Final = "Die Küche ist dunkel. Good night. The doors are locked."
HTTP: Final = "--http=127.0.0.1:0"
HEADER: Final = 44
"""Bytes of a WAV before its samples."""


@contextlib.asynccontextmanager
async def visitor(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the server's page."""
    assert served.url is not None
    async with aiohttp.ClientSession(served.url) as session:
        yield session


async def ready(session: aiohttp.ClientSession) -> tuple[int, str]:
    """The status and the words of whether the server is ready."""
    async with session.get("/readyz") as response:
        return response.status, await response.text()


def wanted(text: str, voice: str | None = None) -> dict[str, object]:
    """What the page sends to have ``text`` spoken."""
    return {"text": text, "voice": {"name": voice}}


def port_of(served: Served) -> int:
    """The port of the server's page."""
    assert served.url is not None
    return int(served.url.rstrip("/").rpartition(":")[2])


async def connect(
    served: Served, host: str = "127.0.0.1", receive_bytes: int | None = 4096
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to the page, from an address of this machine, that reads little ahead.

    ``receive_bytes`` are those of the kernel's buffer; None: as many as it likes.
    """
    is_ipv6 = ":" in host
    client = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET)
    if receive_bytes is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    client.bind((host, 0))
    client.setblocking(False)
    server = "::1" if is_ipv6 else "127.0.0.1"
    await asyncio.get_running_loop().sock_connect(client, (server, port_of(served)))
    return await asyncio.open_connection(sock=client, limit=1024)


async def read_to_end(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server closes the connection, in whatever way it does."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := await reader.read(65536):
            data += piece
    return data


async def ask(served: Served, request: bytes) -> bytes:
    """The answer to what is sent, which need not be HTTP."""
    reader, writer = await connect(served)
    writer.write(request)
    answer = await read_to_end(reader)
    writer.close()
    return answer


def posted(text: str) -> bytes:
    """A request to have ``text`` spoken."""
    body = json.dumps(wanted(text)).encode()
    return (
        b"POST /api/speak HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body)
    ) + body
