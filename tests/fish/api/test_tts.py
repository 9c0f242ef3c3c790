"""Replies by REST: a request for each sentence."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.fish.replies import RAW, SENTENCES, SETTINGS, TEXT, fish, pool_of, speak, speech, words
from tests.support.idle_clock import pass_time, run
from tests.support.listening import answering
from wyoming_fish.emulator import Fault, decode_code_voice
from wyoming_fish.emulator.settings import FaultKind
from wyoming_fish.emulator.voices.code import encode_code_voice
from wyoming_fish.fish import Backend, Endpoint, FishClient, FishError, SpeechSettings
from wyoming_fish.fish.errors import (
    BrokenStreamError,
    FishConnectionError,
    KeyRefusedError,
    NoAudioError,
    NoCreditError,
    ProtocolError,
    SettingsError,
    VoiceNotFoundError,
)

pytestmark = pytest.mark.usefixtures("brisk")

# No websocket, so all that is said goes by REST.
MISSING = Fault("upgrade", 404, times=None)


async def test_the_request_carries_the_settings() -> None:
    """By REST too, key, backend and settings reach Fish as they were set."""
    async with fish(MISSING, key="very") as (emulator, _):
        client = FishClient(Endpoint("very", emulator.url))
        voice = emulator.settings.voices[0].id
        settings = SpeechSettings(
            backend=Backend.S1, voice=voice, sample_rate=16000, speed=1.5, temperature=0.5
        )
        async for _ in speak(client, words(), settings):
            pass
        await client.close()
        first = emulator.sessions[0]
    assert first.backend == "s1"
    assert first.request == settings.request() | {"text": SENTENCES[0]}
    assert first.headers["user-agent"] == "wyoming-fish"


@pytest.mark.parametrize("riff", [False, True])
def test_each_sentence_is_streamed_as_it_is_written(riff: bool) -> None:
    """A sentence is heard while the next one is not yet written, header or none."""
    out = b""

    async def hear() -> None:
        nonlocal out
        heard = asyncio.Event()

        async def text() -> AsyncIterator[str]:
            for sentence in SENTENCES:
                yield sentence
                heard.clear()
                await heard.wait()

        async with fish(MISSING, riff=riff) as (emulator, client):
            async for pcm in speak(client, text(), SETTINGS, RAW):
                out += pcm
                if out in [encode_code_voice("".join(SENTENCES[:n])) for n in range(1, 5)]:
                    heard.set()
            assert [session.texts[0] for session in emulator.sessions] == list(SENTENCES)

    run(hear())
    assert decode_code_voice(out) == TEXT


def test_a_sentence_is_asked_for_when_the_audio_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """By REST too it is the audio's clock that tells how long a sentence may wait."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.flush_scheduler.QUIET_S", 1.5)

    async def wait() -> float:
        reply_text = 0.0
        loop = asyncio.get_running_loop()

        async def text() -> AsyncIterator[str]:
            nonlocal reply_text
            yield SENTENCES[0]
            await pass_time(0.5)
            reply_text = loop.time()
            yield SENTENCES[2]
            await asyncio.Event().wait()

        async with fish(MISSING) as (_, client):
            speech = speak(client, text(), SETTINGS, RAW)
            async with contextlib.aclosing(speech) as audio:
                async for _ in audio:
                    if reply_text:
                        return loop.time() - reply_text
        raise AssertionError("The second sentence is never heard.")

    assert run(wait()) < 0.5


async def test_pauses_are_bridged() -> None:
    """While the text pauses, silence comes by REST as well."""
    paused = asyncio.Event()
    silences = 0
    out = b""

    async def text() -> AsyncIterator[str]:
        yield SENTENCES[0]
        await paused.wait()
        yield SENTENCES[1]

    async with fish(MISSING) as (_, client):
        async for pcm in speak(client, text(), SETTINGS, RAW, keepalive_s=0.02):
            out += pcm
            silences += not any(pcm)
            if silences == 3:
                paused.set()
    assert decode_code_voice(out, allow_silence=True) == SENTENCES[0] + SENTENCES[1]


@pytest.mark.parametrize(
    ("kind", "error"),
    [(401, KeyRefusedError), (402, NoCreditError), (400, FishError), (404, ProtocolError)],
)
async def test_what_lasts_is_told(kind: int, error: type[FishError]) -> None:
    """What asking again does not mend is told at once, by REST too."""
    async with fish(MISSING, Fault("rest", kind, times=None)) as (emulator, client):
        with pytest.raises(error) as caught:
            await speech(client)
        assert caught.value.status == kind
        assert [request.path for request in emulator.requests] == ["/v1/tts"]


async def test_an_unknown_voice_is_told() -> None:
    """Fish's own words tell a voice that it does not know from a path that is not there."""
    async with fish(MISSING) as (_, client):
        with pytest.raises(VoiceNotFoundError):
            await speech(client, SpeechSettings(voice="0" * 32))


@pytest.mark.parametrize("kind", [503, "drop"])
async def test_a_sentence_that_has_not_begun_is_tried_again(kind: FaultKind | int) -> None:
    """During a reply, only the sentences that were not heard at all are requested again."""
    fault = Fault("rest", kind, times=2)
    heard = asyncio.Event()

    async def text() -> AsyncIterator[str]:
        yield SENTENCES[0]
        await heard.wait()
        yield SENTENCES[1]

    async with fish(MISSING) as (emulator, client):
        out = b""
        async for pcm in speak(client, text(), SETTINGS, RAW):
            out += pcm
            if not heard.is_set():
                emulator.settings.faults.append(fault)
                heard.set()
        assert emulator.struck[-2:] == [fault] * 2
    assert decode_code_voice(out) == SENTENCES[0] + SENTENCES[1]


async def test_a_break_within_a_sentence_is_an_error() -> None:
    """What was heard in part is neither left at that nor said again."""
    async with fish(MISSING, Fault("audio", "drop", at=3)) as (emulator, client):
        with pytest.raises(BrokenStreamError, match="was interrupted"):
            await speech(client)
        assert len(emulator.sessions) == 1


async def test_an_empty_answer_is_an_error() -> None:
    """An answer without audio is tried once more, and then told."""
    async with fish(MISSING, Fault("audio", "silent", times=None)) as (emulator, client):
        with pytest.raises(NoAudioError):
            await speech(client)
        assert len(emulator.sessions) == 2


async def test_marks_alone_are_no_request() -> None:
    """What cannot be heard by itself is spoken with the text beside it."""

    async def text() -> AsyncIterator[str]:
        for part in ("\n", "— ", "Hello there. ", "… ", "Bye. ", "\n»"):
            yield part
            await asyncio.sleep(0.03)

    async with fish(MISSING) as (emulator, client):
        async for _ in speak(client, text(), SETTINGS, RAW):
            pass
        # The last mark may come when all words have been sent.
        sent = "".join(s.texts[0] for s in emulator.sessions).split()
        assert sent[:5] == "— Hello there. … Bye.".split()
        assert all(any(map(str.isalnum, s.texts[0])) for s in emulator.sessions)


async def test_twelve_at_once_under_a_limit_of_five() -> None:
    """By REST too, who comes too many waits in line, and nobody is refused."""
    async with fish(MISSING, concurrency=5) as (emulator, client):
        assert await asyncio.gather(*(speech(client) for _ in range(12))) == [TEXT] * 12
        assert {session.outcome for session in emulator.sessions} == {"finish"}


async def test_concurrency_is_learnt() -> None:
    """An account that may have one session at a time is served one reply at a time."""
    async with fish(MISSING, concurrency=1) as (_, client):
        assert await asyncio.gather(*(speech(client) for _ in range(4))) == [TEXT] * 4


async def test_leaving_ends_the_request() -> None:
    """A listener that leaves during the audio frees the session."""
    async with fish(MISSING, frame=0.01, pace=1.0, odd_frames=False) as (emulator, client):
        async with contextlib.aclosing(speak(client, words(), SETTINGS)) as audio:
            await anext(audio)
        await emulator.wait_for(lambda e: e.sessions_open == 0)
        assert emulator.sessions[0].outcome == "left"


async def test_a_session_that_is_handed_in_is_left_open() -> None:
    """The caller's aiohttp session is used, and not closed."""
    async with fish(MISSING) as (emulator, _), aiohttp.ClientSession() as session:
        client = FishClient(Endpoint("key", emulator.url), session=session)
        assert await speech(client) == TEXT
        await client.close()
        assert not session.closed
        async with session.get(emulator.url + "/model") as response:
            assert response.status == 401


async def test_a_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """REST goes through the proxy that the websocket would, and a .netrc changes nothing."""
    (tmp_path / ".netrc").write_text("default login somebody password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    async with fish(MISSING) as (emulator, _):
        monkeypatch.setenv("http_proxy", emulator.url)
        monkeypatch.setenv("no_proxy", "")
        client = FishClient(Endpoint("key", "http://fish.invalid"))
        # As a proxy of HTTP is asked, and as the emulator does not mind to be.
        pool_of(client).breaker.mark_unsupported()
        assert await speech(client) == TEXT
        await client.close()
        assert emulator.sessions[0].headers["host"] == "fish.invalid"


async def test_after_closing_nothing_is_opened() -> None:
    """A reply that is asked for after the end is an error, and leaves nothing open."""
    async with fish(MISSING) as (_, client):
        assert await speech(client) == TEXT
        await client.close()
        with pytest.raises(FishConnectionError, match="closed"):
            async with pool_of(client).acquire_rest() as rest:
                await anext(rest.speak("Hello.", SETTINGS))


async def test_half_a_character_is_refused() -> None:
    """A lone surrogate is a SettingsError that does not quote the text."""
    async with fish(MISSING) as (_, client), pool_of(client).acquire_rest() as rest:
        with pytest.raises(SettingsError, match="half of a character"):
            await anext(rest.speak("It is \ud83d.", SETTINGS))


@pytest.mark.parametrize("kind", ["text/html", "text/plain", "application/json"])
async def test_a_page_is_not_played(kind: str) -> None:
    """What a login page or another server answers is an error, and not noise."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=b"<p>Log in</p>" * 1000, content_type=kind)

    async with answering(answer) as url, FishClient(Endpoint("key", url)) as client:
        with pytest.raises(ProtocolError, match=kind):
            async for _ in speak(client, words(), SETTINGS):
                pass
