"""What a client has learned of a self-hosted server, and how it notices a change."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.fish.replies import RAW, pool_of, speak
from tests.support.idle_clock import pass_time, run
from wyoming_fish.emulator import FishSpeechEmulator, OpenAiSpeechEmulator, decode_code_voice
from wyoming_fish.emulator.home_server import HomeServer
from wyoming_fish.emulator.openai_speech import SpeechStyle
from wyoming_fish.fish import Endpoint, FishClient, ServerKind, SpeechSettings
from wyoming_fish.fish.api.self_hosted.openai_speech import MODELS_INTERVAL_S, RETRY_FORMS_S
from wyoming_fish.fish.api.self_hosted.speech_server import DETECT_INTERVAL_S
from wyoming_fish.fish.errors import FishError, RequestRefusedError

TEXT = "Good evening to you all."
SETTINGS = SpeechSettings(sample_rate=24000)
FAST = SpeechSettings(sample_rate=24000, speed=1.5)
# The rate of fish-speech's codec.
WIDE = SpeechSettings(sample_rate=44100)

pytestmark = pytest.mark.usefixtures("brisk")


@contextlib.asynccontextmanager
async def _client(url: str) -> AsyncIterator[FishClient]:
    async with FishClient(Endpoint("", url)) as client:
        yield client


async def _speak(client: FishClient, settings: SpeechSettings = SETTINGS) -> bytes:
    return b"".join([pcm async for pcm in speak(client, TEXT, settings, RAW)])


@pytest.mark.parametrize("style", ["vllm", "vllm-events"])
async def test_a_speed_that_it_does_not_stream(style: SpeechStyle) -> None:
    """It is spoken when all is made, in the same voice, and other replies are streamed still."""
    async with OpenAiSpeechEmulator(style) as server, _client(server.url) as client:
        assert decode_code_voice(await _speak(client, FAST)) == TEXT
        assert decode_code_voice(await _speak(client)) == TEXT
        is_streamed = [request.get("stream", False) for request in server.requests]
        assert is_streamed == [request.get("speed") is None for request in server.requests]
        assert len({request["seed"] for request in server.requests}) == 1


def test_two_requests_in_different_forms_at_once() -> None:
    """One form that is refused meanwhile does not break an answer in another."""

    async def check() -> None:
        async with OpenAiSpeechEmulator("vllm") as server, _client(server.url) as client:
            server.delay = 1.0
            fast = asyncio.create_task(_speak(client, FAST))
            await pass_time(0.5)
            assert decode_code_voice(await _speak(client)) == TEXT
            assert decode_code_voice(await fast) == TEXT

    run(check())


def test_a_form_that_is_refused_once() -> None:
    """The best form that was taken is used again at once, and the others are tried in a minute."""

    async def check() -> None:
        async with OpenAiSpeechEmulator("vllm") as server, _client(server.url) as client:
            is_streamed = []
            for server.style in ("vllm", "whole", "vllm"):
                await _speak(client)
                is_streamed.append("stream" in server.requests[-1])
            assert is_streamed == [True, False, True]
        async with OpenAiSpeechEmulator("whole") as server, _client(server.url) as client:
            is_streamed = []
            for server.style in ("whole", "vllm", "vllm"):
                await _speak(client)
                is_streamed.append("stream" in server.requests[-1])
                await pass_time(RETRY_FORMS_S / 2)
            assert is_streamed == [False, False, True]

    run(check())


def test_another_model() -> None:
    """A server that has another model now, or had none while it started, is asked for it again."""

    async def check() -> None:
        async with OpenAiSpeechEmulator() as server, _client(server.url) as client:
            server.model = None
            await _speak(client)
            assert "model" not in server.requests[-1]
            for server.model in ("s2-pro", "drama-3"):
                with contextlib.suppress(RequestRefusedError):
                    await _speak(client)
                await pass_time(MODELS_INTERVAL_S)
                assert decode_code_voice(await _speak(client)) == TEXT
                assert server.requests[-1]["model"] == server.model

    run(check())


@pytest.mark.parametrize("is_fish_speech", [False, True])
def test_another_kind_of_server(is_fish_speech: bool) -> None:
    """Another server at the same address is found out after the first reply that it refuses."""

    async def check() -> None:
        servers: list[HomeServer] = [FishSpeechEmulator(), OpenAiSpeechEmulator(rate=44100)]
        if is_fish_speech:
            servers.reverse()
        before, after = servers
        async with before:
            client = FishClient(Endpoint("", before.url))
            assert decode_code_voice(await _speak(client, WIDE)) == TEXT
        await pass_time(DETECT_INTERVAL_S)
        after.port = before.port
        async with after, client:
            with pytest.raises(FishError):
                await _speak(client, WIDE)
            assert decode_code_voice(await _speak(client, WIDE)) == TEXT

    run(check())


def test_a_server_that_is_no_longer_known() -> None:
    """A pace that was measured is not that of a server that may send speech as it is made."""

    async def check() -> None:
        async with FishSpeechEmulator() as server, _client(server.url) as client:
            await _speak(client)
            await pass_time(DETECT_INTERVAL_S)
            server.health = 404
            for settings in (_refused(), SETTINGS):
                with pytest.raises(FishError):
                    await _speak(client, settings)
            assert await client.server_kind() is ServerKind.FISH_AUDIO
            assert pool_of(client).rest_pace.rate is None

    run(check())


def test_a_busy_server() -> None:
    """One that answers nothing while it speaks is taken for what it was, and waited for."""

    async def check() -> None:
        async with FishSpeechEmulator() as server, _client(server.url) as client:
            speech_s = len(await _speak(client, WIDE)) / 2 / WIDE.sample_rate
            server.pace = 30 / speech_s
            replies = []
            for settings in (WIDE, _refused(), WIDE):
                replies.append(asyncio.create_task(_speak(client, settings)))
                await pass_time(1)
            first, refused, second = replies
            with pytest.raises(RequestRefusedError):
                await refused
            for speech in (await _speak(client, WIDE), await first, await second):
                assert decode_code_voice(speech) == TEXT

    run(check())


def _refused() -> SpeechSettings:
    """Settings that fish-speech answers with 422."""
    settings = SpeechSettings()
    object.__setattr__(settings, "chunk_length", "20")
    return settings
