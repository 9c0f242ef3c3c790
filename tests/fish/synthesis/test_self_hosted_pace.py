"""A reply by each kind of self-hosted server, as a player in real time hears it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from tests.fish.replies import RAW, speak
from tests.support.idle_clock import pass_time, run
from wyoming_fish.emulator import FishSpeechEmulator, OpenAiSpeechEmulator
from wyoming_fish.emulator.home_server import HomeServer, speech_request
from wyoming_fish.emulator.voices import synthesise
from wyoming_fish.fish import Endpoint, FishClient, ReplyMetrics, SpeechSettings, clock
from wyoming_fish.fish.api.self_hosted.generation_pace import GenerationPace
from wyoming_fish.fish.api.speech_answer import AnswerTiming
from wyoming_fish.fish.synthesis.rest.scheduler import RestScheduler

RATE = 24000

SERVERS: dict[str, Callable[[], HomeServer]] = {
    "fish-speech": lambda: FishSpeechEmulator("tone"),
    "whole": lambda: OpenAiSpeechEmulator("whole", "tone", rate=RATE),
    "chunked PCM": lambda: OpenAiSpeechEmulator("sglang", "tone", rate=RATE),
    "chunked WAV": lambda: OpenAiSpeechEmulator("vllm", "tone", rate=RATE),
    "events of vLLM-Omni": lambda: OpenAiSpeechEmulator("vllm-events", "tone", rate=RATE),
    "events of SGLang-Omni": lambda: OpenAiSpeechEmulator("sglang-events", "tone", rate=RATE),
}

REPLY = (
    "Sure. The lights in the kitchen are on, and the one in the hall is off. The door to the "
    "garden was opened an hour ago by the gardener, who has left it open since then because the "
    "cat was still outside under the old apple tree behind the house. Close it? It will rain "
    "tonight, with strong winds from the west. Tomorrow will be dry and warm again, about twenty "
    "two degrees at noon. Good night."
)
# A small step of the clock between an answer and the listener.
JITTER_S = 0.02


async def _hear(
    server: HomeServer, text: AsyncIterator[str] | str, *, is_paced: bool = False, before: str = ""
) -> tuple[bytes, float]:
    """What is heard, and the longest gap of a player that plays from the first sample on.

    Another reply may be spoken ``before``.
    """
    settings = SpeechSettings(sample_rate=44100 if isinstance(server, FishSpeechEmulator) else RATE)
    client = FishClient(Endpoint("", server.url))
    if before:
        async for _ in speak(client, before, settings, RAW):
            pass
        server.requests.clear()
    pcm, gap_s, ends_at = b"", 0.0, 0.0
    async for block in speak(client, text, settings, RAW, metrics=ReplyMetrics()):
        now = clock.now()
        gap_s = max(gap_s, now - ends_at) if pcm else 0.0
        ends_at = max(ends_at, now) + len(block) / 2 / settings.sample_rate
        pcm += block
        if is_paced:
            # It takes the next audio when it needs it.
            await asyncio.sleep(ends_at - JITTER_S - now)
    await client.close()
    return pcm, gap_s


async def _spoken(server: HomeServer) -> tuple[str, bytes]:
    """The text that the server was asked for, and the samples of it."""
    rate = 44100 if isinstance(server, FishSpeechEmulator) else RATE
    texts = [request.get("text") or request["input"] for request in server.requests]
    chunks = [await synthesise(t, speech_request("pcm", t, rate), server.settings) for t in texts]
    return "".join(texts), b"".join(chunks)


@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("pace", [0.5, 0.8])
@pytest.mark.parametrize("is_paced", [False, True], ids=["", "paced"])
def test_no_gap_if_the_server_is_faster_than_real_time(
    kind: str, pace: float, is_paced: bool
) -> None:
    """The reply is whole, without a gap, and each sample is the server's own."""

    async def check() -> None:
        async with SERVERS[kind]() as server:
            server.pace = pace
            pcm, gap_s = await _hear(server, REPLY, is_paced=is_paced)
            assert await _spoken(server) == (REPLY, pcm)
            assert gap_s < JITTER_S

    run(check())


@pytest.mark.parametrize("kind", ["fish-speech", "whole"])
@pytest.mark.parametrize("pace", [0.5, 0.8])
def test_no_gap_while_the_text_is_written(kind: str, pace: float) -> None:
    """The same holds for a text that comes word by word."""

    async def words() -> AsyncIterator[str]:
        for word in REPLY.split(" "):
            await asyncio.sleep(0.08)
            yield f"{word} "

    async def check() -> None:
        async with SERVERS[kind]() as server:
            server.pace = pace
            pcm, gap_s = await _hear(server, words())
            assert await _spoken(server) == (f"{REPLY} ", pcm)
            assert gap_s < JITTER_S

    run(check())


def test_a_slow_server_is_asked_for_whole_sentences() -> None:
    """Where gaps cannot be helped, they are between sentences."""

    async def check() -> None:
        async with FishSpeechEmulator("tone") as server:
            server.pace = 2.0
            pcm, _ = await _hear(server, REPLY, before=REPLY)
            assert await _spoken(server) == (REPLY, pcm)
            assert all(request["text"].rstrip()[-1] in ".?" for request in server.requests)

    run(check())


@pytest.mark.parametrize("kind", ["fish-speech", "whole"])
@pytest.mark.parametrize("pace", [0.5, 0.8])
def test_no_gap_after_a_cold_start(kind: str, pace: float) -> None:
    """A server that loads its model for the first reply is not taken to be slow for good."""

    async def check() -> None:
        async with SERVERS[kind]() as server:
            server.pace, server.delay = pace, 20.0
            asyncio.get_running_loop().call_later(10.0, setattr, server, "delay", 0.0)
            pcm, gap_s = await _hear(server, REPLY, before="Good night.")
            assert await _spoken(server) == (REPLY, pcm)
            assert gap_s < JITTER_S

    run(check())


def test_the_first_chunk_is_early_once_the_server_streams() -> None:
    """A server that sends speech as it is made is asked for the first sentence, however short."""

    async def check() -> None:
        async with OpenAiSpeechEmulator("sglang", "tone", rate=RATE) as server:
            server.pace = 0.5
            await _hear(server, REPLY, before=REPLY)
            assert server.requests[0]["input"] == "Sure. "

    run(check())


def test_what_is_due_changes_nothing() -> None:
    """Whether a chunk is due at one time says nothing about another time."""
    pace = GenerationPace()
    pace.measure(AnswerTiming(0.0, first_s=0.3, audio_s=1.0))
    scheduler = RestScheduler(1.0, pace)
    scheduler.write(REPLY.removeprefix("Sure. "), 0.0)
    scheduler.complete()
    assert scheduler.next_chunk(0.0)
    scheduler.on_audio(4.0, 1.0)
    deadline = scheduler.next_deadline(1.0)
    assert scheduler.is_due(4.8)
    assert scheduler.next_deadline(1.0) == deadline


def test_chunks_grow_again_after_a_pause_of_the_text() -> None:
    """A player that ran out of audio, since the text paused, is not taken to be behind for good."""

    async def text() -> AsyncIterator[str]:
        yield "Let me look that up. "
        await pass_time(20)
        yield REPLY

    async def check() -> None:
        async with FishSpeechEmulator("tone") as server:
            server.pace = 0.5
            pcm, _ = await _hear(server, text())
            assert await _spoken(server) == ("Let me look that up. " + REPLY, pcm)
            assert max(len(request["text"]) for request in server.requests) > 100

    run(check())


@pytest.mark.parametrize("pace", [0.5, 0.8])
def test_a_reply_after_an_interruption(pace: float) -> None:
    """A fish-speech server finishes the chunk that was interrupted: it has no more than 10 s."""

    async def check() -> None:
        async with (
            FishSpeechEmulator("tone") as server,
            FishClient(Endpoint("", server.url)) as fish,
        ):
            server.pace = pace
            heard_s = 0.0
            async with fish.speak(REPLY * 5, SpeechSettings(), RAW) as reply:
                async for block in reply:
                    heard_s += len(block) / 2 / 44100
                    if heard_s > 20:
                        break
            # A second of speech is expected for 18 characters.
            assert max(len(request["text"]) for request in server.requests) < 185
            async with fish.speak("Good night.", SpeechSettings(), RAW) as reply:
                async for _ in reply:
                    pass
            assert reply.metrics.first_audio is not None
            # With what the voice is slower than expected, and the new chunk.
            assert reply.metrics.first_audio < 10 * pace * 1.5

    run(check())


@pytest.mark.parametrize("pace", [0.5, 0.8])
def test_no_gap_if_the_voice_is_faster_than_expected(pace: float) -> None:
    """Only the audio that came is taken to be in hand: digits are expected to be words."""
    text = " ".join(f"Number {n:05}, and {n:07}." for n in range(1, 20))

    async def check() -> None:
        async with FishSpeechEmulator("tone") as server:
            server.pace = pace
            pcm, gap_s = await _hear(server, text)
            assert await _spoken(server) == (text, pcm)
            assert gap_s < JITTER_S

    run(check())
