"""Servers of one function, that tests start in their own process."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

__all__ = ["listening"]

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Yield the port of a server on 127.0.0.1 that calls ``serve`` for each connection.

    Every connection is closed after ``serve``. A client that leaves early is not a failure.
    """

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            try:
                await serve(reader, writer)
            finally:
                writer.close()
            await writer.wait_closed()

    async with asyncio.TaskGroup() as connections:
        server = await asyncio.start_server(
            lambda reader, writer: connections.create_task(serve_one(reader, writer)),
            *("127.0.0.1", 0),
            ssl=tls,
        )
        async with server:
            yield server.sockets[0].getsockname()[1]
