"""Speaking, against an emulated Fish Audio over real sockets."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Iterable

import pytest

from tests.fish.replies import speak
from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault, decode_code_voice
from wyoming_fish.fish import Endpoint, FishClient, SpeechSettings
from wyoming_fish.fish.errors import (
    BrokenStreamError,
    FishConnectionError,
    VoiceNotFoundError,
)
from wyoming_fish.fish.synthesis.live_attempt import LiveAttempt

TEXT = "The kettle is on. It will take 3.5 minutes, «ungefähr» — 約三分。 Shall I call you?"

SETTINGS = SpeechSettings(sample_rate=24000)


async def _pieces(pieces: Iterable[str]) -> AsyncIterator[str]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


def _words(text: str) -> list[str]:
    return text.replace(" ", " \0").split("\0")


@contextlib.asynccontextmanager
async def _fish(
    settings: EmulatorSettings, *, concurrency: int = 5
) -> AsyncIterator[tuple[Emulator, FishClient]]:
    async with Emulator(settings) as emulator:
        client = FishClient(Endpoint("key", emulator.url), concurrency=concurrency, warm=0)
        try:
            yield emulator, client
        finally:
            await client.close()


async def _spoken(client: FishClient, pieces: Iterable[str]) -> bytes:
    out = []
    async for pcm in speak(client, _pieces(pieces), SETTINGS):
        assert pcm
        assert len(pcm) % 2 == 0
        out.append(pcm)
    return b"".join(out)


@pytest.mark.parametrize("after_finish", ["keep", "close", "drop"])
@pytest.mark.parametrize("riff", [False, True])
@pytest.mark.parametrize("odd_frames", [False, True])
async def test_what_goes_in_comes_out(after_finish: str, riff: bool, odd_frames: bool) -> None:
    """Sample by sample, whatever Fish does with frames, headers and sockets, reply after reply."""
    settings = EmulatorSettings(
        voice="code",
        frame=0.05,
        riff=riff,
        odd_frames=odd_frames,
        after_finish=after_finish,  # type: ignore[arg-type]
    )
    async with _fish(settings) as (emulator, client):
        for pieces in ([TEXT], list(TEXT), _words(TEXT)):
            assert decode_code_voice(await _spoken(client, pieces)) == TEXT
        assert emulator.sockets_opened == (1 if after_finish == "keep" else 3)
        assert {record.outcome for record in emulator.sessions} == {"finish"}


async def test_request_carries_the_settings() -> None:
    """Key, backend and settings reach Fish as they were set, in one session for one reply."""
    async with _fish(EmulatorSettings(voice="tone")) as (emulator, client):
        voice = emulator.settings.voices[0].id
        settings = SpeechSettings(
            backend="s1",  # type: ignore[arg-type]
            voice=voice,
            latency="low",  # type: ignore[arg-type]
            sample_rate=16000,
            speed=1.5,
        )
        async for _ in speak(client, _pieces(["Hello."]), settings):
            pass
        (session,) = emulator.sessions
    assert session.backend == "s1"
    assert session.request == settings.request()
    assert session.headers["model"] == "s1"


@pytest.mark.parametrize("pieces", [[], [""], [" ", "\n", "\t\u3000"]])
async def test_nothing_to_say(pieces: list[str]) -> None:
    """Blank text ends without audio, and Fish never hears of it."""
    async with _fish(EmulatorSettings(voice="code")) as (emulator, client):
        assert await _spoken(client, pieces) == b""
        assert emulator.sockets_opened == 0


async def test_audio_comes_while_text_is_written() -> None:
    """The first audio is there before the text has ended."""
    heard = asyncio.Event()

    async def text() -> AsyncIterator[str]:
        yield "Once upon a time. "
        yield "And"
        await heard.wait()
        yield " then."

    async with _fish(EmulatorSettings(voice="code", code_samples=4)) as (_, client):
        out = b""
        async for pcm in speak(client, text(), SETTINGS):
            out += pcm
            heard.set()
    assert decode_code_voice(out, 4) == "Once upon a time. And then."


async def test_twelve_at_once_under_a_limit_of_five() -> None:
    """Who comes too many waits in line; nobody is refused, and nothing is mixed up."""
    texts = [f"Reply number {number}. {TEXT}" for number in range(12)]
    settings = EmulatorSettings(voice="code", frame=0.05, odd_frames=True, concurrency=5)
    async with _fish(settings) as (emulator, client):
        spoken = await asyncio.gather(*(_spoken(client, _words(text)) for text in texts))
        assert [decode_code_voice(pcm) for pcm in spoken] == texts
        assert emulator.errors == []
        assert emulator.sockets_opened == 5


async def test_leaving_closes_the_socket() -> None:
    """A listener that leaves during the audio frees the session: the next one must not hear it."""
    settings = EmulatorSettings(voice="code", frame=0.01, pace=0.01)
    async with _fish(settings, concurrency=1) as (emulator, client):
        async with contextlib.aclosing(speak(client, _pieces([TEXT * 5]), SETTINGS)) as audio:
            await anext(audio)
        await emulator.wait_for(lambda e: e.sockets_open == 0 and e.sessions_open == 0)
        assert emulator.sessions[0].outcome == "left"
        assert decode_code_voice(await _spoken(client, [TEXT])) == TEXT


async def test_a_reply_that_is_over_is_forgotten() -> None:
    """Nothing goes on for a reply that has ended: neither a timer nor a task keeps it."""

    def replies() -> int:
        gc.collect()
        return sum(type(each) is LiveAttempt for each in gc.get_objects())

    async with _fish(EmulatorSettings(voice="code")) as (_, client):
        before = replies()
        await _spoken(client, [TEXT])
        assert replies() == before


async def test_cancelling_closes_the_socket() -> None:
    """A cancelled reply frees its session too, while it waits for text."""
    waiting = asyncio.Event()

    async def text() -> AsyncIterator[str]:
        yield "Just a moment. I am"
        waiting.set()
        await asyncio.Event().wait()

    async def reply() -> None:
        async for _ in speak(client, text(), SETTINGS):
            pass

    async with _fish(EmulatorSettings(voice="code")) as (emulator, client):
        task = asyncio.create_task(reply())
        await waiting.wait()
        await emulator.wait_for(lambda e: e.sessions_open == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await emulator.wait_for(lambda e: e.sockets_open == 0)


async def test_failing_text_fails_the_reply() -> None:
    """What the text raises is raised, and the session is freed."""

    async def text() -> AsyncIterator[str]:
        yield "It begins well"
        raise LookupError("and ends badly")

    async with _fish(EmulatorSettings(voice="code")) as (emulator, client):
        with pytest.raises(LookupError, match="badly"):
            async for _ in speak(client, text(), SETTINGS):
                pass
        await emulator.wait_for(lambda e: e.sockets_open == 0)


async def test_idle_socket_that_died() -> None:
    """A kept socket that Fish has dropped meanwhile costs the reply nothing."""
    settings = EmulatorSettings(voice="code")
    async with _fish(settings) as (emulator, client):
        await _spoken(client, ["First."])
        # It looks alive until it is used: Fish drops it as the next session starts.
        emulator.settings.faults.append(Fault("start", "drop"))
        assert decode_code_voice(await _spoken(client, [TEXT])) == TEXT
        assert emulator.sockets_opened == 2


async def test_unknown_voice() -> None:
    """A voice that is not there is named as the cause."""
    async with _fish(EmulatorSettings(voice="code")) as (_, client):
        with pytest.raises(VoiceNotFoundError):
            async for _ in speak(client, _pieces([TEXT]), SpeechSettings(voice="0" * 32)):
                pass


@pytest.mark.usefixtures("impatient")
async def test_fish_that_cannot_be_reached() -> None:
    """A closed port is a connection error that says what to check."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        url = emulator.url
    with pytest.raises(FishConnectionError, match="Check that it runs, its address and port"):
        await _spoken(FishClient(Endpoint("key", url), warm=0), [TEXT])


@pytest.mark.usefixtures("impatient")
async def test_silence_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Fish says nothing more, the reply fails in the end instead of hanging."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.live_attempt.WATCHDOG_INTERVAL_S", 0.01)
    monkeypatch.setattr("wyoming_fish.fish.synthesis.live_attempt.SILENCE_TIMEOUT_S", 0.05)
    settings = EmulatorSettings(voice="code", frame=0.05, faults=[Fault("audio", "stall", at=2)])
    async with _fish(settings) as (_, client):
        with pytest.raises(BrokenStreamError, match="silent"):
            await _spoken(client, [TEXT])


async def test_pauses_are_bridged() -> None:
    """While the text pauses, a little silence comes now and then, and nothing of it is lost."""
    bridged = asyncio.Event()

    async def text() -> AsyncIterator[str]:
        yield "One moment, please. "
        yield "It"
        await bridged.wait()
        yield " is five."

    silences = 0
    async with _fish(EmulatorSettings(voice="code")) as (_, client):
        out = b""
        async for pcm in speak(client, text(), SETTINGS, keepalive_s=0.05):
            out += pcm
            silences += not any(pcm)
            if silences == 3:
                bridged.set()
    assert silences >= 3
    assert decode_code_voice(out, allow_silence=True) == "One moment, please. It is five."


async def test_no_silence_before_the_first_word() -> None:
    """Before anything was said there is nothing to bridge: an error can still be one."""

    async def text() -> AsyncIterator[str]:
        yield "It"
        await asyncio.sleep(0.05)
        yield " is five."

    async with (
        _fish(EmulatorSettings(voice="code", first_audio=0.05)) as (_, client),
        contextlib.aclosing(speak(client, text(), SETTINGS, keepalive_s=0.01)) as audio,
    ):
        assert any(await anext(audio))


async def test_the_text_pauses_after_a_sentence() -> None:
    """A sentence is heard while the agent is busy, though what it will write next is not known."""
    heard = asyncio.Event()

    async def text() -> AsyncIterator[str]:
        yield "**One** moment, "
        yield "please."
        await heard.wait()
        yield " *It* is five."

    async with _fish(EmulatorSettings(voice="code")) as (_, client):
        out = b""
        async for pcm in speak(client, text(), SETTINGS):
            out += pcm
            heard.set()
    assert decode_code_voice(out) == "One moment, please. It is five."


async def test_the_first_sentence_is_flushed() -> None:
    """Fish is told to speak the first sentence when it is there, and the rest as one."""
    pieces = _words("Good morning to you all. It is five. It is late. Sleep well.")
    # All of the text is there before the first audio, from which on the audio's clock counts.
    async with _fish(EmulatorSettings(voice="code", first_audio=0.1)) as (emulator, client):
        await _spoken(client, pieces)
        (session,) = emulator.sessions
    assert session.texts == ["Good morning to you all. ", "It is five. It is late. Sleep well."]
    assert session.events[:3] == ["start", "text", "flush"]
