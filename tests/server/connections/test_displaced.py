"""Clients that make room for one at another address, and are told so."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

import pytest
from wyoming.error import Error
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.info import Describe
from wyoming.ping import Ping
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart

from tests.support import idle_clock
from wyoming_fish.emulator import EmulatorSettings
from wyoming_fish.server.requests.queue import HEARD_FOR_S

from ...support.server import Served, Serving
from ...support.visiting import HTTP, visitor

# All of 127.0.0.0/8 is this machine.
HOUSE, ONE, ANOTHER = "127.0.0.2", "127.0.0.3", "127.0.0.4"

LIMITS: Final = ("--max-connections=6", "--max-connections-per-address=3")

BEGUN: Final = [SynthesizeStart().event(), SynthesizeChunk("a").event()]
HEARD: Final = [SynthesizeStart().event(), SynthesizeChunk("Good night. ").event()]


class _Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, *events: Event) -> None:
        """Send events, and wait until the server has read them."""
        for event in (*events, Ping().event()):
            await async_write_event(event, self._writer)
        await self.read("pong")

    async def read(self, last: str) -> list[Event]:
        """Read up to an event of the type ``last``, or to the end."""
        events: list[Event] = []
        while not events or events[-1].type != last:
            if (event := await async_read_event(self._reader)) is None:
                break
            events.append(event)
        return events

    async def is_served(self) -> bool:
        """Whether it gets an answer."""
        await async_write_event(Describe().event(), self._writer)
        return any(event.type == "info" for event in await self.read("info"))


class _Clients(contextlib.AsyncExitStack):
    def __init__(self, served: Served) -> None:
        super().__init__()
        self._port = served.port

    async def connect(self, address: str) -> _Client:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self._port, local_addr=(address, 0)
        )
        self.callback(writer.close)
        return _Client(reader, writer)

    async def ask(self, address: str, *events: Event) -> _Client:
        client = await self.connect(address)
        await client.ask(*events)
        return client


@contextlib.asynccontextmanager
async def _full(
    serving: Serving, settings: EmulatorSettings, events: list[Event]
) -> AsyncIterator[tuple[Served, _Clients, list[_Client]]]:
    """Two addresses that hold all connections, and have sent ``events`` in each."""
    async with serving(settings, HTTP, *LIMITS) as served, _Clients(served) as clients:
        crowd = [await clients.ask(address, *events) for address in (ONE, ANOTHER) * 3]
        yield served, clients, crowd


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(BEGUN[:1], id="no text"),
        pytest.param(BEGUN, id="a letter"),
        pytest.param([Synthesize("Good night.").event()], id="a whole text"),
    ],
)
async def test_requests_that_are_not_heard_lock_out_nobody(
    serving: Serving, events: list[Event]
) -> None:
    """However many are waiting, the one that has waited longest makes room, and is told why."""
    settings = EmulatorSettings(voice="code", first_audio=30)
    async with _full(serving, settings, events) as (served, clients, crowd):
        assert await (await clients.connect(HOUSE)).is_served()
        told = await crowd[0].read("error")
        assert [event.type for event in told] == ["error"]
        error = Error.from_event(told[0])
        assert (error.code, "another client" in error.text) == ("too-many-connections", True)
        for client in crowd[1:]:
            assert await client.is_served()
        async with visitor(served) as session, session.get("/metrics") as response:
            assert 'clients_refused_total{reason="displaced-busy"} 1.0' in await response.text()


async def test_a_slow_text_gives_way_to_nobody_of_a_crowd(serving: Serving) -> None:
    """Whoever comes takes the place of one of the crowd, however long a house has been writing."""
    async with (
        serving(EmulatorSettings(voice="code"), *LIMITS) as served,
        _Clients(served) as clients,
    ):
        house = await clients.ask(HOUSE, *BEGUN)
        for address in (ONE, ONE, ONE, ANOTHER, ANOTHER):
            await clients.ask(address, *BEGUN)
        # Until each address has one.
        for number in range(10, 14):
            client = await clients.ask(f"127.0.0.{number}", *BEGUN)
            assert await client.is_served() == (number < 13)
        assert await house.is_served()


def test_speech_gives_way_to_nobody(serving: Serving) -> None:
    """It does only when its text has paused for long: silence in the pause is not speech."""

    async def run() -> None:
        async with _full(serving, EmulatorSettings(voice="code"), []) as (_, clients, crowd):
            for client in crowd:
                await client.ask(*HEARD)
                await client.read("audio-chunk")
            await idle_clock.pass_time(HEARD_FOR_S / 2)
            assert not await (await clients.connect(HOUSE)).is_served()
            await idle_clock.pass_time(HEARD_FOR_S)
            assert await (await clients.connect(HOUSE)).is_served()

    idle_clock.run(run())


async def test_one_that_waits_for_nothing_is_told(serving: Serving) -> None:
    """A client that makes room while it asks for nothing reads that, and of no server's end."""
    async with _full(serving, EmulatorSettings(), [Describe().event()]) as (_, clients, crowd):
        assert await (await clients.connect(HOUSE)).is_served()
        (told,) = await crowd[0].read("no such event")
        assert Error.from_event(told).code == "too-many-connections"
