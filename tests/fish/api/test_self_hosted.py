"""A fish-speech server of one's own, found out by asking."""

import array
import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.fish.replies import pool_of, speak
from tests.support.listening import listening
from wyoming_fish.emulator import Emulator, EmulatorSettings, FishSpeechEmulator, decode_code_voice
from wyoming_fish.emulator.voices.tone import speak_tones
from wyoming_fish.fish import Endpoint, FishClient, Latency, SpeechSettings, TextSettings, Voice
from wyoming_fish.fish.errors import (
    FishConnectionError,
    FishError,
    KeyRefusedError,
    ProtocolError,
    RequestRefusedError,
    SettingsError,
    UnsupportedError,
    VoiceNotFoundError,
)

SENTENCES = ("Good evening to you all. ", "It is 19.5 degrees — outside. ", "Sleep well.")
TEXT = "".join(SENTENCES)

SETTINGS = SpeechSettings(latency=Latency.LOW)


async def _text() -> AsyncIterator[str]:
    for sentence in SENTENCES:
        yield sentence
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def _client(server: FishSpeechEmulator) -> AsyncIterator[FishClient]:
    client = FishClient(Endpoint("", server.url))
    try:
        yield client
    finally:
        await client.close()


async def _speak(client: FishClient, settings: SpeechSettings = SETTINGS) -> bytes:
    return b"".join([pcm async for pcm in speak(client, _text(), settings)])


async def test_it_speaks_without_an_option() -> None:
    """Its address is enough: it is spoken to in its own terms, and a voice is its reference."""
    async with FishSpeechEmulator() as server:
        client = FishClient(Endpoint("", server.url))
        settings = SpeechSettings(
            latency=Latency.LOW, voice="captain kelp", speed=1.5, temperature=0.0, top_p=0.5
        )
        for _ in range(2):
            assert decode_code_voice(await _speak(client, settings)) == TEXT
        await client.close()
        # Once for both: it is known now, and so are its voices.
        assert server.upgrades == 1
        assert server.asked.count("/v1/health") == 1
        assert server.asked.count("/v1/references/list") == 1
        assert "".join(request["text"] for request in server.requests) == TEXT * 2
    first = server.requests[0]
    del first["text"]
    assert first == {
        "format": "wav",
        "streaming": True,
        "max_new_tokens": 2048,
        "chunk_length": 300,
        "normalize": True,
        "use_memory_cache": "on",
        "reference_id": "captain kelp",
        "temperature": 0.1,
        "top_p": 0.5,
    }
    assert "authorization" not in server.headers[0]


async def test_its_key() -> None:
    """A key of its own is sent to it, and a wrong one is told."""
    async with FishSpeechEmulator(key="mine") as server:
        client = FishClient(Endpoint("mine", server.url))
        assert decode_code_voice(await _speak(client)) == TEXT
        await client.close()
        client = FishClient(Endpoint("yours", server.url))
        with pytest.raises(KeyRefusedError, match="Invalid token"):
            await _speak(client)
        await client.close()


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 32000, 44100])
async def test_every_rate(rate: int) -> None:
    """The samples of its codec become those of the rate that was asked for."""
    async with FishSpeechEmulator("tone") as server:
        client = FishClient(Endpoint("", server.url))
        pcm = await _speak(client, SpeechSettings(sample_rate=rate))
        await client.close()
    whole = speak_tones(TEXT, 44100, 1.0, 0.0, 330.0)
    assert abs(len(pcm) / 2 / rate - len(whole) / 2 / 44100) < 0.001
    assert abs(_frequency(pcm, rate) - 330) < 5


def _frequency(pcm: bytes, rate: int) -> float:
    """Of the tone in its first word, by where it crosses zero."""
    samples = array.array("h", pcm)[: rate // 5]
    ups = [at for at in range(1, len(samples)) if samples[at - 1] < 0 <= samples[at]]
    return rate * (len(ups) - 1) / (ups[-1] - ups[0])


async def test_what_it_refuses_is_told() -> None:
    """Its list of wrong fields and its own errors become a sentence."""
    async with FishSpeechEmulator() as server:
        client = FishClient(Endpoint("", server.url))
        bad = SpeechSettings()
        object.__setattr__(bad, "chunk_length", "20")
        with pytest.raises(RequestRefusedError, match="chunk_length: Input should be a valid"):
            await _speak(client, bad)
        await client.close()


async def test_a_long_piece_is_spoken_whole() -> None:
    """A sentence of a minute is asked for with as many tokens as it takes."""
    sentence = "今天天气很好，" * 40 + "我们去公园吧。"
    async with (
        FishSpeechEmulator() as server,
        _client(server) as client,
        pool_of(client).acquire_rest() as rest,
    ):
        spoken = b"".join([pcm async for pcm in rest.speak(sentence, SETTINGS)])
    assert decode_code_voice(spoken) == sentence


async def test_one_voice_without_a_reference() -> None:
    """Drawn by chance, the voice would change from sentence to sentence: its seed stays."""
    async with FishSpeechEmulator() as server, _client(server) as client:
        await _speak(client)
        await _speak(client, SpeechSettings(voice="coral_2"))
        seeds = [request.get("seed") for request in server.requests]
        named = ["reference_id" in request for request in server.requests]
    assert seeds == [seeds[0] if not has_reference else None for has_reference in named]
    assert seeds[0] is not None


async def test_text_before_the_first_speaker_is_spoken() -> None:
    """The server would drop it."""

    async def text() -> AsyncIterator[str]:
        yield "Once upon a time <|speaker:1|>said hello."

    async with FishSpeechEmulator() as server, _client(server) as client:
        trusted = TextSettings(mode="raw", trusted=True)
        spoken = b"".join([pcm async for pcm in speak(client, text(), SETTINGS, trusted)])
    assert decode_code_voice(spoken).startswith("<|speaker:0|>Once upon a time")


async def test_an_unknown_reference_is_refused() -> None:
    """It would speak in a voice drawn by chance; its own list says which ones there are."""
    async with FishSpeechEmulator() as server, _client(server) as client:
        with pytest.raises(VoiceNotFoundError) as caught:
            await _speak(client, SpeechSettings(voice="kelp"))
        assert 'no reference "kelp". Its references: captain kelp, coral_2.' in str(caught.value)
        assert server.requests == []
        # One that is added while we run is found.
        server.references = (*server.references, "kelp")
        assert decode_code_voice(await _speak(client, SpeechSettings(voice="kelp"))) == TEXT


async def test_a_server_that_does_not_list_its_references() -> None:
    """An old one is believed to know the voice."""
    async with FishSpeechEmulator() as server, _client(server) as client:
        server.lists_references = False
        assert decode_code_voice(await _speak(client, SpeechSettings(voice="kelp"))) == TEXT
        assert server.asked.count("/v1/references/list") == 1


@pytest.mark.parametrize("health", [404, 401, 500, 503])
async def test_it_is_asked_again_what_it_is(monkeypatch: pytest.MonkeyPatch, health: int) -> None:
    """A health that was refused while it started, or by a proxy, is not believed for good."""
    monkeypatch.setattr("wyoming_fish.fish.api.self_hosted.speech_server.DETECT_INTERVAL_S", 0.0)
    async with (
        FishSpeechEmulator() as server,
        _client(server) as client,
        pool_of(client).acquire_rest() as rest,
    ):
        server.health = health
        with pytest.raises(FishError):
            await anext(rest.speak("Hello.", SETTINGS))
        server.health = 200
        assert decode_code_voice(await anext(rest.speak("Hello.", SETTINGS))) == "Hello."


async def test_it_is_not_asked_before_each_sentence() -> None:
    """A server that is not fish-speech is asked only every few seconds."""
    async with (
        FishSpeechEmulator() as server,
        _client(server) as client,
        pool_of(client).acquire_rest() as rest,
    ):
        server.health = 404
        for _ in range(3):
            with pytest.raises(FishError, match="Failed to generate speech"):
                await anext(rest.speak("Hello.", SpeechSettings()))
        questions = ["/v1/health", "/v1/audio/speech", "/v1/models"]
        assert server.asked == [*questions, *["/v1/tts"] * 3]


async def test_it_knows_no_several_speakers() -> None:
    """What it does not know is told, and not sent."""
    async with FishSpeechEmulator("code") as emulator:
        client = FishClient(Endpoint("", emulator.url))
        with pytest.raises(SettingsError, match="one voice"):
            await _speak(client, SpeechSettings(voice=("a", "b")))
        await client.close()


@pytest.mark.parametrize("after", [0, 1])
async def test_a_model_that_fails(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """An answer that breaks off is not complete."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.RETRY_TIMEOUT_S", 0.1)
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.FIRST_DELAY_S", 0.005)
    async with FishSpeechEmulator() as server:
        server.breaks_after = after
        client = FishClient(Endpoint("", server.url))
        with pytest.raises(FishError):
            await _speak(client)
        await client.close()
        assert (len(server.requests) == 1) == (after == 1)


async def test_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine is given more time than Fish's service, though not for ever."""
    monkeypatch.setattr("wyoming_fish.fish.api.tts.READ_TIMEOUT_S", 0.05)
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.RETRY_TIMEOUT_S", 0.05)
    async with FishSpeechEmulator() as server:
        client = FishClient(Endpoint("", server.url))
        server.delay = 0.08
        assert decode_code_voice(await _speak(client)) == TEXT
        monkeypatch.setattr("wyoming_fish.fish.api.tts.SELF_HOSTED_READ_TIMEOUT_S", 0.02)
        with pytest.raises(FishConnectionError):
            await _speak(client)
        await client.close()


async def test_its_references_are_voices() -> None:
    """Its references are listed, found and looked up as voices; credit it has none."""
    async with (
        FishSpeechEmulator(references=("Captain Kelp", "coral_2")) as server,
        FishClient(Endpoint("", server.url)) as account,
    ):
        kelp, coral = Voice("Captain Kelp", "Captain Kelp"), Voice("coral_2", "coral_2")
        assert await account.voices() == [kelp, coral]
        assert await account.search("kelp") == [kelp]
        assert await account.search(limit=1) == [kelp]
        assert await account.voice("coral_2") == coral
        with pytest.raises(VoiceNotFoundError):
            await account.voice("nobody")
        with pytest.raises(UnsupportedError, match="no API credit") as caught:
            await account.credit()
        assert caught.value.status == 404


async def test_its_key_is_checked_by_its_account() -> None:
    """A wrong key is told by the list of its voices too."""
    async with (
        FishSpeechEmulator(key="mine") as server,
        FishClient(Endpoint("yours", server.url)) as account,
    ):
        with pytest.raises(KeyRefusedError):
            await account.voices()


async def test_a_server_that_is_neither() -> None:
    """What has no speech at all is told to be no Fish."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\nConnection: close\r\n\r\nno.")

    async with listening(reply) as port:
        endpoint = Endpoint("", f"http://127.0.0.1:{port}")
        async with FishClient(endpoint) as account:
            client = FishClient(endpoint)
            with pytest.raises(ProtocolError, match="neither POST /v1/tts"):
                await _speak(client)
            assert await account.voices() == []
            await client.close()


async def test_fish_itself_is_not_asked() -> None:
    """A Fish Audio without a websocket is spoken to as one, and keeps its own account."""
    async with Emulator(EmulatorSettings(voice="code")) as emulator:
        async with FishClient(Endpoint("key", emulator.url)) as account:
            assert await account.voices()
            assert (await account.credit()).amount == 10
        assert {request.path for request in emulator.requests} == {
            "/model",
            "/wallet/self/api-credit",
        }
