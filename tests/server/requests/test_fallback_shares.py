"""Clients at several addresses share the fallback voice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from wyoming.audio import AudioChunk, AudioStop
from wyoming.event import async_read_event, async_write_event
from wyoming.tts import Synthesize, SynthesizeVoice

from tests.support.listening import listening
from wyoming_fish.emulator import EmulatorSettings
from wyoming_fish.server.requests.fallback_voice import MAX_PIECE_CHARACTERS, MAX_REQUESTS

from ...support.server import Served, Serving

# All of 127.0.0.0/8 is this machine.
ONE, ANOTHER = "127.0.0.2", "127.0.0.3"

SENTENCE = "The lights in the kitchen are on. "
SHORT = "Good night."

# What no client and no network holds: two pieces of it fill all buffers on the way to a client.
SECONDS = 20

RATE = 44100
SECOND_BYTES = 2 * RATE


class _Voice:
    """Another Wyoming server, whose requests wait until ``gate`` is open."""

    def __init__(self) -> None:
        self.uri = ""
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0
        self.came = asyncio.Event()
        self.gate = asyncio.Event()
        self.seconds = 1

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        event = await async_read_event(reader)
        assert event is not None
        self.asked.append(Synthesize.from_event(event).text)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.came.set()
        await self.gate.wait()
        for _ in range(self.seconds):
            pcm = b"ab" * RATE
            await async_write_event(AudioChunk(RATE, 2, 1, pcm).event(), writer)
        await async_write_event(AudioStop().event(), writer)
        self.at_once -= 1

    async def is_asked(self, times: int) -> None:
        while len(self.asked) < times:
            self.came.clear()
            await self.came.wait()


@contextlib.asynccontextmanager
async def _speaking(serving: Serving) -> AsyncIterator[tuple[_Voice, Served]]:
    voice = _Voice()
    async with (
        listening(voice.serve) as port,
        serving(EmulatorSettings(), f"--fallback-uri=tcp://127.0.0.1:{port}") as served,
        asyncio.timeout(10),
    ):
        yield voice, served
        voice.gate.set()


@contextlib.asynccontextmanager
async def _asking(served: Served, address: str, text: str) -> AsyncIterator[asyncio.StreamReader]:
    """A client that asks for a voice that Fish does not have, and has not read the answer yet."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", served.port, local_addr=(address, 0), limit=1024
    )
    try:
        nobody = SynthesizeVoice(name="nobody")
        await async_write_event(Synthesize(text, voice=nobody).event(), writer)
        yield reader
    finally:
        writer.close()


async def _last(reader: asyncio.StreamReader) -> tuple[str, str, int]:
    """The type and code of the event that ends a reply, and the bytes of its audio."""
    size = 0
    while event := await async_read_event(reader):
        size += len(event.payload or b"")
        if event.type in ("audio-stop", "error"):
            return event.type, event.data.get("code", ""), size
    raise EOFError


async def test_one_address_asks_too_much(serving: Serving) -> None:
    """Few requests are made at the same time, and another address is served next."""
    async with _speaking(serving) as (voice, served), contextlib.AsyncExitStack() as stack:
        for _ in range(20):
            await stack.enter_async_context(_asking(served, ONE, SENTENCE * 50))
        await voice.is_asked(MAX_REQUESTS)
        async with _asking(served, ANOTHER, SHORT) as reader:
            voice.gate.set()
            assert await _last(reader) == ("audio-stop", "", SECOND_BYTES)
        assert voice.most_at_once == MAX_REQUESTS
        assert voice.asked.index(SHORT) <= 2 * MAX_REQUESTS


async def test_listeners_that_read_nothing(serving: Serving) -> None:
    """They do not keep the voice from another address."""
    async with _speaking(serving) as (voice, served), contextlib.AsyncExitStack() as stack:
        voice.seconds = SECONDS
        voice.gate.set()
        for _ in range(MAX_REQUESTS):
            await stack.enter_async_context(_asking(served, ONE, SENTENCE * 50))
        await voice.is_asked(MAX_REQUESTS)
        async with _asking(served, ANOTHER, SHORT) as reader:
            assert await _last(reader) == ("audio-stop", "", SECONDS * SECOND_BYTES)


async def test_a_long_text_comes_in_pieces(serving: Serving) -> None:
    """Each ends with a sentence, and all of them together are the text."""
    async with _speaking(serving) as (voice, served):
        voice.gate.set()
        async with _asking(served, ONE, SENTENCE * 50 + "1. ... *** " + "x" * 1000) as reader:
            kind, code, size = await _last(reader)
        assert (kind, code) == ("audio-stop", "")
        assert "".join(voice.asked).startswith(SENTENCE * 50)
        assert "".join(voice.asked).endswith("x" * 1000)
        assert size == len(voice.asked) * SECOND_BYTES
        assert max(map(len, voice.asked)) <= MAX_PIECE_CHARACTERS
        assert all(piece.endswith(". ") for piece in voice.asked[:5])


async def test_the_voice_is_busy(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A reply that waits too long gets the error of Fish, and the log says why."""
    monkeypatch.setattr("wyoming_fish.fish.connections.limiter.QUEUE_TIMEOUT_S", 0.05)
    async with _speaking(serving) as (voice, served), contextlib.AsyncExitStack() as stack:
        for _ in range(MAX_REQUESTS):
            await stack.enter_async_context(_asking(served, ONE, SHORT))
        await voice.is_asked(MAX_REQUESTS)
        async with _asking(served, ANOTHER, SHORT) as reader:
            assert await _last(reader) == ("error", "voice-not-found", 0)
        assert len(voice.asked) == MAX_REQUESTS
    assert "failed: it is busy with other replies" in caplog.text
