import asyncio
import io
import json
import wave
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import aiohttp
import ormsgpack
import pytest
import pytest_asyncio

from tests.emulator.client import emulated, live
from wyoming_fish.emulator import VOICES, decode_code_voice

MODEL_ENTITY = {
    *("_id", "type", "title", "state", "tags", "created_at", "updated_at", "visibility"),
    *("like_count", "mark_count", "shared_count", "task_count", "author", "description"),
    *("cover_image", "train_mode", "samples", "languages"),
}


@pytest_asyncio.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client with a key."""
    headers = {"Authorization": "Bearer key", "model": "s2.1-pro"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session


async def get(http: aiohttp.ClientSession, url: str, **query: Any) -> Any:
    """What a request that must succeed is answered."""
    async with http.get(url, params=query) as response:
        assert response.status == 200, await response.text()
        return await response.json()


@pytest.mark.parametrize("packing", ["json", "msgpack"])
async def test_speech_in_one_request(http: aiohttp.ClientSession, packing: str) -> None:
    """JSON and MessagePack are answered with the whole speech, in chunks of unknown length."""
    fields = {"text": "Guten Tag, 日本.", "format": "pcm", "reference_id": VOICES[1].id}
    data = json.dumps(fields).encode() if packing == "json" else ormsgpack.packb(fields)
    async with (
        emulated() as emulator,
        http.post(
            emulator.url + "/v1/tts", data=data, headers={"Content-Type": f"application/{packing}"}
        ) as response,
    ):
        assert response.status == 200
        assert response.headers["Transfer-Encoding"] == "chunked"
        assert response.headers["x-fish-trace-id"]
        assert response.headers["ratelimit-limit-concurrency"] == "5"
        assert response.headers["ratelimit-current-concurrency"] == "1"
        assert decode_code_voice(await response.read()) == "Guten Tag, 日本."
        (request,) = emulator.requests
        assert tuple(request) == ("POST", "/v1/tts", {}, fields)
        (record,) = emulator.sessions
        assert (record.socket, record.outcome, record.backend) == (None, "finish", "s2.1-pro")
        assert record.spoken == ["Guten Tag, 日本."]
        assert emulator.sessions_open == 0


async def test_speech_is_streamed(http: aiohttp.ClientSession) -> None:
    """The first audio comes while the rest is still being made."""
    text = "word " * 30
    async with emulated(first_audio=0.03) as emulator:
        fields = {"text": text, "format": "pcm", "chunk_length": 100}
        async with http.post(emulator.url + "/v1/tts", json=fields) as response:
            first = await response.content.readexactly(2)
            assert emulator.sessions[0].outcome is None
            assert decode_code_voice(first + await response.read()) == text
        assert emulator.sessions[0].spoken == ["word " * 20, "word " * 10]


async def test_speech_as_wav(http: aiohttp.ClientSession) -> None:
    """WAV has the placeholder header on REST as well."""
    async with emulated() as emulator:
        fields = {"text": "Hello.", "format": "wav", "sample_rate": 16000}
        async with http.post(emulator.url + "/v1/tts", json=fields) as response:
            assert response.content_type == "audio/wav"
            audio = await response.read()
    with wave.open(io.BytesIO(audio)) as header:
        assert header.getframerate() == 16000
    assert decode_code_voice(audio[44:]) == "Hello."


async def test_odd_frames_and_headers_on_rest(http: aiohttp.ClientSession) -> None:
    """REST is cut and headed by the same settings as the socket."""
    async with emulated(odd_frames=True, riff=True) as emulator:
        fields = {"text": "Hello.", "format": "pcm"}
        async with http.post(emulator.url + "/v1/tts", json=fields) as response:
            pieces = [piece async for piece, _ in response.content.iter_chunks()]
    assert any(len(piece) % 2 for piece in pieces)
    assert decode_code_voice(b"".join(pieces)[44:]) == "Hello."


async def test_speech_of_nothing_is_empty(http: aiohttp.ClientSession) -> None:
    """Blank text is answered with 200 and no audio."""
    async with (
        emulated() as emulator,
        http.post(emulator.url + "/v1/tts", json={"text": " "}) as response,
    ):
        assert (response.status, await response.read()) == (200, b"")


@pytest.mark.parametrize("path", ["/model", "/model/x", "/wallet/self/api-credit", "/v1/tts"])
@pytest.mark.parametrize("authorization", [None, "Bearer ", "Bearer other", "Basic right", "right"])
async def test_a_wrong_key_is_refused(path: str, authorization: str | None) -> None:
    """Every address but a sample's answers 401 to any key but the right one."""
    headers = {"Authorization": authorization} if authorization else {}
    method = "POST" if path == "/v1/tts" else "GET"
    async with (
        emulated(key="right") as emulator,
        aiohttp.ClientSession(headers=headers) as http,
        http.request(method, emulator.url + path) as response,
    ):
        assert response.status == 401
        assert await response.json() == {"status": 401, "message": "Invalid Token"}


async def test_an_empty_wallet_hides_every_other_fault(http: aiohttp.ClientSession) -> None:
    """402 comes before the request's fields are looked at, but not for the free backend."""
    async with emulated(credit=Decimal("-0.1")) as emulator:
        url = emulator.url + "/v1/tts"
        async with http.post(url, json={"format": "flac"}) as response:
            assert response.status == 402
            assert response.headers["x-fish-error-code"] == "insufficient_balance"
            assert "managed independently" in (await response.json())["message"]
        free = {"model": "s2.1-pro-free"}
        async with http.post(url, json={"format": "flac"}, headers=free) as response:
            assert response.status == 400
        assert await get(http, emulator.url + "/model")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"text": "a", "format": "flac"}, "unknown variant `flac`, expected one of"),
        ({"text": "a", "reference_id": "0" * 32}, "Reference not found"),
        ({"text": "a", "prosody": {"speed": 3}}, "speed must be in [0.5, 2.0]"),
        ({"format": "pcm"}, "missing field `text`"),
        (["text"], "expected struct TTSRequest"),
    ],
)
async def test_a_bad_request_is_refused(
    http: aiohttp.ClientSession, fields: object, message: str
) -> None:
    """REST answers 400 with Fish's words in JSON."""
    async with (
        emulated() as emulator,
        http.post(emulator.url + "/v1/tts", json=fields) as response,
    ):
        body = await response.json()
        assert (response.status, body["status"]) == (400, 400)
        assert message in body["message"]


@pytest.mark.parametrize(
    ("kind", "data", "status"),
    [
        ("application/json", b"{", 400),
        ("application/msgpack", b"\xc1", 400),
        ("text/plain", b"Hello", 415),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    http: aiohttp.ClientSession, kind: str, data: bytes, status: int
) -> None:
    """What is neither JSON nor MessagePack is refused in plain text."""
    async with (
        emulated() as emulator,
        http.post(emulator.url + "/v1/tts", data=data, headers={"Content-Type": kind}) as response,
    ):
        assert (response.status, response.content_type) == (status, "text/plain")


async def test_requests_share_the_limit_with_sockets(http: aiohttp.ClientSession) -> None:
    """An open session takes the place of a request, which is answered with 429, and vice versa."""
    async with emulated(concurrency=1, first_audio=60.0) as emulator, live(emulator) as socket:
        url, fields = emulator.url + "/v1/tts", {"text": "Hello.", "format": "pcm"}
        await socket.start()
        await emulator.wait_for(lambda e: e.sessions_open == 1)
        async with http.post(url, json=fields) as response:
            assert response.status == 429
            assert "concurrency limit" in (await response.json())["message"]
            assert "Retry-After" not in response.headers
        await socket.stop()
        assert (await socket.receive())["event"] == "finish"
        speaking = asyncio.create_task(http.post(url, json=fields))
        await emulator.wait_for(lambda e: e.sessions_open == 1)
        await socket.start()
        assert (await socket.receive())["max_concurrency"] == 1
        (await speaking).close()


async def test_a_client_that_leaves_frees_its_request(http: aiohttp.ClientSession) -> None:
    """A request ends with its connection, also while the model works and nothing is sent."""
    async with emulated(first_audio=60.0) as emulator:
        fields = {"text": "Hello.", "format": "pcm"}
        response = await http.post(emulator.url + "/v1/tts", json=fields)
        await emulator.wait_for(lambda e: e.sessions_open == 1)
        response.close()
        await emulator.wait_for(lambda e: e.sessions_open == 0)
        assert emulator.sessions[0].outcome == "left"


async def test_voices_are_listed(http: aiohttp.ClientSession) -> None:
    """/model lists what is public; with self=true what is the account's own, whole."""
    async with emulated() as emulator:
        public = await get(http, emulator.url + "/model")
        assert public["total"] == 3
        assert {item["visibility"] for item in public["items"]} == {"public"}
        own = await get(http, emulator.url + "/model", self="true")
        assert {item["title"] for item in own["items"]} == {"Captain Kelp", "Coral", "Old Harbour"}
        assert own["total_is_exact"] is True
        for item in public["items"] + own["items"]:
            assert set(item) >= MODEL_ENTITY
            assert item["type"] == "tts"
        titles = [item["title"] for item in public["items"] + own["items"]]
        assert titles.count("Coral") == 2
        assert [] in [item["languages"] for item in own["items"]]


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ({"sort_by": "task_count"}, ["Étoile de mer", "汐", "Coral"]),
        ({"sort_by": "created_at"}, ["汐", "Étoile de mer", "Coral"]),
        ({"title": "étoile"}, ["Étoile de mer"]),
        ({"title": "MER de"}, ["Étoile de mer"]),
        ({"title": "nobody"}, []),
        ({"language": "ja"}, ["汐"]),
        ({"language": ["de", "fr"]}, ["Étoile de mer", "Coral"]),
        ({"tag": ["female", "young"]}, ["Étoile de mer"]),
        (
            {"self": "true", "sort_by": "created_at", "page_size": 2},
            ["Old Harbour", "Captain Kelp"],
        ),
        ({"self": "true", "sort_by": "created_at", "page_size": 2, "page_number": 2}, ["Coral"]),
        ({"page_number": 9}, []),
        ({"author_id": "nobody"}, []),
        ({"self": "true", "author_id": "nobody", "title": "kelp"}, ["Captain Kelp"]),
    ],
)
async def test_voices_are_searched(
    http: aiohttp.ClientSession, query: dict[str, Any], titles: list[str]
) -> None:
    """Title, language, tag, author, order and page choose among the voices."""
    async with emulated() as emulator:
        found = await get(http, emulator.url + "/model", **query)
        assert [item["title"] for item in found["items"]] == titles
        assert found["total"] >= len(titles)
        assert emulator.requests[0].query.get("sort_by") == query.get("sort_by")


@pytest.mark.parametrize(
    "query",
    [
        {"page_size": 0},
        {"page_size": 101},
        {"page_number": 0},
        {"page_size": "x"},
        {"sort_by": "x"},
    ],
)
async def test_a_bad_search_is_refused(http: aiohttp.ClientSession, query: dict[str, Any]) -> None:
    """A page or order that there is not is answered with 422 and a list of what is wrong."""
    async with (
        emulated() as emulator,
        http.get(emulator.url + "/model", params=query) as response,
    ):
        assert response.status == 422
        (detail,) = await response.json()
        assert set(detail) == {"loc", "type", "msg", "ctx", "in"}


async def test_one_voice(http: aiohttp.ClientSession) -> None:
    """A voice is found by its id; an unknown id is 404."""
    async with emulated() as emulator:
        voice = await get(http, f"{emulator.url}/model/{VOICES[0].id}")
        assert (voice["_id"], voice["title"]) == (VOICES[0].id, VOICES[0].title)
        async with http.get(emulator.url + "/model/" + "0" * 32) as response:
            assert response.status == 404
            assert await response.json() == {"status": 404, "message": "Model not found"}


async def test_a_voices_sample_can_be_heard(http: aiohttp.ClientSession) -> None:
    """The sample's address answers without a key with a whole WAV of what its text says."""
    async with emulated() as emulator:
        voice = await get(http, f"{emulator.url}/model/{VOICES[1].id}")
        sample = voice["samples"][0]
        async with aiohttp.ClientSession() as stranger, stranger.get(sample["audio"]) as response:
            assert response.status == 200
            audio = await response.read()
        with wave.open(io.BytesIO(audio)) as sound:
            pcm = sound.readframes(sound.getnframes())
        assert len(audio) == 44 + len(pcm)
        assert decode_code_voice(pcm) == sample["text"]


async def test_the_wallet(http: aiohttp.ClientSession) -> None:
    """Credit is a decimal in a string; whether there is free credit is told only when asked."""
    async with emulated(credit=Decimal("3.50"), user_id="a" * 32) as emulator:
        url = emulator.url + "/wallet/self/api-credit"
        credit = await get(http, url)
        assert (credit["user_id"], credit["credit"]) == ("a" * 32, "3.50")
        assert credit["has_free_credit"] is None
        assert (await get(http, url, check_free_credit="true"))["has_free_credit"] is False
        package = await get(http, emulator.url + "/wallet/self/package")
        assert package["user_id"] == "a" * 32


async def test_a_plain_request_is_no_upgrade(http: aiohttp.ClientSession) -> None:
    """The live socket's address answers a request without an upgrade with 400."""
    async with emulated() as emulator, http.get(emulator.url + "/v1/tts/live") as response:
        assert response.status == 400
        assert emulator.sockets_opened == 0
