"""The emulated fish-speech server, asked without a client of ours."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import ormsgpack
import pytest
import pytest_asyncio

from wyoming_fish.emulator import FishSpeechEmulator, decode_code_voice

TEXT = {"text": "Hello there.", "streaming": True}


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client without a key."""
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.mark.parametrize("packing", ["json", "msgpack"])
async def test_streamed_speech_is_raw(http: aiohttp.ClientSession, packing: str) -> None:
    """Streaming, it says WAV and sends samples alone, a block for each chunk of the text."""
    fields = {"text": "word " * 30, "streaming": True, "chunk_length": 100, "unknown": 1}
    data = ormsgpack.packb(fields)
    async with (
        FishSpeechEmulator() as server,
        http.post(server.url + "/v1/tts", json=fields)
        if packing == "json"
        else http.post(
            server.url + "/v1/tts", data=data, headers={"Content-Type": "application/msgpack"}
        ) as response,
    ):
        assert response.status == 200
        assert response.content_type == "audio/wav"
        assert decode_code_voice(await response.read()) == fields["text"]
        assert server.requests == [fields]


async def test_speech_in_one_piece_is_wav(http: aiohttp.ClientSession) -> None:
    """Without streaming it is a WAV file of the codec's rate."""
    async with (
        FishSpeechEmulator() as server,
        http.post(server.url + "/v1/tts", json={"text": "Hello."}) as response,
    ):
        body = await response.read()
    assert body.startswith(b"RIFF")
    assert int.from_bytes(body[24:28], "little") == 44100
    assert decode_code_voice(body[44:]) == "Hello."


@pytest.mark.parametrize(
    ("fields", "status", "said"),
    [
        ({**TEXT, "latency": "low"}, 422, "'normal' or 'balanced'"),
        ({**TEXT, "temperature": 0.0}, 422, "from 0.1 to 1.0"),
        ({**TEXT, "chunk_length": "50"}, 422, "a valid integer"),
        ({**TEXT, "max_new_tokens": None}, 422, "a valid integer"),
        ({**TEXT, "reference_id": 5}, 422, "a valid string"),
        ({"streaming": True}, 422, "Field required"),
        ({**TEXT, "format": "pcm"}, 400, "Streaming only supports WAV format"),
        ({"text": "Hello.", "format": "opus"}, 500, "Failed to generate speech"),
        ([], 422, "a valid dictionary"),
    ],
)
async def test_refusals(http: aiohttp.ClientSession, fields: Any, status: int, said: str) -> None:
    """What its schema refuses is listed field by field; the rest has its own body."""
    async with (
        FishSpeechEmulator() as server,
        http.post(server.url + "/v1/tts", json=fields) as response,
    ):
        assert response.status == status
        answer = await response.json()
    if status == 422:
        assert [item["msg"] for item in answer if said in item["msg"]]
    else:
        assert answer["statusCode"] == status
        assert answer["message"] == said


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/model", 404),
        ("GET", "/wallet/self/api-credit", 404),
        ("POST", "/v1/health", 200),
        ("GET", "/v1/health", 200),
    ],
)
async def test_addresses(http: aiohttp.ClientSession, method: str, path: str, status: int) -> None:
    """It has no account, and says so with a body of its own."""
    async with FishSpeechEmulator() as server, http.request(method, server.url + path) as response:
        assert response.status == status
        answer = await response.json()
    if status == 200:
        assert answer == {"status": "ok"}
    else:
        assert answer["message"] is None
        assert answer["error"] == "Not Found"


async def test_a_wrong_method(http: aiohttp.ClientSession) -> None:
    """It is answered without a body."""
    async with FishSpeechEmulator() as server, http.get(server.url + "/v1/tts") as response:
        assert (response.status, await response.read()) == (405, b"")


async def test_a_text_ends_silently_at_its_tokens(http: aiohttp.ClientSession) -> None:
    """What a thousand tokens are not enough for is not spoken, behind a normal end."""
    text = "今天天气很好。" * 50
    async with FishSpeechEmulator() as server:
        spoken = []
        for more in ({}, {"max_new_tokens": 2048}, {"max_new_tokens": 0}):
            fields = {"text": text, "streaming": True, "chunk_length": 100, **more}
            async with http.post(server.url + "/v1/tts", json=fields) as response:
                spoken.append(decode_code_voice(await response.read()))
    assert [text.startswith(said) for said in spoken] == [True] * 3
    assert [len(said) for said in spoken] == [237, 350, 350]


async def test_speakers_are_spoken_one_after_the_other(http: aiohttp.ClientSession) -> None:
    """What stands before the first of them is lost."""
    fields = {"text": "Lost. <|speaker:0|>Hello. <|speaker:1|>Bye.", "streaming": True}
    async with (
        FishSpeechEmulator() as server,
        http.post(server.url + "/v1/tts", json=fields) as response,
    ):
        spoken = decode_code_voice(await response.read())
    assert spoken == "<|speaker:0|>Hello.\n<|speaker:1|>Bye."


@pytest.mark.parametrize("text", ["", "Hello."])
async def test_every_text_makes_a_file(http: aiohttp.ClientSession, text: str) -> None:
    """An empty text makes some sound too, and MP3 can be had where it is not streamed."""
    fields = {"text": text, "format": "mp3"}
    async with (
        FishSpeechEmulator() as server,
        http.post(server.url + "/v1/tts", json=fields) as response,
    ):
        assert (response.status, response.content_type) == (200, "audio/mpeg")
        assert len(await response.read()) > 100


async def test_references(http: aiohttp.ClientSession) -> None:
    """Its references are listed in JSON to those who ask for it, else in MessagePack."""
    async with FishSpeechEmulator(references=("a", "b c")) as server:
        url = server.url + "/v1/references/list"
        async with http.get(url, headers={"Accept": "application/json"}) as response:
            assert (await response.json())["reference_ids"] == ["a", "b c"]
        async with http.get(url) as response:
            assert ormsgpack.unpackb(await response.read())["reference_ids"] == ["a", "b c"]


@pytest.mark.parametrize(
    ("key", "status", "said"),
    [("", 401, None), ("wrong", 401, "Invalid token"), ("key", 200, None)],
)
async def test_its_key(
    http: aiohttp.ClientSession, key: str, status: int, said: str | None
) -> None:
    """With a key of its own, it refuses those who have none or another."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with (
        FishSpeechEmulator(key="key") as server,
        http.post(server.url + "/v1/tts", json=TEXT, headers=headers) as response,
    ):
        assert response.status == status
        if status == 401:
            assert (await response.json())["message"] == said


async def test_no_websocket(http: aiohttp.ClientSession) -> None:
    """An upgrade is answered 403, as uvicorn does for an application that knows no such socket."""
    async with FishSpeechEmulator() as server:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await http.ws_connect(server.url + "/v1/tts/live")
        assert caught.value.status == 403
        assert server.upgrades == 1


@pytest.mark.parametrize("text", ["", "word " * 30])
async def test_an_answer_may_break_off(http: aiohttp.ClientSession, text: str) -> None:
    """If the model fails after the answer has begun, the connection ends within the answer."""
    async with FishSpeechEmulator() as server:
        server.breaks_after = 1
        fields = {"text": text, "streaming": True, "chunk_length": 100}
        async with http.post(server.url + "/v1/tts", json=fields) as response:
            assert response.status == 200
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
