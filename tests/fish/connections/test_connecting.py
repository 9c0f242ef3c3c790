"""Connections while they are being opened, and the search for a good one after failures."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.fish.replies import speak
from tests.support.idle_clock import pass_time, run
from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault
from wyoming_fish.fish import Backend, Endpoint, FishClient, SpeechSettings
from wyoming_fish.fish.api.live_connection import LiveConnection, open_live_connection
from wyoming_fish.fish.connections.connecting import PendingConnections
from wyoming_fish.fish.connections.opener import MAX_RETRY_DELAY_S


async def _text() -> AsyncIterator[str]:
    yield "Hello."


async def _speak(client: FishClient) -> None:
    async for _ in speak(client, _text(), SpeechSettings()):
        pass


def test_an_opening_outlives_its_reply() -> None:
    """What is being opened for a reply that is given up is there for the next one."""

    async def opened() -> int:
        async with Emulator(EmulatorSettings(voice="tone", handshake=1.0)) as emulator:
            client = FishClient(Endpoint("key", emulator.url), warm=0)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await _speak(client)
            await _speak(client)
            await client.close()
            await emulator.wait_for(lambda e: e.sockets_open == 0)
            return emulator.sockets_opened

    assert run(opened()) == 1


async def test_a_reply_that_is_given_up_as_its_connection_opens() -> None:
    """In that very moment too, the connection is kept, and not forgotten while it is open."""
    kept: list[LiveConnection] = []

    async def open_one(backend: Backend) -> LiveConnection:
        socket = await open_live_connection(Endpoint("key", emulator.url), backend)
        asyncio.get_running_loop().call_soon(taking.cancel)
        return socket

    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        openings = PendingConnections(open_one, kept.append)
        taking = asyncio.create_task(openings.take(Backend.S1))
        await asyncio.wait((taking,))
        assert taking.cancelled()
        (socket,) = kept
        assert socket.alive
        await socket.close()
        await openings.close()


@pytest.mark.parametrize("away", [9.0, 3000.0])
def test_a_server_that_is_back_is_found(away: float) -> None:
    """However long it refused, a connection is there a minute later, though nobody speaks."""

    async def idle() -> list[int]:
        faults = [Fault("upgrade", 503, times=None)]
        async with Emulator(EmulatorSettings(voice="tone", faults=faults)) as emulator:
            client = FishClient(Endpoint("key", emulator.url), idle_timeout_s=2 * away + 600.0)
            client.prewarm(Backend.S2_1_PRO)
            await pass_time(away)
            seen = [client.status.idle]
            emulator.settings.faults.clear()
            await pass_time(MAX_RETRY_DELAY_S + 1.0)
            seen.append(client.status.idle)
            await client.close()
            return seen

    assert run(idle()) == [0, 1]


def test_a_reply_proves_its_connection() -> None:
    """After failures, the first reply that is spoken makes the client ready again."""

    async def ready() -> list[bool]:
        faults = [Fault("upgrade", 503, times=2)]
        async with Emulator(EmulatorSettings(voice="tone", faults=faults)) as emulator:
            client = FishClient(Endpoint("key", emulator.url))
            client.prewarm(Backend.S2_1_PRO)
            await emulator.wait_for(lambda e: len(e.struck) == 1)
            seen = [client.status.is_ready]
            await _speak(client)
            seen.append(client.status.is_ready)
            await client.close()
            return seen

    assert run(ready()) == [False, True]
