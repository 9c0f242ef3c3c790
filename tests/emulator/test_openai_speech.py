"""The emulated server with OpenAI's speech API, asked without a client of ours."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from wyoming_fish.emulator import OpenAiSpeechEmulator, decode_code_voice
from wyoming_fish.emulator.openai_speech import SpeechStyle

TEXT = "Hello there. "
STREAM = {"input": TEXT, "response_format": "wav", "stream": True}


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client without a key."""
    async with aiohttp.ClientSession() as session:
        yield session


async def _events(response: aiohttp.ClientResponse) -> list[str]:
    lines = (await response.text()).splitlines()
    return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]


async def test_sglang_streams_samples(http: aiohttp.ClientSession) -> None:
    """Samples without a header, whose rate is in the headers of the answer."""
    fields = STREAM | {"response_format": "pcm"}
    async with (
        OpenAiSpeechEmulator("sglang", rate=44100) as server,
        http.post(server.url + "/v1/audio/speech", json=fields) as response,
    ):
        assert (response.content_type, response.headers["X-Sample-Rate"]) == ("audio/pcm", "44100")
        assert decode_code_voice(await response.read()) == TEXT


async def test_vllm_streams_a_file_of_unknown_size(http: aiohttp.ClientSession) -> None:
    """A WAV file whose header tells one of the largest sizes."""
    async with (
        OpenAiSpeechEmulator("vllm") as server,
        http.post(server.url + "/v1/audio/speech", json=STREAM) as response,
    ):
        body = await response.read()
        assert response.content_type == "audio/wav"
    assert int.from_bytes(body[40:44], "little") > 2**31
    assert decode_code_voice(body[44:]) == TEXT


async def test_events_of_openai(http: aiohttp.ClientSession) -> None:
    """Parts of one file in base64, and an event at the end."""
    async with (
        OpenAiSpeechEmulator("vllm-events") as server,
        http.post(server.url + "/v1/audio/speech", json=STREAM) as response,
    ):
        *parts, done = [json.loads(event) for event in await _events(response)]
    assert done["type"] == "speech.audio.done"
    assert {part["type"] for part in parts} == {"speech.audio.delta"}
    audio = b"".join(base64.b64decode(part["audio"]) for part in parts)
    assert decode_code_voice(audio[44:]) == TEXT


async def test_events_of_sglang(http: aiohttp.ClientSession) -> None:
    """A whole file in each event, a reason at the end, and a mark."""
    async with (
        OpenAiSpeechEmulator("sglang-events") as server,
        http.post(server.url + "/v1/audio/speech", json=STREAM) as response,
    ):
        *events, mark = await _events(response)
    *parts, end = [json.loads(event) for event in events]
    assert (mark, end["finish_reason"]) == ("[DONE]", "stop")
    assert {part["audio"]["sample_rate"] for part in parts} == {24000}
    audio = b"".join(base64.b64decode(part["audio"]["data"])[44:] for part in parts)
    assert decode_code_voice(audio) == TEXT


@pytest.mark.parametrize(
    ("style", "fields", "status"),
    [
        ("sglang", STREAM, 400),
        ("vllm", STREAM | {"speed": 1.5}, 400),
        ("whole", STREAM, 422),
        ("vllm", STREAM | {"voice": "nobody"}, 400),
        ("vllm", STREAM | {"model": "another"}, 404),
        ("vllm", {"input": " ", "response_format": "wav"}, 400),
    ],
)
async def test_refusals(
    http: aiohttp.ClientSession, style: SpeechStyle, fields: dict[str, Any], status: int
) -> None:
    """What such a server does not take is refused, with a body in OpenAI's form."""
    async with (
        OpenAiSpeechEmulator(style) as server,
        http.post(server.url + "/v1/audio/speech", json=fields) as response,
    ):
        assert response.status == status
        assert (await response.json())["error"]["message"]
        assert server.requests == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *(("/health", 200), ("/v1/models", 200), ("/v1/audio/voices", 200)),
        *(("/v1/audio/speech", 405), ("/v1/health", 404), ("/v1/tts", 404), ("/model", 404)),
    ],
)
async def test_addresses(http: aiohttp.ClientSession, path: str, status: int) -> None:
    """It has health, models and voices, and nothing of Fish Audio's."""
    async with OpenAiSpeechEmulator() as server, http.get(server.url + path) as response:
        assert response.status == status
