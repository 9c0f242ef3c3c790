"""What official SDKs and older clients expect of REST beside plain speech."""

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator
from decimal import Decimal

import aiohttp
import pytest
import pytest_asyncio

from tests.emulator.client import emulated
from wyoming_fish.emulator import Emulator, decode_code_voice


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


async def answer_over_http_1_0(
    emulator: Emulator, request: str, body: str, connection: str = "close"
) -> tuple[str, str]:
    """The head and the body of the answer, which ends with the connection."""
    reader, writer = await asyncio.open_connection(emulator.host, emulator.port)
    writer.write(
        f"{request} HTTP/1.0\r\nAuthorization: Bearer key\r\nConnection: {connection}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, rest = answer.decode("latin-1").partition("\r\n\r\n")
    assert "chunked" not in head.lower()
    return head, rest


@pytest.mark.parametrize("connection", ["close", "keep-alive"])
async def test_http_1_0_gets_speech_until_the_connection_ends(connection: str) -> None:
    """HTTP/1.0 has no chunks: the end of the connection is the end of the speech."""
    fields = json.dumps({"text": "One. " * 40, "format": "pcm", "chunk_length": 100})
    async with emulated(frame=0.05) as emulator:
        head, pcm = await answer_over_http_1_0(emulator, "POST /v1/tts", fields, connection)
        assert head.startswith("HTTP/1.0 200")
        assert "Content-Length" not in head
        assert decode_code_voice(pcm.encode("latin-1")) == "One. " * 40
        _, events = await answer_over_http_1_0(
            emulator, "POST /v1/tts/stream/with-timestamp", fields, connection
        )
        assert json.loads(events.split("\n\n")[0].removeprefix("data: "))["audio_base64"]
        assert [record.outcome for record in emulator.sessions] == ["finish", "finish"]


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ("GET /model", 200),
        ("GET /wallet/self/api-credit", 200),
        ("GET /model/unknown", 404),
        ("POST /v1/tts", 400),
        ("POST /v1/asr", 501),
    ],
)
async def test_http_1_0_gets_json(request_line: str, status: int) -> None:
    """Lists and refusals are as long over HTTP/1.0 as they say."""
    async with emulated() as emulator:
        head, body = await answer_over_http_1_0(emulator, request_line, "{}")
    assert head.startswith(f"HTTP/1.0 {status}")
    assert f"Content-Length: {len(body)}\r\n" in head
    assert json.loads(body)
