"""What official SDKs expect of REST beside plain speech."""

import base64
import io
import json
from collections.abc import AsyncIterator
from decimal import Decimal

import aiohttp
import pytest_asyncio

from tests.emulator.client import emulated
from wyoming_fish.emulator import decode_code_voice


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client with a key."""
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer key"}) as session:
        yield session


async def test_speech_with_timestamps(http: aiohttp.ClientSession) -> None:
    """Each server-sent event has audio in base64 and the fields of the live socket."""
    fields = {"text": "One two. Three.", "format": "pcm", "sample_rate": 24000}
    async with (
        emulated(frame=0.02) as emulator,
        http.post(emulator.url + "/v1/tts/stream/with-timestamp", json=fields) as response,
    ):
        assert response.content_type == "text/event-stream"
        *lines, end = (await response.text()).split("\n\n")
        assert (end, emulator.sessions_open) == ("", 0)
        (record,) = emulator.sessions
        assert (record.outcome, record.timestamps, record.socket) == ("finish", True, None)
    events = [json.loads(line.removeprefix("data: ")) for line in lines]
    pcm = b"".join(base64.b64decode(event["audio_base64"]) for event in events)
    assert decode_code_voice(pcm) == "One two. Three."
    assert events[0]["alignment"] is None
    words = [segment["text"] for segment in events[-1]["alignment"]["segments"]]
    assert words == ["One", "two", "Three"]
    assert {(event["chunk_seq"], event["chunk_audio_offset_sec"]) for event in events} == {(0, 0.0)}


async def test_speech_recognition_is_not_offered(http: aiohttp.ClientSession) -> None:
    """A request to recognize speech is answered with a sentence, whatever its body is."""
    async with emulated() as emulator:
        for data in ({"audio": io.BytesIO(b"RIFF")}, b"{}"):
            async with http.post(emulator.url + "/v1/asr", data=data) as response:
                assert response.status == 501
                assert "not offered" in (await response.json())["message"]


async def test_a_refusal_has_a_reason(http: aiohttp.ClientSession) -> None:
    """The reason of an empty wallet is a code, in the body and in a header."""
    async with (
        emulated(credit=Decimal(0)) as emulator,
        http.post(emulator.url + "/v1/tts", json={"text": "Hello."}) as response,
    ):
        assert (await response.json())["reason"] == "insufficient_balance"
        assert response.headers["x-fish-error-code"] == "insufficient_balance"
