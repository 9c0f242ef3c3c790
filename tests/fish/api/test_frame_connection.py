"""Frames come whole and in order, however they are received."""

import asyncio
import ssl
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.support.certificates import self_signed
from wyoming_fish.fish import Backend, Endpoint, FishError
from wyoming_fish.fish.api.live_connection import LiveConnection, open_live_connection

FRAMES = 1500


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("closes", [False, True])
@pytest.mark.parametrize("tls", [False, True])
async def test_all_comes_before_the_end(
    tmp_path: Path, tls: bool, closes: bool, slow: bool
) -> None:
    """What a server sends before it closes or cuts the connection is received, also slowly."""
    serving = self_signed(tmp_path) if tls else None
    trusting = ssl.create_default_context(cafile=tmp_path / "cert.pem") if tls else None

    async def send(connection: ServerConnection) -> None:
        await connection.recv()
        for number in range(FRAMES):
            await connection.send(number.to_bytes(4) + bytes(number % 700))
        if not closes:
            connection.transport.close()

    received: list[bytes | str] = []

    async def receive(socket: LiveConnection) -> None:
        while True:
            received.append(await socket.receive())
            if slow and len(received) % 50 == 0:
                await asyncio.sleep(0.001)

    async with serve(send, "localhost", 0, ssl=serving, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        url = f"http{'s' if tls else ''}://localhost:{port}"
        endpoint = Endpoint("key", url)
        socket = await open_live_connection(endpoint, Backend.S2_1_PRO, ssl_context=trusting)
        await socket.send(b"begin")
        with pytest.raises(FishError, match="closed the connection"):
            await receive(socket)
        await socket.close()
    assert received == [n.to_bytes(4) + bytes(n % 700) for n in range(FRAMES)]


async def test_a_connection_that_is_not_read_is_closed() -> None:
    """Data that nobody takes does not keep a connection open."""

    async def send(connection: ServerConnection) -> None:
        while True:
            await connection.send(bytes(10_000))

    async with serve(send, "localhost", 0, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        socket = await open_live_connection(
            Endpoint("key", f"http://localhost:{port}"), Backend.S2_1_PRO
        )
        await socket.receive()
        async with asyncio.timeout(5):
            await socket.close()
    assert not socket.alive
