"""Clients at several addresses share the account's sessions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from wyoming.audio import AudioChunk
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.ping import Ping
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart

from wyoming_fish.emulator import EmulatorSettings, decode_code_voice

from .conftest import Served, Serving

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
            local = (address, 0)
            pairs.append(await asyncio.open_connection("127.0.0.1", served.port, local_addr=local))
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


async def test_texts_that_pause_silence_no_other_address(serving: Serving) -> None:
    """Five clients that have begun a text and say no more keep nobody waiting."""
    async with (
        serving(EmulatorSettings(voice="code")) as served,
        _clients(served, ONE, 5) as idle,
        asyncio.timeout(5),
    ):
        for client in idle:
            await client.write(SynthesizeStart().event(), SynthesizeChunk("Hello there. ").event())
            await client.first_audio()
        assert len(served.emulator.sessions) == 5
        assert await _is_served(served, ANOTHER)


async def test_texts_that_pause_silence_nobody_at_their_address(serving: Serving) -> None:
    """Nor do they at the same address, such as Home Assistant's, whatever else they send."""
    async with (
        serving(EmulatorSettings(voice="code")) as served,
        _clients(served, ONE, 5) as idle,
        asyncio.timeout(5),
    ):
        for client in idle:
            await client.write(SynthesizeStart().event(), SynthesizeChunk("Hello there. ").event())
            await client.first_audio()
        waiting = asyncio.create_task(_is_served(served, ONE))
        while not waiting.done():
            for client in idle:
                await client.write(Ping().event(), SynthesizeChunk("a").event())
            await asyncio.wait((waiting,), timeout=0.1)
        assert waiting.result()


async def test_a_crowd_at_one_address_is_one_of_two(serving: Serving) -> None:
    """Sixty clients with long texts, which they hardly read, delay another's by a piece of one."""
    text = "This is one of many sentences. " * 300
    async with (
        serving(EmulatorSettings(voice="code", first_audio=0.05)) as served,
        _clients(served, ONE, 60) as crowd,
        asyncio.timeout(10),
    ):
        for client in crowd:
            await client.write(SynthesizeStart().event(), SynthesizeChunk(text).event())
        await served.emulator.wait_for(lambda e: e.sessions_open == 5)
        assert await _is_served(served, ANOTHER)
