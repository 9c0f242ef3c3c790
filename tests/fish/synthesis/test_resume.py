"""A reply that breaks off during its audio is resumed if it is certain what has been heard."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial

import pytest

from tests.fish.replies import RAW, SENTENCES, SETTINGS, TEXT, fish, speak
from wyoming_fish.emulator import Fault, decode_code_voice
from wyoming_fish.emulator.settings import FaultKind, FaultPoint, Reading
from wyoming_fish.emulator.voices.code import encode_code_voice
from wyoming_fish.fish import Backend, FishClient, SpeechSettings
from wyoming_fish.fish.errors import (
    BrokenStreamError,
    NoCreditError,
)

pytestmark = pytest.mark.usefixtures("brisk")

BREAKS: list[FaultKind] = ["drop", "close", "error", "finish-error"]

timed = partial(fish, timestamps=True)


class _Listener:
    """Writes each sentence when the one before has been heard, and hears what is said."""

    def __init__(self, sentences: tuple[str, ...] = SENTENCES) -> None:
        self.audio = b""
        self._sentences = sentences
        self._changed = asyncio.Event()

    @property
    def heard(self) -> str:
        return decode_code_voice(self.audio, allow_silence=True)

    async def text(self) -> AsyncIterator[str]:
        reply_text = 0
        for sentence in self._sentences:
            while len(self.audio) < reply_text * 120 * 2:
                self._changed.clear()
                await self._changed.wait()
            yield sentence
            reply_text += len(sentence.encode())

    async def listen(
        self,
        pool: FishClient,
        backend: Backend = Backend.S2_1_PRO,
        bridge: float | None = None,
    ) -> str:
        settings = SpeechSettings(backend=backend, sample_rate=24000)
        async for pcm in speak(pool, self.text(), settings, RAW, keepalive_s=bridge):
            self.audio += pcm if any(pcm) else b""
            self._changed.set()
        return self.heard


@pytest.mark.parametrize("reading", ["written", "normalised"])
@pytest.mark.parametrize("kind", BREAKS)
@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_break_between_two_sentences_is_not_heard(
    kind: FaultKind, at: int, reading: Reading
) -> None:
    """Where Fish breaks off while the text pauses, the reply goes on with the next sentence."""
    fault = Fault("text", kind, at=at)
    async with timed(fault, reading=reading) as (emulator, pool):
        assert await _Listener().listen(pool) == TEXT
        assert emulator.struck == [fault]
        first, second = emulator.sessions
        assert "".join(first.spoken + second.spoken) == TEXT
        assert second.timestamps


@pytest.mark.parametrize("reading", ["written", "normalised"])
@pytest.mark.parametrize("kind", BREAKS)
async def test_a_break_before_the_finish_is_not_heard(kind: FaultKind, reading: Reading) -> None:
    """Where all has been said and only the finish is missing, there is nothing left to say."""
    async with timed(Fault("finish", kind), reading=reading) as (emulator, pool):
        assert await _Listener().listen(pool) == TEXT
        assert len(emulator.sessions) == 1


async def test_every_sentence_may_break() -> None:
    """Break after break, as long as each session is heard: all is said, and nothing twice."""
    async with timed(Fault("text", "drop", at=1, times=None)) as (emulator, pool):
        assert await _Listener().listen(pool) == TEXT
        assert [session.spoken for session in emulator.sessions] == [[s] for s in SENTENCES]


async def test_breaks_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that breaks again and again is given up."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.MAX_RESUMES", 2)
    async with timed(Fault("text", "drop", at=1, times=None)) as (emulator, pool):
        listener = _Listener()
        with pytest.raises(BrokenStreamError, match="was interrupted"):
            await listener.listen(pool)
        assert listener.heard == "".join(SENTENCES[:3])
        assert len(emulator.sessions) == 3


async def test_after_a_break_there_are_tries_too() -> None:
    """What passes is tried again after a break as before the first audio."""
    faults = (Fault("text", "drop", at=1), Fault("start", "drop", times=2), Fault("upgrade", 503))
    async with timed() as (emulator, pool):
        emulator.settings.concurrency = 1
        listener = _Listener()

        async def break_off() -> None:
            await emulator.wait_for(lambda e: e.sessions[0].spoken == [SENTENCES[0]])
            emulator.settings.faults.extend(faults)

        breaking = asyncio.create_task(break_off())
        assert await listener.listen(pool) == TEXT
        await breaking
        assert set(emulator.struck) == set(faults)


async def test_after_a_break_the_deadline_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Fish stays away after a break, the reply is an error in the end."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.RETRY_TIMEOUT_S", 0.1)
    faults = [Fault("start", "drop", times=None), Fault("rest", "drop", times=None)]
    async with timed(Fault("text", "drop", at=1)) as (emulator, pool):
        listener = _Listener()
        listening = asyncio.create_task(listener.listen(pool))
        await emulator.wait_for(lambda e: e.sessions[0].spoken == [SENTENCES[0]])
        emulator.settings.faults.extend(faults)
        with pytest.raises(BrokenStreamError, match="was interrupted"):
            await listening
        assert listener.heard == SENTENCES[0]
        assert len(emulator.struck) > 2


async def test_what_lasts_is_told_after_a_break_too() -> None:
    """Credit that runs out between two sentences is told for what it is, at once."""
    async with timed(Fault("text", "drop", at=1)) as (emulator, pool):
        listener = _Listener()
        listening = asyncio.create_task(listener.listen(pool))
        await emulator.wait_for(lambda e: e.sessions[0].spoken == [SENTENCES[0]])
        emulator.settings.faults.append(Fault("upgrade", 402, times=None))
        # The socket that was ready for the next reply would be taken first.
        emulator.settings.faults.append(Fault("start", "drop"))
        with pytest.raises(NoCreditError):
            await listening
        assert listener.heard == SENTENCES[0]


async def test_the_break_is_bridged() -> None:
    """While nothing is to be said after a break, and while it is tried again, silence comes."""
    paused = asyncio.Event()
    silences = 0

    async def text() -> AsyncIterator[str]:
        yield SENTENCES[0]
        yield "Now"
        await paused.wait()
        yield " sleep well."

    async with timed(Fault("text", "drop", at=1)) as (_, pool):
        out = b""
        settings = SETTINGS
        async for pcm in speak(pool, text(), settings, RAW, keepalive_s=0.02):
            out += pcm
            silences += not any(pcm)
            if silences == 3:
                paused.set()
    assert silences >= 3
    assert decode_code_voice(out, allow_silence=True) == SENTENCES[0] + "Now sleep well."


@pytest.mark.parametrize("timestamps", [True, False])
@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("point", ["text", "audio"])
async def test_at_each_event_of_a_slow_text(point: FaultPoint, at: int, timestamps: bool) -> None:
    """The same if the text pauses. Without timestamps, a break in the audio is an error."""
    async with fish(
        Fault(point, "drop", at=at), timestamps=timestamps, frame=10.0, odd_frames=False
    ) as (emulator, pool):
        listener = _Listener()
        try:
            assert await listener.listen(pool) == TEXT
        except BrokenStreamError:
            assert emulator.struck
            assert TEXT.startswith(listener.heard)
            # Without corrections, each of the sentences is one event; with them, they are two.
            assert not timestamps or (point == "audio" and at % 2 == 1)


async def test_half_a_word_is_not_taken_for_a_word() -> None:
    """A break within the last word of a sentence is an error, also where all of it was told."""
    async with timed(Fault("audio", "drop", at=4), odd_frames=False, frame=0.05) as (_, pool):

        async def text() -> AsyncIterator[str]:
            yield "This is incomprehensible-and-then-some, isn't it-or-what-or-who? "
            await asyncio.Event().wait()

        with pytest.raises(BrokenStreamError):
            async for _ in speak(pool, text(), SETTINGS, RAW):
                pass


async def test_a_hang_within_the_last_word_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence from Fish Audio does not mean that a sentence is over."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.live_attempt.WATCHDOG_INTERVAL_S", 0.01)
    monkeypatch.setattr("wyoming_fish.fish.synthesis.live_attempt.SILENCE_TIMEOUT_S", 0.05)
    for at in range(1, 6):
        stall = Fault("audio", "stall", at=at)
        async with timed(stall, odd_frames=False, frame=0.02) as (emulator, pool):
            listener = _Listener(("Hello there, everybody.",))
            with contextlib.suppress(BrokenStreamError):
                assert await listener.listen(pool) == "Hello there, everybody."
            assert emulator.struck == [stall]


@pytest.mark.parametrize("kind", ["silent", "finish-early"])
async def test_an_early_end_is_not_taken_for_the_end(kind: FaultKind) -> None:
    """If Fish Audio goes silent between two sentences and finishes, the rest is spoken again."""
    fault = Fault("audio", kind, at=2)
    heard = asyncio.Event()

    async def text() -> AsyncIterator[str]:
        yield SENTENCES[0]
        await heard.wait()
        for sentence in SENTENCES[1:]:
            yield sentence

    async with timed(fault, frame=10.0, odd_frames=False) as (emulator, pool):
        out = b""
        async for pcm in speak(pool, text(), SETTINGS, RAW):
            out += pcm
            heard.set()
        assert decode_code_voice(out) == TEXT
        assert emulator.struck == [fault]


async def test_silence_at_the_end_is_an_error() -> None:
    """On the plain socket, a finish without any audio for the last of the text is an error."""
    fault = Fault("audio", "silent", at=1)
    async with fish(fault, timestamps=False, frame=10.0, odd_frames=False) as (_, pool):
        listener = _Listener(SENTENCES[:2])
        with pytest.raises(BrokenStreamError, match="before the end"):
            await listener.listen(pool)
        assert listener.heard == SENTENCES[0]


async def test_what_is_held_back_is_not_taken_for_heard() -> None:
    """Where Fish still keeps the end of a sentence, a break is an error."""
    async with timed(Fault("text", "drop", at=1), hold_back=0.01) as (_, pool):
        with pytest.raises(BrokenStreamError):
            async for _ in speak(pool, _held(), SETTINGS, RAW):
                pass


async def _held() -> AsyncIterator[str]:
    yield SENTENCES[0]
    yield "And"
    await asyncio.sleep(0.05)
    yield " so on."


@pytest.mark.parametrize("reading", ["written", "normalised"])
async def test_a_number_at_the_end(reading: Reading) -> None:
    """A sentence that ends with a number is known to be over where it is told as it was written."""
    text = ("It is half past 7:30. ", "Good night.")
    async with timed(Fault("text", "drop", at=1), reading=reading) as (_, pool):
        listener = _Listener(text)
        try:
            assert await listener.listen(pool) == "".join(text)
            assert reading == "written"
        except BrokenStreamError:
            assert reading == "normalised"
            assert listener.heard == text[0]


@pytest.mark.parametrize("backend", [Backend.S2_1_PRO, Backend.DRAMA_3])
@pytest.mark.parametrize("timestamps", [None, True, False])
async def test_where_timestamps_are_asked_for(backend: Backend, timestamps: bool | None) -> None:
    """The backends that may be served there only use the socket with timestamps by default."""
    async with fish(timestamps=timestamps) as (emulator, pool):
        assert await _Listener().listen(pool, backend) == TEXT
        (session,) = emulator.sessions
    wanted = backend is Backend.DRAMA_3 if timestamps is None else timestamps
    assert session.timestamps is wanted


async def test_without_that_socket_it_is_the_plain_one(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where there is no socket with timestamps, replies are as ever, and it is asked once."""
    caplog.set_level("INFO")
    async with timed() as (emulator, pool):
        emulator.settings.timestamps = False
        for _ in range(2):
            assert await _Listener().listen(pool) == TEXT
        assert not any(session.timestamps for session in emulator.sessions)
    assert caplog.text.count("no websocket with timestamps") == 1


@pytest.mark.parametrize("early_words", [False, True])
@pytest.mark.parametrize("frame", [0.02, 0.05, 0.46])
@pytest.mark.parametrize("at", range(1, 11))
async def test_audio_is_not_attributed_by_its_label(
    at: int, frame: float, early_words: bool
) -> None:
    """A label can be that of the chunk before: no sample is then said twice or left out."""
    fault = Fault("audio", "drop", at=at)
    told = {"late_labels": True, "early_words": early_words}
    async with timed(fault, frame=frame, odd_frames=False, **told) as (_, client):
        listener = _Listener()
        pcm = encode_code_voice(TEXT)
        try:
            await listener.listen(client)
            assert listener.audio == pcm
        except BrokenStreamError:
            assert pcm.startswith(listener.audio)
