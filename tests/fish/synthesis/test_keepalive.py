"""Silence where speech pauses, without any Fish Audio: over speech that a test holds in hand."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.idle_clock import pass_time, run
from wyoming_fish.fish.owner import NO_OWNER
from wyoming_fish.fish.reply_metrics import ReplyMetrics
from wyoming_fish.fish.synthesis.keepalive import (
    FLUSH_AFTER_S,
    FLUSH_BEFORE_END_S,
    FLUSH_S,
    LEAD_S,
    KeepAlive,
)
from wyoming_fish.fish.synthesis.read_ahead import ReadAhead, ReadAheads, read_ahead

# Seconds after which a gap is bridged: of those that are to be, and of those that never are.
SOON: Final = 0.005
NEVER: Final = 600.0

RATE: Final = 16000


@dataclass
class Silence:
    """What a keep-alive is made of, in the event loop of the test."""

    every: float
    is_pending: Callable[[], bool] = lambda: True
    began: float | None = None

    def keepalive(self) -> KeepAlive:
        """The keep-alive, for a listener that comes now."""
        metrics = ReplyMetrics(text_began=self.began)
        return KeepAlive(self.every, RATE, self.is_pending, metrics, began_at=0.0)


def _silence(every: float, *, pending: bool = True, began: float | None = None) -> Silence:
    return Silence(every, lambda: pending, began)


async def with_keepalive(speech: AsyncGenerator[bytes], silence: Silence) -> AsyncGenerator[bytes]:
    """``speech`` as a listener hears it, with silence in its pauses."""

    async def write(audio: ReadAhead) -> None:
        async with contextlib.aclosing(speech):
            async for pcm in speech:
                await audio.write(pcm, is_ending=False)

    keepalive = silence.keepalive()
    audio = read_ahead(ReadAheads(), NO_OWNER, RATE, lambda: False, write, keepalive)
    async with contextlib.aclosing(audio):
        async for pcm in audio:
            yield pcm


PIECE: Final = KeepAlive(NEVER, RATE, bool, ReplyMetrics(), 0.0).piece
FLUSH: Final = KeepAlive(NEVER, RATE, bool, ReplyMetrics(), 0.0).flush

# Turns of the event loop: more than anything here takes.
TURNS: Final = 20


class Speech:
    """Speech that goes on when it is told to."""

    def __init__(self, *steps: bytes | Exception, fails_to_close: bool = False) -> None:
        self.steps = steps
        self.fails_to_close = fails_to_close
        self.given = 0
        """How many steps have been asked for."""
        self.closed = False
        self.go_on = asyncio.Event()
        """It waits for this at the end, before it ends."""

    async def audio(self) -> AsyncGenerator[bytes]:
        """The steps, one after another."""
        try:
            for step in self.steps:
                self.given += 1
                if isinstance(step, Exception):
                    raise step
                yield step
            await self.go_on.wait()
        finally:
            # Closing takes its time, as that of a socket does.
            try:
                await asyncio.sleep(0)
            finally:
                self.closed = True
                if self.fails_to_close:
                    raise LookupError("It cannot be closed.")


async def _turns(number: int = TURNS) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def _frames(number: int) -> list[bytes]:
    return [bytes((1, place)) for place in range(number)]


@given(st.lists(st.integers(0, 3), max_size=30), st.lists(st.integers(0, 3), max_size=30))
@settings(deadline=None, max_examples=200)
def test_nothing_is_lost_or_out_of_order(writing: list[int], reading: list[int]) -> None:
    """However slow either side is, what comes out is what went in, and the very same bytes."""
    frames = _frames(len(writing))

    async def speech() -> AsyncGenerator[bytes]:
        for turns, frame in zip(writing, frames, strict=True):
            await _turns(turns)
            yield frame

    async def listen() -> list[bytes]:
        heard = []
        async for pcm in with_keepalive(speech(), _silence(NEVER)):
            heard.append(pcm)
            await _turns(reading[len(heard)] if len(heard) < len(reading) else 0)
        return heard

    heard = asyncio.run(listen())
    assert heard == frames
    assert all(out is frame for out, frame in zip(heard, frames, strict=True))


async def test_audio_does_not_wait_for_the_next() -> None:
    """What has come is heard at once, though nothing follows."""
    speech = Speech(b"\1\1")
    async with contextlib.aclosing(with_keepalive(speech.audio(), _silence(NEVER))) as audio:
        first = asyncio.create_task(anext(audio))
        await _turns()
        assert first.done()
        assert first.result() == b"\1\1"


async def test_silence_again_and_again() -> None:
    """A gap gets silence as often as it lasts that long, and then the speech goes on."""

    async def speech() -> AsyncGenerator[bytes]:
        yield b"\1\1"
        await bridges_given.wait()
        yield b"\2\2"

    bridges_given = asyncio.Event()
    heard = []
    async for pcm in with_keepalive(speech(), _silence(SOON)):
        heard.append(pcm)
        if heard.count(PIECE) == 3:
            bridges_given.set()
    assert heard[0] == b"\1\1"
    assert heard[1:4] == [PIECE] * 3
    assert heard[-1] == b"\2\2"


def _heard(speech: Speech, silence: Silence, count: int) -> list[tuple[float, bytes]]:
    """The first ``count`` pieces and when they came, on a clock that leaps."""

    async def listen() -> list[tuple[float, bytes]]:
        heard: list[tuple[float, bytes]] = []
        async with contextlib.aclosing(with_keepalive(speech.audio(), silence)) as audio:
            while len(heard) < count:
                pcm = await anext(audio)
                heard.append((asyncio.get_running_loop().time(), pcm))
        return heard

    return run(listen())


def test_silence_before_the_first_audio() -> None:
    """A satellite that waits for its first byte gets silence before it gives up, then more."""
    silence = _silence(2.5, began=1.0)
    heard = _heard(Speech(), silence, 2)
    assert [pcm for _, pcm in heard] == [PIECE] * 2
    assert [at for at, _ in heard] == pytest.approx([1.0 + LEAD_S, 1.0 + LEAD_S + 2.5])


async def test_no_silence_without_text() -> None:
    """Before there is any text, nothing is given."""
    speech = Speech()
    async with contextlib.aclosing(with_keepalive(speech.audio(), _silence(0.0))) as audio:
        first = asyncio.create_task(anext(audio, b"end"))
        await _turns()
        assert not first.done()
        speech.go_on.set()
        assert await first == b"end"


@pytest.mark.parametrize("seconds", [0.1, 3.0])
def test_a_pause_begins_with_one_flush(seconds: float) -> None:
    """When nothing is on its way, one silence pushes out what encoders hold, before the end."""
    speech = Speech(bytes(2 * round(seconds * RATE)))
    silence = _silence(2.5, pending=False, began=0.0)
    heard = _heard(speech, silence, 4)
    flush_at = max(FLUSH_AFTER_S, min(seconds - FLUSH_BEFORE_END_S, 2.5))
    assert [pcm for _, pcm in heard[1:]] == [FLUSH, PIECE, PIECE]
    assert [at for at, _ in heard[1:]] == pytest.approx([flush_at, flush_at + 2.5, flush_at + 5.0])
    # What ffmpeg reads of a WAV first, before it gives anything.
    assert 2 * 44100 * (0.2 + FLUSH_S) > 64 * 1024


def test_every_pause_begins_with_a_flush() -> None:
    """What encoders hold of the speech after a pause is pushed out by the next one, too."""

    async def speech() -> AsyncGenerator[bytes]:
        yield bytes(3200)
        await pass_time(2.0)
        yield bytes(3200)
        await pass_time(2.0)

    async def listen() -> list[bytes]:
        return [pcm async for pcm in with_keepalive(speech(), silence)]

    silence = _silence(2.5, pending=False, began=0.0)
    assert run(listen()) == [bytes(3200), FLUSH] * 2


def test_no_flush_while_much_is_in_hand() -> None:
    """A flush waits until the player has nearly played all of the frames that it was given."""
    speech = Speech(*[bytes(2 * RATE)] * 3)
    silence = _silence(10.0, pending=False, began=0.0)
    at, pcm = _heard(speech, silence, 4)[-1]
    assert at == pytest.approx(3.0 - FLUSH_BEFORE_END_S)
    assert pcm == FLUSH


def test_no_flush_while_audio_is_on_its_way() -> None:
    """Speech that is only slow is not pulled apart."""
    silence = _silence(2.5, pending=True, began=0.0)
    heard = _heard(Speech(bytes(3200)), silence, 3)
    assert [pcm for _, pcm in heard[1:]] == [PIECE] * 2
    assert [at for at, _ in heard[1:]] == pytest.approx([2.5, 5.0])


def test_a_flush_waits_until_all_is_spoken() -> None:
    """Where it only becomes known later that nothing more is on its way, the flush comes then."""
    pending = [True, True, False]
    silence = Silence(2.5, lambda: pending.pop(0) if len(pending) > 1 else False, 0.0)
    heard = _heard(Speech(bytes(3200)), silence, 3)
    assert [pcm for _, pcm in heard[1:]] == [FLUSH, PIECE]
    assert heard[1][0] == pytest.approx(3 * FLUSH_AFTER_S)


@pytest.mark.parametrize("rate", [8000, 16000, 24000, 32000, 44100])
def test_a_piece_fills_an_encoder(rate: int) -> None:
    """Each silence is more than a frame of FLAC at 48,000 Hz, and than ffmpeg reads of a WAV."""
    samples = len(KeepAlive(2.5, rate, bool, ReplyMetrics(), 0.0).piece) // 2
    assert samples / rate > 4608 / 48000
    assert samples * 2 > 4096


async def test_no_silence_where_audio_is_there() -> None:
    """A listener that takes longer than a gap may last is given the audio that has come."""
    speech = Speech(*_frames(5))
    speech.go_on.set()
    heard = []
    async for pcm in with_keepalive(speech.audio(), _silence(0.0)):
        heard.append(pcm)
        await _turns()
    assert heard == _frames(5)


async def test_little_is_read_ahead() -> None:
    """A listener that does not listen holds the speech up: at most two frames wait for it."""
    speech = Speech(*_frames(50))
    async with contextlib.aclosing(with_keepalive(speech.audio(), _silence(NEVER))) as audio:
        await anext(audio)
        await _turns()
        assert speech.given <= 3


async def test_an_error_comes_after_the_audio_before_it() -> None:
    """What the speech raises is raised, when all that came before it has been heard."""
    speech = Speech(*_frames(4), LookupError("It broke."))
    audio = with_keepalive(speech.audio(), _silence(NEVER))
    for frame in _frames(4):
        assert await anext(audio) == frame
        await _turns()
    with pytest.raises(LookupError, match=r"It broke\."):
        await anext(audio)
    assert speech.closed


@pytest.mark.parametrize("taken", range(7))
@pytest.mark.parametrize("turns", [0, 1, TURNS])
@pytest.mark.parametrize("fails_to_close", [False, True])
async def test_leaving_closes_the_speech(
    taken: int, turns: int, fails_to_close: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Whenever the listener leaves, the speech is closed when it has left, and no task is left."""
    speech = Speech(*_frames(7), fails_to_close=fails_to_close)
    audio = with_keepalive(speech.audio(), _silence(NEVER))
    heard = [await anext(audio) for _ in range(taken)]
    await _turns(turns)
    await audio.aclose()
    assert heard == _frames(taken)
    assert speech.closed or not taken
    assert asyncio.all_tasks() == {asyncio.current_task()}
    # An error that nobody hears is not complained of either, which is done when its task goes.
    gc.collect()
    assert caplog.records == []


@pytest.mark.parametrize("frames", [0, 1, 3])
async def test_cancelling_closes_the_speech(frames: int) -> None:
    """A listener that is cancelled while it waits leaves nothing behind either."""
    speech = Speech(*_frames(frames))

    async def listen() -> None:
        async with contextlib.aclosing(with_keepalive(speech.audio(), _silence(NEVER))) as audio:
            async for _ in audio:
                pass

    listening = asyncio.create_task(listen())
    await _turns()
    assert speech.given == frames
    listening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await listening
    assert speech.closed
    assert asyncio.all_tasks() == {asyncio.current_task()}
