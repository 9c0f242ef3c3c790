"""What becomes of a reply when Fish fails: see test_matrix.py for every point of a session."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest

from tests.fish import replies
from tests.fish.replies import pool_of, speak
from tests.support.idle_clock import pass_time, run
from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault, decode_code_voice
from wyoming_fish.fish import Endpoint, FishClient, SpeechSettings
from wyoming_fish.fish.connections.limiter import SlotRequest
from wyoming_fish.fish.errors import BrokenStreamError, LimitError
from wyoming_fish.fish.synthesis.live_attempt import ANSWER_TIMEOUT_S, SILENCE_TIMEOUT_S

TEXT = "Good night. The doors are locked, and it is 19.5 degrees outside. Sleep well. See you."


Opening = Callable[..., contextlib.AbstractAsyncContextManager[tuple[Emulator, FishClient]]]


@pytest.fixture(params=[False, True], ids=["plain", "with timestamps"])
def fish(request: pytest.FixtureRequest) -> Opening:
    """An emulator and its client, on each of the two sockets."""
    return partial(replies.fish, timestamps=request.param)


@pytest.fixture(autouse=True)
def _brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses and deadlines of hundredths of a second."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.FIRST_DELAY_S", 0.005)
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.RETRY_TIMEOUT_S", 2.0)
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.MAX_DELAY_S", 0.02)


async def _text() -> AsyncIterator[str]:
    for word in TEXT.replace(" ", " \0").split("\0"):
        yield word
        await asyncio.sleep(0)


async def _speak(pool: FishClient) -> str:
    speech = speak(pool, _text(), SpeechSettings(sample_rate=24000))
    return decode_code_voice(b"".join([pcm async for pcm in speech]))


async def test_no_answer_is_tried_again(fish: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that takes the text and never answers is given up for another one."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.live_attempt.ANSWER_TIMEOUT_S", 0.1)
    monkeypatch.setattr("wyoming_fish.fish.synthesis.live_attempt.WATCHDOG_INTERVAL_S", 0.02)
    async with fish(Fault("start", "stall")) as (emulator, pool):
        assert await _speak(pool) == TEXT
        assert len(emulator.sessions) == 2


def test_the_error_of_the_first_of_two_attempts(fish: Opening) -> None:
    """Where the second attempt fails too, what the first one met is told."""

    async def ask() -> None:
        async with fish(Fault("start", "stall"), Fault("start", "error", times=None)) as (
            _,
            pool,
        ):
            with pytest.raises(BrokenStreamError, match=f"for {ANSWER_TIMEOUT_S:.0f} s"):
                await _speak(pool)

    run(ask())


def test_text_that_goes_on_does_not_hide_silence(fish: Opening) -> None:
    """A Fish that has fallen silent is given up as soon, though ever more is sent to it."""

    async def text() -> AsyncIterator[str]:
        for _ in range(40):
            yield "Good night. The doors are locked. "
            await pass_time(5.0)

    async def ask() -> float:
        async with fish(Fault("audio", "stall", at=2)) as (_, pool):
            with pytest.raises(BrokenStreamError, match="silent"):
                async for _ in speak(pool, text(), SpeechSettings(sample_rate=24000)):
                    pass
            return asyncio.get_running_loop().time()

    assert run(ask()) < SILENCE_TIMEOUT_S + 10.0


async def test_text_that_comes_meanwhile_is_kept(fish: Opening) -> None:
    """While a reply is tried again, its text goes on coming, and none of it is lost."""
    failed = asyncio.Event()

    async def text() -> AsyncIterator[str]:
        yield "Good night. The doors "
        await failed.wait()
        yield "are locked."

    async with fish(Fault("text", "drop", times=2)) as (emulator, pool):

        async def watch() -> None:
            await emulator.wait_for(lambda e: len(e.struck) == 2)
            failed.set()

        watching = asyncio.create_task(watch())
        out = b""
        async for pcm in speak(pool, text(), SpeechSettings(sample_rate=24000)):
            out += pcm
        await watching
    assert decode_code_voice(out) == "Good night. The doors are locked."


async def test_concurrency_is_learnt(fish: Opening) -> None:
    """An account that may have one session at a time is served one reply at a time."""
    async with fish() as (emulator, pool):
        emulator.settings.concurrency = 1
        assert await asyncio.gather(*(_speak(pool) for _ in range(4))) == [TEXT] * 4


async def test_waiting_in_line_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits too long for a session is told that there are too few."""
    monkeypatch.setattr("wyoming_fish.fish.connections.limiter.QUEUE_TIMEOUT_S", 0.02)
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.RETRY_TIMEOUT_S", 0.05)
    async with Emulator(EmulatorSettings(voice="code")) as emulator:
        pool = FishClient(Endpoint("key", emulator.url), concurrency=1)
        async with pool_of(pool).limiter.acquire(SlotRequest()):
            with pytest.raises(LimitError, match="may have 1 at a time"):
                await _speak(pool)
        assert await _speak(pool) == TEXT
        await pool.close()
