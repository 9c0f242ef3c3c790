"""Clients at several addresses share the account's sessions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest
from wyoming.audio import AudioChunk
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.ping import Ping
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart

from tests.support.hosts import two_hosts
from wyoming_fish.emulator import EmulatorSettings, decode_code_voice

from ...support.server import Served, Serving

# All of 127.0.0.0/8 is this machine.
ONE, ANOTHER = "127.0.0.2", "127.0.0.3"


class _Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def write(self, *events: Event) -> None:
        for event in events:
            await async_write_event(event, self._writer)

    async def read(self) -> Event:
        event = await async_read_event(self._reader)
        assert event is not None
        return event

    async def first_audio(self) -> None:
        while not AudioChunk.is_type((event := await self.read()).type):
            assert event.type != "error", event.data


@contextlib.asynccontextmanager
async def _clients(served: Served, address: str, number: int) -> AsyncIterator[list[_Client]]:
    pairs = []
    try:
        for _ in range(number):
            server, local = "::1" if ":" in address else "127.0.0.1", (address, 0)
            pairs.append(await asyncio.open_connection(server, served.port, local_addr=local))
        yield [_Client(*pair) for pair in pairs]
    finally:
        for _, writer in pairs:
            writer.close()


async def _is_served(served: Served, address: str) -> bool:
    async with _clients(served, address, 1) as (client,):
        await client.write(Synthesize("Good night.").event())
        pcm = b""
        while (event := await client.read()).type != "audio-stop":
            assert event.type != "error", event.data
            pcm += event.payload or b""
        return decode_code_voice(pcm) == "Good night."


@contextlib.asynccontextmanager
async def _five_that_pause(serving: Serving) -> AsyncIterator[tuple[Served, list[_Client]]]:
    """Clients at ONE that have begun a text, have heard it so far, and say no more."""
    async with (
        serving(EmulatorSettings(voice="code")) as served,
        _clients(served, ONE, 5) as idle,
        asyncio.timeout(5),
    ):
        for client in idle:
            await client.write(SynthesizeStart().event(), SynthesizeChunk("Hello there. ").event())
            await client.first_audio()
        yield served, idle


async def test_texts_that_pause_silence_no_other_address(serving: Serving) -> None:
    """Five clients that have begun a text and say no more keep nobody waiting."""
    async with _five_that_pause(serving) as (served, _):
        assert len(served.emulator.sessions) == 5
        assert await _is_served(served, ANOTHER)


async def test_texts_that_pause_silence_nobody_at_their_address(serving: Serving) -> None:
    """Nor do they at the same address, such as Home Assistant's, whatever else they send."""
    async with _five_that_pause(serving) as (served, idle):
        waiting = asyncio.create_task(_is_served(served, ONE))
        while not waiting.done():
            for client in idle:
                await client.write(Ping().event(), SynthesizeChunk("a").event())
            await asyncio.wait((waiting,), timeout=0.1)
        assert waiting.result()


async def _serve_beside_a_crowd(
    serving: Serving, one: str, crowd_at: Sequence[str], *flags: str
) -> None:
    """Sixty clients with long texts, which they hardly read, delay another's by a piece of one."""
    text = "This is one of many sentences. " * 300
    async with contextlib.AsyncExitStack() as stack:
        settings = EmulatorSettings(voice="code", first_audio=0.05)
        served = await stack.enter_async_context(serving(settings, *flags))
        await stack.enter_async_context(asyncio.timeout(10))
        for address in crowd_at:
            crowd = _clients(served, address, 60 // len(crowd_at))
            for client in await stack.enter_async_context(crowd):
                await client.write(SynthesizeStart().event(), SynthesizeChunk(text).event())
        await served.emulator.wait_for(lambda e: e.sessions_open == 5)
        assert await _is_served(served, one)


async def test_a_crowd_at_one_address_is_one_of_two(serving: Serving) -> None:
    """It delays another address by a piece of a text."""
    await _serve_beside_a_crowd(serving, ANOTHER, [ONE])


@pytest.mark.parametrize(
    "crowd_at",
    [
        pytest.param(["fd78::2"], id="address in its network"),
        pytest.param([f"fd79::{number}" for number in range(10, 40)], id="network"),
    ],
)
def test_a_crowd_of_ipv6(serving: Serving, crowd_at: list[str]) -> None:
    """So does one at an address of the same network, or at many of another network."""
    with two_hosts() as (here, _):
        for address in ("fd78::1", *crowd_at):
            here.ip("address", "add", f"{address}/64", "dev", "lo", "nodad")
        uri = "--uri=tcp://[::1]:0"
        here.run(lambda: _serve_beside_a_crowd(serving, "fd78::1", crowd_at, uri))
