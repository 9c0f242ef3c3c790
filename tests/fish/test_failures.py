"""What becomes of a reply when Fish fails, at every point of a session."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault, decode_code_voice
from wyoming_fish.emulator.settings import FaultKind, FaultPoint
from wyoming_fish.fish import Backend, Endpoint, FishError, Sockets, SpeechSettings, speak
from wyoming_fish.fish.errors import (
    BrokenStreamError,
    FishConnectionError,
    KeyRefusedError,
    LimitError,
    NoAudioError,
    NoCreditError,
    UnavailableError,
)

TEXT = "Good night. The doors are locked, and it is 19.5 degrees outside. Sleep well. See you."

# Faults before any audio, which pass: the reply is whole, if only Fish recovers in time.
PASSING: list[tuple[FaultPoint, FaultKind | int, type[FishError]]] = [
    ("upgrade", 429, LimitError),
    ("upgrade", 500, UnavailableError),
    ("upgrade", 503, UnavailableError),
    ("upgrade", "drop", FishConnectionError),
    ("start", "drop", FishConnectionError),
    ("start", "close", FishConnectionError),
    ("start", "finish-error", BrokenStreamError),
    ("text", "drop", FishConnectionError),
    ("text", "close", FishConnectionError),
    ("text", "finish-error", BrokenStreamError),
    ("audio", "drop", FishConnectionError),
    ("audio", "close", FishConnectionError),
    ("audio", "finish-error", BrokenStreamError),
]

# Faults that do not: they are told at once.
LASTING: list[tuple[FaultPoint, FaultKind | int, type[FishError]]] = [
    ("upgrade", 400, FishError),
    ("upgrade", 401, KeyRefusedError),
    ("upgrade", 402, NoCreditError),
    ("start", "silent", NoAudioError),
    ("audio", "silent", NoAudioError),
]

# Faults amid the audio, or at a moment when nobody can tell.
BREAKING: list[tuple[FaultPoint, FaultKind, int]] = [
    *((point, "finish-early", 0) for point in ("start", "text")),
    *(("audio", kind, at) for kind in ("drop", "close", "error", "finish-error") for at in (1, 3)),
    *(("finish", kind, 0) for kind in ("drop", "close", "error", "finish-error")),
]


@pytest.fixture(autouse=True, params=["plain", "with timestamps"])
def _brisk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses and deadlines of hundredths of a second, on each of the two sockets."""
    if request.param != "plain":
        monkeypatch.setattr("wyoming_fish.fish.sockets.TIMESTAMPED", frozenset(Backend))
    monkeypatch.setattr("wyoming_fish.fish.retries.FIRST_DELAY", 0.005)
    monkeypatch.setattr("wyoming_fish.fish.retries.RETRY_TIME", 2.0)
    monkeypatch.setattr("wyoming_fish.fish.retries.LONGEST_DELAY", 0.02)


async def _text() -> AsyncIterator[str]:
    for word in TEXT.replace(" ", " \0").split("\0"):
        yield word
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def _fish(*faults: Fault) -> AsyncIterator[tuple[Emulator, Sockets]]:
    settings = EmulatorSettings(voice="code", frame=0.05, odd_frames=True, faults=list(faults))
    async with Emulator(settings) as emulator:
        sockets = Sockets(Endpoint("key", emulator.url))
        try:
            yield emulator, sockets
        finally:
            await sockets.close()
            # Whatever happened, nothing is left behind.
            await emulator.wait_for(lambda e: e.sockets_open == 0 and e.sessions_open == 0)


async def _speak(sockets: Sockets) -> str:
    speech = speak(sockets, _text(), SpeechSettings(sample_rate=24000))
    return decode_code_voice(b"".join([pcm async for pcm in speech]))


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(("point", "kind", "error"), PASSING)
async def test_what_passes_costs_nothing(
    point: FaultPoint, kind: FaultKind | int, error: type[FishError], times: int
) -> None:
    """Before the first audio, a failure that passes is not noticed: the reply is whole."""
    fault = Fault(point, kind, times=times)
    async with _fish(fault) as (emulator, sockets):
        assert await _speak(sockets) == TEXT
        assert emulator.struck == [fault] * times
        assert issubclass(error, FishError)


@pytest.mark.parametrize(("point", "kind", "error"), PASSING)
async def test_what_does_not_pass_in_time_is_told(
    monkeypatch: pytest.MonkeyPatch,
    point: FaultPoint,
    kind: FaultKind | int,
    error: type[FishError],
) -> None:
    """A failure that goes on is tried again for a while, and then told for what it is."""
    monkeypatch.setattr("wyoming_fish.fish.retries.RETRY_TIME", 0.25)
    # What cannot be had by websocket may still be had by REST.
    rest = [Fault("rest", kind, times=None)] if point == "upgrade" else []
    async with _fish(Fault(point, kind, times=None), *rest) as (emulator, sockets):
        with pytest.raises(error):
            await _speak(sockets)
        assert len(emulator.struck) > 2


@pytest.mark.parametrize(("point", "kind", "error"), LASTING)
async def test_what_lasts_is_told_at_once(
    point: FaultPoint, kind: FaultKind | int, error: type[FishError]
) -> None:
    """A failure that asking again does not mend is told after the first try."""
    async with _fish(Fault(point, kind, times=None)) as (emulator, sockets):
        with pytest.raises(error):
            await _speak(sockets)
        # A warm socket may have been tried too.
        assert len(emulator.struck) <= 2


@pytest.mark.parametrize("times", [1, 3, None])
@pytest.mark.parametrize(("point", "kind", "at"), BREAKING)
async def test_amid_the_audio_it_is_whole_or_an_error(
    point: FaultPoint, kind: FaultKind, at: int, times: int | None
) -> None:
    """A reply that breaks off is an error, or it is whole; never a cut one that looks whole."""
    async with _fish(Fault(point, kind, at=at, times=times)) as (emulator, sockets):
        try:
            spoken = await _speak(sockets)
        except FishError:
            pass
        else:
            assert spoken == TEXT
        assert emulator.struck


async def test_no_answer_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that takes the text and never answers is given up for another one."""
    monkeypatch.setattr("wyoming_fish.fish.live_reply.ANSWER_LIMIT", 0.1)
    monkeypatch.setattr("wyoming_fish.fish.live_reply.LOOK", 0.02)
    async with _fish(Fault("start", "stall")) as (emulator, sockets):
        assert await _speak(sockets) == TEXT
        assert len(emulator.sessions) == 2


async def test_text_that_comes_meanwhile_is_kept() -> None:
    """While a reply is tried again, its text goes on coming, and none of it is lost."""
    failed = asyncio.Event()

    async def text() -> AsyncIterator[str]:
        yield "Good night. The doors "
        await failed.wait()
        yield "are locked."

    async with _fish(Fault("text", "drop", times=2)) as (emulator, sockets):

        async def watch() -> None:
            await emulator.wait_for(lambda e: len(e.struck) == 2)
            failed.set()

        watching = asyncio.create_task(watch())
        out = b""
        async for pcm in speak(sockets, text(), SpeechSettings(sample_rate=24000)):
            out += pcm
        await watching
    assert decode_code_voice(out) == "Good night. The doors are locked."


async def test_concurrency_is_learnt() -> None:
    """An account that may have one session at a time is served one reply at a time."""
    async with _fish() as (emulator, sockets):
        emulator.settings.concurrency = 1
        assert await asyncio.gather(*(_speak(sockets) for _ in range(4))) == [TEXT] * 4


async def test_waiting_in_line_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits too long for a session is told that there are too few."""
    monkeypatch.setattr("wyoming_fish.fish.slots.PATIENCE", 0.02)
    monkeypatch.setattr("wyoming_fish.fish.retries.RETRY_TIME", 0.05)
    async with Emulator(EmulatorSettings(voice="code")) as emulator:
        sockets = Sockets(Endpoint("key", emulator.url), concurrency=1)
        async with sockets.lend(SpeechSettings().backend):
            with pytest.raises(LimitError, match="All 1 sessions"):
                await _speak(sockets)
        assert await _speak(sockets) == TEXT
        await sockets.close()
