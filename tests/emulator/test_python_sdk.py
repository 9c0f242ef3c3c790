"""The official Python SDK, `fish-audio-sdk`, unchanged against the emulator."""

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Iterator

import fish_audio_sdk
import fishaudio  # type: ignore[import-untyped]
import pytest
import pytest_asyncio
from fishaudio.types import FlushEvent, TTSConfig  # type: ignore[import-untyped]

from tests.emulator.client import emulated
from wyoming_fish.emulator import VOICES, Emulator, Fault, decode_code_voice

VOICE = VOICES[0]
WORDS = ("Hello ", "from ", "the ", "official ", "kit. ", "Good ", "bye.")


def words() -> Iterator[str]:
    """Words as a language model writes them."""
    yield from WORDS


async def words_later() -> AsyncIterator[str]:
    """Words that have to be waited for."""
    for word in WORDS:
        await asyncio.sleep(0)
        yield word


@pytest_asyncio.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """An account with a key, whose sockets close after finish."""
    async with emulated(key="right", after_finish="close") as emulator:
        yield emulator


@pytest_asyncio.fixture
async def client(emulator: Emulator) -> AsyncIterator[fishaudio.AsyncFishAudio]:
    """The SDK with that key."""
    async with fishaudio.AsyncFishAudio(api_key="right", base_url=emulator.url) as client:
        yield client


async def test_account(emulator: Emulator, client: fishaudio.AsyncFishAudio) -> None:
    """Credit and package parse; a refused key is the SDK's own error."""
    wallet = await client.account.get_credits()
    assert wallet.credit == emulator.settings.credit
    assert wallet.user_id == emulator.settings.user_id
    assert (await client.account.get_credits(check_free_credit=True)).has_free_credit is False
    assert (await client.account.get_package()).user_id == emulator.settings.user_id
    async with fishaudio.AsyncFishAudio(api_key="wrong", base_url=emulator.url) as stranger:
        with pytest.raises(fishaudio.AuthenticationError, match="Invalid Token"):
            await stranger.account.get_credits()


async def test_voices(client: fishaudio.AsyncFishAudio) -> None:
    """Voices parse, listed and one by one; an unknown one is the SDK's own error."""
    everybody = await client.voices.list()
    assert [voice.title for voice in everybody.items] == ["Étoile de mer", "汐", "Coral"]
    own = await client.voices.list(self_only=True, page_size=2, language=["en"])
    assert (own.total, len(own.items)) == (2, 2)
    voice = await client.voices.get(VOICE.id)
    assert (voice.id, voice.languages, voice.state) == (VOICE.id, ["en"], "trained")
    with pytest.raises(fishaudio.NotFoundError):
        await client.voices.get("0" * 32)


async def test_convert(emulator: Emulator, client: fishaudio.AsyncFishAudio) -> None:
    """Speech in one request, in each format, with each thing that can be asked of it."""
    config = TTSConfig(sample_rate=16000, chunk_length=100)
    pcm = await client.tts.convert(
        text="Hello.", format="pcm", reference_id=VOICE.id, speed=1.2, config=config
    )
    assert decode_code_voice(pcm) == "Hello."
    assert emulator.sessions[0].backend == "s2-pro"
    wav = await client.tts.convert(text="Hello.", format="wav", latency="normal")
    assert decode_code_voice(wav[44:]) == "Hello."
    emulator.settings.voice = "tone"
    opus = await client.tts.convert(text="Hello.", format="opus")
    assert opus.startswith(b"OggS")
    mp3 = await client.tts.convert(text="Hello, this is the default format.")
    assert mp3[0] == 0xFF
    assert len(mp3) > 10_000
    with pytest.raises(fishaudio.APIError, match="Reference not found"):
        await client.tts.convert(text="Hello.", reference_id="0" * 32)


async def test_realtime(emulator: Emulator, client: fishaudio.AsyncFishAudio) -> None:
    """Text streamed in is spoken, whether the socket then closes or stays."""
    for after_finish in ("close", "keep"):
        emulator.settings.after_finish = after_finish
        audio = [
            chunk
            async for chunk in client.tts.stream_websocket(
                words_later(), format="pcm", reference_id=VOICE.id, model="s1"
            )
        ]
        assert decode_code_voice(b"".join(audio)) == "".join(WORDS)
    record = emulator.sessions[0]
    assert record.events == ["start", *["text"] * len(WORDS), "stop"]
    assert (record.backend, record.texts) == ("s1", list(WORDS))
    assert record.request["reference_id"] == VOICE.id
    assert record.request["prosody"] is None


async def test_realtime_with_flush(emulator: Emulator, client: fishaudio.AsyncFishAudio) -> None:
    """The SDK's flush event is understood."""

    async def texts() -> AsyncIterator[str | FlushEvent]:
        yield "One. "
        yield FlushEvent()
        yield "Two."

    audio = [chunk async for chunk in client.tts.stream_websocket(texts(), format="pcm")]
    assert [decode_code_voice(chunk) for chunk in audio] == ["One. ", "Two."]


async def test_realtime_that_fails(emulator: Emulator, client: fishaudio.AsyncFishAudio) -> None:
    """A finish with an error is the SDK's own error."""
    emulator.settings.faults.append(Fault("audio", "finish-error"))
    # Newer versions of httpx-ws, which it stands on, hand it on in a group.
    with pytest.RaisesGroup(fishaudio.WebSocketError, allow_unwrapped=True, flatten_subgroups=True):
        async for _ in client.tts.stream_websocket(words_later(), format="pcm"):
            pass


async def test_blocking_client(emulator: Emulator) -> None:
    """The SDK's other half, without asyncio, does all of it as well."""

    def run() -> None:
        with fishaudio.FishAudio(api_key="right", base_url=emulator.url) as client:
            assert client.account.get_credits().credit == emulator.settings.credit
            assert client.voices.list(title="kelp", self_only=True).items[0].id == VOICE.id
            assert client.voices.get(VOICE.id).title == VOICE.title
            wav = client.tts.convert(text="Hello.", format="wav")
            assert decode_code_voice(wav[44:]) == "Hello."
            chunks = b"".join(client.tts.stream(text="Hello.", format="pcm"))
            assert decode_code_voice(chunks) == "Hello."
            heard = b"".join(client.tts.stream_websocket(words(), format="pcm"))
            assert decode_code_voice(heard) == "".join(WORDS)
            mp3 = b"".join(client.tts.stream_websocket(words()))
            assert mp3[0] == 0xFF

    await asyncio.to_thread(run)


async def test_legacy_client(emulator: Emulator) -> None:
    """The older interface that the same package still carries does all of it as well."""

    def run() -> None:
        session = fish_audio_sdk.Session("right", base_url=emulator.url)
        with session:
            assert session.get_api_credit().credit == emulator.settings.credit
            assert session.get_package().user_id == emulator.settings.user_id
            assert session.list_models(self_only=True).total == 3
            assert session.get_model(VOICE.id).title == VOICE.title
            request = fish_audio_sdk.TTSRequest(text="Hello.", format="wav")
            wav = b"".join(session.tts(request))
            with wave.open(io.BytesIO(wav)) as header:
                assert header.getframerate() == 44100
            assert decode_code_voice(wav[44:]) == "Hello."
            with pytest.raises(fish_audio_sdk.HttpCodeErr, match="404"):
                session.get_model("0" * 32)
        with fish_audio_sdk.WebSocketSession("right", base_url=emulator.url) as realtime:
            request = fish_audio_sdk.TTSRequest(text="", format="pcm")
            heard = b"".join(realtime.tts(request, words()))
            assert decode_code_voice(heard) == "".join(WORDS)

    await asyncio.to_thread(run)
    assert emulator.sessions[-1].backend == "s2.1-pro"


async def test_legacy_asyncio_client(emulator: Emulator) -> None:
    """So does its asynchronous half."""
    async with fish_audio_sdk.AsyncWebSocketSession("right", base_url=emulator.url) as realtime:
        request = fish_audio_sdk.TTSRequest(text="", format="pcm", reference_id=VOICE.id)
        audio = [chunk async for chunk in realtime.tts(request, words_later())]
    assert decode_code_voice(b"".join(audio)) == "".join(WORDS)
