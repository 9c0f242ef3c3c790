"""Requests to the page that are refused: no more of them is read than the answer needs."""

import asyncio
import contextlib
import socket
import time
import tracemalloc

import pytest

from wyoming_fish.emulator import EmulatorSettings

from ..support.server import Served, Serving
from ..support.visiting import HTTP, ask, port_of

CHUNKED = b" HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
JSON = b"Content-Type: application/json\r\n"
# As many as the page reads of one connection.
CHUNKS = b"1\r\na\r\n" * 40_000

GARBAGE = bytes(30_000)
CONNECTIONS = 20

# Bytes that a connection may cost while it sends garbage.
LIMIT_BYTES = 60_000


@pytest.mark.parametrize("head", [b"POST /api/speak" + CHUNKED + JSON, b"GET /" + CHUNKED])
async def test_a_body_in_chunks(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    """The client is told to send a length, and the chunks are not parsed."""
    monkeypatch.setattr("wyoming_fish.web.connections.LINGER_TIMEOUT_S", 0.05)

    async def cpu_s(served: Served, body: bytes) -> float:
        began = time.process_time()
        assert (await ask(served, head + b"\r\n" + body)).startswith(b"HTTP/1.1 411 ")
        return time.process_time() - began

    async with serving(EmulatorSettings(), HTTP) as served:
        answer = await ask(served, head + b"\r\n1\r\na\r\n0\r\n\r\n")
        assert b"Send the request with a Content-Length" in answer
        large = f"{len(CHUNKS):x}\r\n".encode() + bytes(len(CHUNKS))
        for_large = min([await cpu_s(served, large) for _ in range(3)])
        for_chunks = min([await cpu_s(served, CHUNKS) for _ in range(3)])
    assert for_chunks < 4 * for_large


async def test_garbage(serving: Serving) -> None:
    """One error is kept of it, however much of it comes."""
    loop = asyncio.get_running_loop()

    async def send(port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setblocking(False)
            with contextlib.suppress(ConnectionError):
                await loop.sock_sendall(client, GARBAGE)
                while await loop.sock_recv(client, 65536):
                    pass

    async with serving(EmulatorSettings(), HTTP) as served:
        await send(port_of(served))
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            await asyncio.gather(*(send(port_of(served)) for _ in range(CONNECTIONS)))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak - before < LIMIT_BYTES * CONNECTIONS
