"""Replies of half an hour, and texts that pause."""

import asyncio

import pytest
from wyoming.event import async_read_event
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from tests.support import idle_clock
from wyoming_fish.emulator import EmulatorSettings, decode_code_voice
from wyoming_fish.emulator.api.account import EmulatedVoice
from wyoming_fish.server.connection import FIRST_EVENT_TIMEOUT_S

from ...support.server import Serving, check_envelope, receive

RATE = 8000
SAMPLES = 255
HALF_AN_HOUR = 30 * 60

SENTENCE = "All work and no play makes Jack a dull boy, and it is 19.5 degrees outside. "
TEXT = SENTENCE * (HALF_AN_HOUR * RATE // SAMPLES // len(SENTENCE) + 1)

FLAGS = (f"--sample-rate={RATE}", "--text-mode=raw")


@pytest.mark.parametrize("way", [(), ("--resume",)])
@pytest.mark.parametrize("streamed", [False, True])
async def test_half_an_hour(serving: Serving, way: tuple[str, ...], streamed: bool) -> None:
    """Half an hour of speech is heard to its last sample, in one envelope and one session."""
    settings = EmulatorSettings(voice="code", code_samples=SAMPLES)
    async with serving(settings, *FLAGS, *way) as served, served.client() as client:
        if streamed:
            await client.write_event(SynthesizeStart().event())
            for at in range(0, len(TEXT), 100):
                await client.write_event(SynthesizeChunk(TEXT[at : at + 100]).event())
            await client.write_event(SynthesizeStop().event())
            reply = await receive(client, "synthesize-stopped")
        else:
            await client.write_event(Synthesize(TEXT).event())
            reply = await receive(client, "audio-stop")
        check_envelope(reply, RATE, streamed=streamed)
        assert len(reply.pcm) / 2 / RATE >= HALF_AN_HOUR
        assert decode_code_voice(reply.pcm, SAMPLES) == TEXT
        assert len(served.emulator.sessions) == 1


async def test_a_text_that_pauses_again_and_again(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often the text pauses, the player is kept awake, and the words come out whole."""
    # A player that gives up after 5 s, in hundredths.
    monkeypatch.setattr("wyoming_fish.fish.synthesis.live_attempt.SILENCE_TIMEOUT_S", 0.2)
    monkeypatch.setattr("wyoming_fish.fish.synthesis.live_attempt.WATCHDOG_INTERVAL_S", 0.02)
    settings = EmulatorSettings(voice="code")
    words = ["It is late. ", "The doors ", "are ", "locked. ", "Sleep well."]
    flags = ("--text-mode=raw", "--keepalive-interval=0.02", "--client-idle-timeout=0.05")
    async with serving(settings, *flags) as served, served.client() as client:
        await client.write_event(SynthesizeStart().event())
        pcm = b""
        for word in words:
            await client.write_event(SynthesizeChunk(word).event())
            silences = 0
            # Nothing is to be heard before the first sentence.
            while silences < 15:
                chunk = (await receive(client, "audio-chunk")).pcm
                pcm += chunk
                silences += not any(chunk)
        await client.write_event(SynthesizeStop().event())
        async with asyncio.timeout(5):
            pcm += (await receive(client, "synthesize-stopped")).pcm
    assert decode_code_voice(pcm, allow_silence=True) == "".join(words)


def test_a_long_answer_may_be_read_slowly(serving: Serving) -> None:
    """A client that is still being answered is not one that sends nothing."""
    idle_clock.run(_read_slowly(serving))


async def _read_slowly(serving: Serving) -> None:
    # More than the buffers of both ends hold.
    titles = (f"{number} {'🐟' * 100}" for number in range(1900))
    voices = tuple(EmulatedVoice(f"{n:032x}", title, mine=True) for n, title in enumerate(titles))
    async with serving(EmulatorSettings(voices=voices)) as served:
        async with served.client() as client:
            known = 0
            while known < 1000:
                await client.write_event(Describe().event())
                info = Info.from_event((await receive(client, "info")).events[-1])
                known = len(info.tts[0].voices)
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=2**12)
        writer.write(b'{"type": "describe"}\n')
        await idle_clock.pass_time(2 * FIRST_EVENT_TIMEOUT_S)
        writer.write(b'{"type": "ping"}\n')
        for answer in ("info", "pong"):
            event = await async_read_event(reader)
            assert event is not None
            assert event.type == answer
        writer.close()
