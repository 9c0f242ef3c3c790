"""Silence in the pauses of the fallback voice."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from wyoming.audio import AudioChunk, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from tests.support.listening import listening
from wyoming_fish.emulator import EmulatorSettings, Fault

from ...support.server import Serving, check_envelope, receive

RATE = 44100
SPEECH = b"ab" * RATE
FIRST, SECOND = "Good night. ", "The doors are locked."


@contextlib.asynccontextmanager
async def _silent_so_far(
    serving: Serving, fault: Fault, answer: list[Event]
) -> AsyncIterator[tuple[AsyncTcpClient, list[Event], list[str]]]:
    """A client that has written FIRST, and what it heard; the fallback voice, and what it heard."""
    asked: list[str] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        event = await async_read_event(reader)
        assert event is not None
        asked.append(Synthesize.from_event(event).text)
        for answered in answer:
            await async_write_event(answered, writer)

    async with (
        listening(speak) as port,
        serving(
            EmulatorSettings(faults=[fault]),
            f"--fallback-uri=tcp://127.0.0.1:{port}",
            "--keepalive-interval=0.1",
        ) as served,
        served.client() as client,
        asyncio.timeout(3),
    ):
        await client.write_event(SynthesizeStart().event())
        await client.write_event(SynthesizeChunk(FIRST).event())
        heard = [event for _ in range(3) for event in (await receive(client, "audio-chunk")).events]
        assert asked == []
        assert not any(b"".join(event.payload or b"" for event in heard))
        yield client, heard, asked


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wyoming_fish.server.requests.synthesis.FALLBACK_AFTER_S", 0.2)
    monkeypatch.setattr("wyoming_fish.fish.synthesis.keepalive.LEAD_S", 0.1)


# Fish refuses the reply, or does not answer.
FAULTS = [Fault("upgrade", 402, times=None), Fault("start", "stall", times=None)]


@pytest.mark.parametrize("fault", FAULTS)
async def test_while_the_text_is_written(serving: Serving, fault: Fault) -> None:
    """A player hears silence as it does with Fish, all in one audio stream."""
    speech = [AudioChunk(RATE, 2, 1, SPEECH).event(), AudioStop().event()]
    async with _silent_so_far(serving, fault, speech) as (client, heard, asked):
        await client.write_event(SynthesizeChunk(SECOND).event())
        await client.write_event(SynthesizeStop().event())
        reply = await receive(client, "synthesize-stopped")
    assert asked == [FIRST + SECOND]
    assert SPEECH in reply.pcm
    reply.events[:0] = heard
    check_envelope(reply, RATE, streamed=True)


async def test_the_voice_fails_after_silence(serving: Serving) -> None:
    """The audio that has begun is ended, and the error is that of Fish."""
    async with _silent_so_far(serving, FAULTS[0], []) as (client, _, asked):
        await client.write_event(SynthesizeChunk(SECOND).event())
        await client.write_event(SynthesizeStop().event())
        reply = await receive(client, "error")
    assert asked == [FIRST + SECOND]
    assert reply.types[-3:] == ["audio-stop", "synthesize-stopped", "error"]
    assert reply.error.code == "no-credit"
