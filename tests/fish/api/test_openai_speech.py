"""OpenAI's `POST /v1/audio/speech` of a self-hosted server, found out by asking."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any, get_args

import pytest

from tests.fish.replies import RAW, pool_of, speak
from tests.support.hostile_servers import HostileFish, Send, fish, http
from tests.support.idle_clock import run
from wyoming_fish.emulator import OpenAiSpeechEmulator, decode_code_voice
from wyoming_fish.emulator.openai_speech import SpeechStyle
from wyoming_fish.fish import Endpoint, FishClient, ServerKind, SpeechSettings, Voice
from wyoming_fish.fish.api.speech_answer import BLOCK_BYTES, STEP_BYTES
from wyoming_fish.fish.errors import (
    BrokenStreamError,
    FishError,
    KeyRefusedError,
    ProtocolError,
    RequestRefusedError,
    SettingsError,
    TooMuchAudioError,
    UnavailableError,
    UnsupportedError,
    VoiceNotFoundError,
)

SENTENCES = ("Good evening to you all. ", "It is 19.5 degrees — outside. ", "Sleep well.")
TEXT = "".join(SENTENCES)
SETTINGS = SpeechSettings(sample_rate=24000)
EVENTS = b"Content-Type: text/event-stream\r\n"
STYLES = get_args(SpeechStyle)
STREAMING = [style for style in STYLES if style != "whole"]

pytestmark = pytest.mark.usefixtures("brisk")


@contextlib.asynccontextmanager
async def _client(url: str, key: str = "") -> AsyncIterator[FishClient]:
    async with FishClient(Endpoint(key, url)) as client:
        yield client


async def _speak(client: FishClient, settings: SpeechSettings = SETTINGS) -> bytes:
    return b"".join([pcm async for pcm in speak(client, TEXT, settings, RAW)])


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/"])
async def test_its_address_is_enough(style: SpeechStyle, path: str) -> None:
    """Whatever its form of an answer is, each sample is its own; `/v1` may stand behind it."""
    async with (
        OpenAiSpeechEmulator(style) as server,
        _client(server.url + path) as client,
    ):
        assert decode_code_voice(await _speak(client)) == TEXT
        assert await client.server_kind() is ServerKind.OPENAI_SPEECH
        assert "authorization" not in server.headers[0]
        assert server.requests[0]["model"] == "fishaudio/s2-pro"
        # It is known now, and so is its form.
        questions = len(server.asked) - len(server.requests)
        assert decode_code_voice(await _speak(client)) == TEXT
        assert len(server.asked) - len(server.requests) == questions


@pytest.mark.parametrize("style", STYLES)
async def test_its_settings(style: SpeechStyle) -> None:
    """The voice and the speed are sent; a seed keeps the voice where none is chosen."""
    async with OpenAiSpeechEmulator(style) as server, _client(server.url) as client:
        await _speak(client, SpeechSettings(voice="anna", speed=1.5, temperature=0.3))
        first = server.requests[0]
        assert (first["voice"], first["speed"], first.get("seed")) == ("anna", 1.5, None)
        server.requests.clear()
        await _speak(client)
        seeds = {request.get("seed") for request in server.requests}
        assert len(seeds) == 1
        assert "voice" not in server.requests[0]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(("rate", "wanted"), [(24000, 16000), (22050, 44100), (44100, 24000)])
async def test_every_rate(style: SpeechStyle, rate: int, wanted: int) -> None:
    """Its samples become those of the rate that was asked for; a header or an event tells its own.

    Only PCM without such a header cannot be told from OpenAI's rate.
    """
    async with (
        OpenAiSpeechEmulator(style, "tone", rate=rate) as server,
        _client(server.url) as client,
    ):
        pcm = await _speak(client, SpeechSettings(sample_rate=wanted))
        server.style = "whole"
        same = await _speak(client, SpeechSettings(sample_rate=wanted))
    assert len(pcm) / wanted == pytest.approx(len(same) / wanted, abs=0.001)


async def test_its_voices() -> None:
    """The voices that it lists are the account's; credit it has none."""
    voices = ("default", {"id": "anna", "name": "Anna"}, {"name": "bo"}, {"x": 1}, 5)
    async with OpenAiSpeechEmulator(voices=voices) as server, _client(server.url) as client:
        assert await client.voices() == [Voice(name, name) for name in ("default", "anna", "bo")]
        assert await client.voice("anna") == Voice("anna", "anna")
        with pytest.raises(UnsupportedError):
            await client.credit()


async def test_a_voice_that_is_typed_in() -> None:
    """A server that does not list its voices is believed to know the voice."""
    async with OpenAiSpeechEmulator(voices=None) as server, _client(server.url) as client:
        assert await client.voices() == []
        assert (
            decode_code_voice(await _speak(client, SpeechSettings(voice="zoë", sample_rate=24000)))
            == TEXT
        )
        assert server.requests[0]["voice"] == "zoë"
        assert await client.voice("zoë") == Voice("zoë", "zoë")


@pytest.mark.parametrize("model", ["speaches-ai/Kokoro-82M-v1.0-ONNX", "chatterbox", "tts-1"])
@pytest.mark.parametrize(
    "other",
    [
        {"id": "Systran/faster-whisper-small", "task": "automatic-speech-recognition"},
        {"id": "canary", "task": "automatic-speech-recognition"},
        {"id": "openai/whisper-1"},
    ],
)
async def test_a_model_that_recognizes_speech_is_not_asked_to_speak(
    model: str, other: dict[str, str]
) -> None:
    """Servers may list both kinds, in any order."""
    async with OpenAiSpeechEmulator() as server, _client(server.url) as client:
        server.model, server.other_models = model, [other]
        await _speak(client)
        assert server.requests[-1]["model"] == model


@pytest.mark.parametrize("style", STYLES)
async def test_an_unknown_voice(style: SpeechStyle) -> None:
    """What the server says of it is told as a voice that is not found."""
    async with OpenAiSpeechEmulator(style) as server, _client(server.url) as client:
        with pytest.raises(VoiceNotFoundError, match="Invalid voice 'nobody'"):
            await _speak(client, SpeechSettings(voice="nobody"))


async def test_several_speakers_are_refused() -> None:
    """What it does not know is told, and not sent."""
    async with OpenAiSpeechEmulator() as server, _client(server.url) as client:
        with pytest.raises(SettingsError, match="one voice"):
            await _speak(client, SpeechSettings(voice=("a", "b")))
        assert server.requests == []


async def test_its_key() -> None:
    """A key of its own is sent to it, and a wrong one is told."""
    async with OpenAiSpeechEmulator(key="mine") as server:
        async with _client(server.url, "mine") as client:
            assert decode_code_voice(await _speak(client)) == TEXT
        async with _client(server.url, "yours") as client:
            with pytest.raises(KeyRefusedError, match="Invalid API key"):
                await _speak(client)
            with pytest.raises(KeyRefusedError):
                await client.voices()


@pytest.mark.parametrize("style", STREAMING)
@pytest.mark.parametrize("after", [0, 1])
async def test_a_cut_answer(style: SpeechStyle, after: int) -> None:
    """An answer that breaks off is not complete: nothing is left out in silence."""
    async with (
        OpenAiSpeechEmulator(style, "tone") as server,
        _client(server.url) as client,
    ):
        server.breaks_after = after
        with pytest.raises(FishError) as caught:
            await _speak(client)
        assert isinstance(caught.value, BrokenStreamError) == (after == 1)


@pytest.mark.parametrize("style", ["vllm-events", "sglang-events"])
async def test_an_event_that_tells_an_error(style: SpeechStyle) -> None:
    """A model that fails during its answer is told in the server's words."""
    async with OpenAiSpeechEmulator(style, "tone") as server, _client(server.url) as client:
        server.fails_after = 1
        with pytest.raises(RequestRefusedError, match="The model failed"):
            await _speak(client)


@pytest.mark.parametrize("style", STYLES)
def test_it_is_waited_for(style: SpeechStyle) -> None:
    """A slow machine is given more time than Fish's service, though not for ever."""

    async def check() -> None:
        async with OpenAiSpeechEmulator(style) as server, _client(server.url) as client:
            server.delay = 100.0
            assert decode_code_voice(await _speak(client)) == TEXT
            server.delay = 130.0
            with pytest.raises(FishError, match="did not answer in time"):
                await _speak(client)

    run(check())


@pytest.mark.parametrize(
    "kind", ["audio/mpeg", "audio/mp3", "audio/ogg", "audio/aac", "audio/flac", "audio/webm"]
)
async def test_compressed_audio(kind: str) -> None:
    """It is told, and not heard as noise."""

    async def answer(send: Send) -> None:
        await send(http(bytes(100), b"200 OK", f"Content-Type: {kind}\r\n".encode()))

    async with _hostile(answer) as (_, client):
        said = f"answers with {kind}, and not with WAV or PCM. Set the server to WAV or PCM"
        with pytest.raises(ProtocolError, match=said):
            await _speak(client)


async def test_an_answer_in_one_event() -> None:
    """Much audio that comes at once is given in blocks."""
    pcm = bytes(range(250)) * 6000
    event = json.dumps({"type": "speech.audio.done", "audio": base64.b64encode(pcm).decode()})

    async def answer(send: Send) -> None:
        await send(http(f"data: {event}\n\n".encode(), b"200 OK", EVENTS))

    async with (
        _hostile(answer) as (_, client),
        pool_of(client).acquire_rest() as rest,
    ):
        blocks = [block async for block in rest.speak(TEXT, SETTINGS)]
    assert b"".join(blocks) == pcm
    assert max(map(len, blocks)) <= BLOCK_BYTES + STEP_BYTES


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (
            b"500 No",
            b'{"error": {"message": "out of memory"}}',
            UnavailableError,
            r"\(500: out of m",
        ),
        (b"400 No", b'{"error": {"message": "too long"}}', RequestRefusedError, r"\(400: too long"),
        (
            b"422 No",
            b'{"detail": [{"loc": ["body", "voice"], "msg": "Field required"}]}',
            RequestRefusedError,
            "body.voice: Field required",
        ),
        (b"422 No", b'{"detail": "No voice Anna"}', VoiceNotFoundError, "No voice Anna"),
        (b"200 OK", b"{}", ProtocolError, "application/json, not audio"),
    ],
)
async def test_refusals(status: bytes, body: bytes, error: type[FishError], said: str) -> None:
    """The server's own words are told, whatever form they have."""

    async def answer(send: Send) -> None:
        await send(http(body, status, b"Content-Type: application/json\r\n"))

    async with _hostile(answer) as (_, client):
        with pytest.raises(error, match=said):
            await _speak(client, SpeechSettings(voice="anna", sample_rate=24000))


async def test_the_rate_in_the_content_type() -> None:
    """The media type of bare samples may have their rate."""
    pcm = bytes(range(1, 201))

    async def answer(send: Send) -> None:
        await send(http(pcm, b"200 OK", b"Content-Type: audio/pcm; rate=16000\r\n"))

    async with _hostile(answer) as (_, client):
        heard = await _speak(client, SpeechSettings(sample_rate=16000))
    assert heard == pcm * (len(heard) // len(pcm)) != b""


@pytest.mark.parametrize("kind", [b"audio/wav", b"audio/pcm", b"text/event-stream"])
async def test_an_answer_without_end(kind: bytes) -> None:
    """Audio without end is given up as of every other server."""
    silence = json.dumps({"audio": base64.b64encode(bytes(2**16)).decode()})
    part = f"data: {silence}\n\n".encode() if kind == b"text/event-stream" else bytes(2**16)

    async def answer(send: Send) -> None:
        await send(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\n\r\n")
        while True:
            await send(part)

    async with _hostile(answer) as (_, client):
        with pytest.raises(TooMuchAudioError):
            await _speak(client, SpeechSettings(sample_rate=24000))


@contextlib.asynccontextmanager
async def _hostile(answer: Any) -> AsyncIterator[tuple[HostileFish, FishClient]]:
    """A server that says that it has OpenAI's API, and answers so to a request for speech."""
    asked = 0

    async def serve(send: Send) -> None:
        nonlocal asked
        asked += 1
        # Its health, and whether it speaks; then its models.
        if asked == 2:
            await send(http(b"", b"405 Method Not Allowed"))
        elif asked in {1, 3}:
            await send(http(b"", b"404 Not Found"))
        else:
            await answer(send)

    async with (
        fish(HostileFish(answer=serve)) as hostile,
        FishClient(Endpoint("", hostile.url)) as client,
    ):
        yield hostile, client
