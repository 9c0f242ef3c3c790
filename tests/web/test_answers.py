"""Answers of the page that are not read, or slowly: they cost others nothing."""

import asyncio
import tracemalloc

import pytest

from tests.support import idle_clock
from wyoming_fish.emulator import EmulatorSettings, decode_code_voice
from wyoming_fish.emulator.api.account import EmulatedVoice

from ..support.server import Served, Serving
from ..support.visiting import HEADER, HTTP, TEXT, ask, connect, posted, read_to_end, ready, visitor

VOICES = b"GET /api/voices HTTP/1.1\r\nHost: localhost\r\n\r\n"

# More than the buffers of both ends hold.
LENGTH = 600_000
MANY_VOICES = EmulatorSettings(
    voices=tuple(EmulatedVoice(f"{n:032x}", "🐟" * 100, mine=True) for n in range(1900))
)


async def _read_or_end(reader: asyncio.StreamReader) -> bytes:
    """A piece of what comes; nothing once the server has closed the connection."""
    try:
        return await reader.read(4096)
    except ConnectionError:
        return b""


async def _knows_voices(served: Served) -> None:
    async with visitor(served) as session:
        while True:
            async with session.get("/api/voices") as response:
                if await response.json():
                    return


async def test_an_answer_that_nobody_reads(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that takes nothing of its answer is closed, and the answer is not kept."""
    async with serving(MANY_VOICES, HTTP, "--write-timeout=0.1") as served:
        await _knows_voices(served)
        reader, writer = await connect(served)
        writer.write(VOICES)
        async with asyncio.timeout(5), visitor(served) as session:
            while not any("does not read" in message for message in caplog.messages):
                await ready(session)
        assert 0 < len(await read_to_end(reader)) < LENGTH
        writer.close()


async def test_answers_that_nobody_reads_take_little_memory(serving: Serving) -> None:
    """The list of voices is kept once, however many have asked for it and do not read it."""
    async with serving(MANY_VOICES, HTTP) as served:
        await _knows_voices(served)
        pairs = [await connect(served) for _ in range(20)]
        tracemalloc.start()
        for reader, writer in pairs:
            writer.write(VOICES)
            await reader.readexactly(1)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        for _, writer in pairs:
            writer.close()
    assert peak < 5_000_000


async def test_a_list_that_is_read_for_ever(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that reads a drop of the list now and then is closed in the end."""
    monkeypatch.setattr("wyoming_fish.web.server.VOICES_TIMEOUT_S", 0.1)
    async with serving(MANY_VOICES, HTTP) as served, asyncio.timeout(5):
        await _knows_voices(served)
        reader, writer = await connect(served)
        writer.write(VOICES)
        length = 0
        while piece := await _read_or_end(reader):
            length += len(piece)
            await asyncio.sleep(0.01)
        assert length < LENGTH
        writer.close()


async def test_an_answer_that_is_read_slowly(serving: Serving) -> None:
    """A client that takes some of it now and then gets it all."""
    async with serving(MANY_VOICES, HTTP, "--write-timeout=0.5") as served:
        await _knows_voices(served)
        reader, writer = await connect(served)
        writer.write(VOICES)
        began = asyncio.get_running_loop().time()
        length = 0
        while piece := await reader.read(65536):
            length += len(piece)
            await asyncio.sleep(0.005)
        assert length > LENGTH
        assert asyncio.get_running_loop().time() - began > 0.5
        writer.close()


async def test_stopping_does_not_wait_for_who_does_not_read(serving: Serving) -> None:
    """The server stops in its time, whoever has an answer that he has not read."""
    async with serving(MANY_VOICES, HTTP) as served:
        await _knows_voices(served)
        reader, writer = await connect(served)
        writer.write(VOICES)
        await reader.readexactly(1)
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 3
    assert len(await read_to_end(reader)) < LENGTH
    writer.close()


@pytest.mark.parametrize("receive_bytes", [None, 4096])
def test_a_reply_heard_as_it_is_read(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, receive_bytes: int | None
) -> None:
    """Who plays the speech as it comes hears it to its end, however long it lies in buffers."""
    # Eight minutes, since the kernel's buffers alone may hold four.
    text = "x" * 15_000
    monkeypatch.setattr("wyoming_fish.web.speech_api.MAX_TEXT_CHARS", len(text))

    async def run() -> None:
        settings = EmulatorSettings(voice="code", code_samples=255)
        async with serving(settings, HTTP, "--sample-rate=8000") as served:
            reader, writer = await connect(served, receive_bytes=receive_bytes)
            writer.write(posted(text))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            heard = bytearray()
            while (size := int(await reader.readline(), 16)) > 0:
                before = len(heard)
                heard += await reader.readexactly(size)
                await reader.readexactly(2)
                # Two seconds of s16le mono.
                if before // 32_000 < len(heard) // 32_000:
                    await idle_clock.pass_time(2)
            assert decode_code_voice(bytes(heard[HEADER:]), 255) == text
            writer.close()

    idle_clock.run(run())


async def test_a_reply_that_is_read_for_ever(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads a drop of it now and then holds a session only for so long."""
    monkeypatch.setattr("wyoming_fish.web.speech_api.SPEECH_TIMEOUT_S", 0.1)
    settings = EmulatorSettings(voice="code", pace=5, frame=0.05)
    async with serving(settings, HTTP) as served:
        answer = await ask(served, posted(TEXT))
        assert answer.startswith(b"HTTP/1.1 200 ")
        # It does not look whole.
        assert not answer.endswith(b"0\r\n\r\n")
        await served.emulator.wait_for(lambda e: e.sessions_open == 0)
