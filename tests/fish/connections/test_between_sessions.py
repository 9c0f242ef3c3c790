"""What a connection says while no session is open on it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import ormsgpack
import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.fish.replies import SETTINGS, speak
from wyoming_fish.fish import Endpoint, FishClient

TEXT: Final = "Good night. The doors are locked."


async def _text() -> AsyncIterator[str]:
    yield TEXT


@contextlib.asynccontextmanager
async def _scripted(handler: Any) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0, compression=None) as server:
        yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


def _event(frame: str | bytes) -> str:
    assert isinstance(frame, bytes)
    return str(ormsgpack.unpackb(frame)["event"])


async def test_events_between_sessions_are_passed_over() -> None:
    """Fish asks clients to ignore events that they do not know, whenever they come."""

    async def answer(connection: ServerConnection) -> None:
        async for frame in connection:
            match _event(frame):
                case "start":
                    sessions.append(connection)
                case "stop":
                    for event in (
                        {"event": "audio", "audio": bytes(4800)},
                        {"event": "finish", "reason": "stop"},
                        {"event": "log", "message": "session done"},
                    ):
                        await connection.send(ormsgpack.packb(event))

    sessions: list[ServerConnection] = []
    async with _scripted(answer) as url:
        client = FishClient(Endpoint("key", url))
        for _ in range(5):
            assert b"".join([pcm async for pcm in speak(client, _text(), SETTINGS)]) == bytes(4800)
        assert client.status.opened == 1
        assert len(sessions) == 5
        await client.close()


@pytest.mark.parametrize("event", ["audio", "finish", "error"])
async def test_a_connection_that_speaks_out_of_turn_is_replaced(event: str) -> None:
    """What belongs to a session that is over would be heard in the next one."""

    async def answer(connection: ServerConnection) -> None:
        next(connections).set()
        async for frame in connection:
            if _event(frame) == "stop":
                for said in ("audio", "finish", event):
                    await connection.send(
                        ormsgpack.packb({"event": said, "audio": b"\1\0" * 240, "reason": "stop"})
                    )

    opened = [asyncio.Event() for _ in range(5)]
    connections = iter(opened)
    async with _scripted(answer) as url:
        client = FishClient(Endpoint("key", url))
        for number in range(3):
            heard = b"".join([pcm async for pcm in speak(client, _text(), SETTINGS)])
            assert heard == b"\1\0" * 240
            async with asyncio.timeout(5):
                await opened[number + 1].wait()
        await client.close()
