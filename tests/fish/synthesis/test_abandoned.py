"""Texts that pause for long, or are never ended: Home Assistant does so with what it cancels."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

import pytest

from tests.fish.replies import RAW, SETTINGS, pool_of, speak
from tests.support.idle_clock import pass_time, run
from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault, decode_code_voice
from wyoming_fish.fish import Endpoint, FishClient
from wyoming_fish.fish.connections.limiter import SlotRequest
from wyoming_fish.fish.errors import BrokenStreamError, TextTimeoutError
from wyoming_fish.fish.synthesis.attempt import PARK_AFTER_S
from wyoming_fish.fish.synthesis.live_attempt import LiveAttempt
from wyoming_fish.fish.synthesis.text_chunks import TEXT_TIMEOUT_S

NO_WEBSOCKET: Final = Fault("upgrade", 404, times=None)


def _speak(
    *steps: str | float | Fault,
    faults: tuple[Fault, ...] = (),
    ended: bool = True,
    bridge: float | None = None,
    first_audio_timeout_s: float | None = None,
    after_finish: str = "keep",
    timestamps: bool = False,
    sample_rate: int = SETTINGS.sample_rate,
    **more: Any,
) -> tuple[str, Emulator, float]:
    """What is heard of a text with pauses (seconds), and when that ends, on a clock that leaps.

    A fault among them begins when it is its turn.
    """
    settings = EmulatorSettings(voice="code", first_audio=0.3, faults=list(faults), **more)
    spoken_as = replace(SETTINGS, sample_rate=sample_rate)

    async def text() -> AsyncIterator[str]:
        for step in steps:
            if isinstance(step, str):
                yield step
            elif isinstance(step, Fault):
                settings.faults.append(step)
            else:
                await pass_time(step)
        if not ended:
            await asyncio.Event().wait()

    async def listen() -> tuple[str, Emulator, float]:
        settings.after_finish = "close" if after_finish == "close" else "keep"
        async with Emulator(settings) as emulator:
            pool = FishClient(Endpoint("key", emulator.url), timestamps=timestamps)
            heard = b""
            try:
                speech = speak(
                    pool,
                    text(),
                    spoken_as,
                    RAW,
                    keepalive_s=bridge,
                    first_audio_timeout_s=first_audio_timeout_s,
                )
                async for pcm in speech:
                    heard += pcm
            finally:
                await pool.close()
                await emulator.wait_for(lambda e: e.sessions_open == 0)
            spoken = decode_code_voice(heard, settings.code_samples, allow_silence=True)
            return spoken, emulator, asyncio.get_running_loop().time()

    return run(listen())


@pytest.mark.parametrize("after_finish", ["keep", "close"])
@pytest.mark.parametrize("pause", [PARK_AFTER_S + 5.0, TEXT_TIMEOUT_S - 1.0])
def test_a_long_pause_gives_the_session_back(pause: float, after_finish: str) -> None:
    """A session ends in a long pause, and the text goes on in a new one: nothing is lost."""
    text, emulator, _ = _speak(
        "Let me look. ", pause, "It is warm. Good night.", after_finish=after_finish
    )
    assert text == "Let me look. It is warm. Good night."
    assert [session.outcome for session in emulator.sessions] == ["finish", "finish"]


def test_a_short_pause_keeps_the_session() -> None:
    """Within half a minute the voice goes on in the same session."""
    text, emulator, _ = _speak("Let me look. ", PARK_AFTER_S - 1.0, "It is warm.")
    assert text == "Let me look. It is warm."
    assert len(emulator.sessions) == 1


def test_what_was_begun_before_the_pause_is_said_after_it() -> None:
    """Words that waited for the end of their sentence are in the next session."""
    text, emulator, _ = _speak("Let me look. It ", 60.0, "is warm. Good night.")
    assert text == "Let me look. It is warm. Good night."
    assert emulator.sessions[0].spoken == ["Let me look. "]


def test_by_rest_the_slot_is_given_back() -> None:
    """The same without a websocket."""
    text, _, _ = _speak("Let me look. ", 60.0, "It is warm.", faults=(NO_WEBSOCKET,))
    assert text == "Let me look. It is warm."


def test_a_session_that_cannot_be_finished_costs_nothing() -> None:
    """If the connection has died in the pause, what was heard is whole, and the text goes on."""
    text, emulator, _ = _speak(
        "Let me look. ",
        60.0,
        "It is warm.",
        faults=(Fault("finish", "stall"),),
        code_samples=255,
        sample_rate=8000,
    )
    assert text == "Let me look. It is warm."
    assert len(emulator.sessions) == 2


@pytest.mark.parametrize("timestamps", [False, True])
def test_a_session_that_stops_within_its_text_is_an_error(timestamps: bool) -> None:
    """A pause of the text hides no words that were never spoken."""
    with pytest.raises(BrokenStreamError):
        _speak(
            "This is the first sentence that is spoken. ",
            60.0,
            "It is warm.",
            faults=(Fault("audio", "stall", at=2),),
            timestamps=timestamps,
            frame=0.05,
        )


@pytest.mark.parametrize(("faults", "sessions"), [((), 2), ((NO_WEBSOCKET,), 3)])
def test_what_was_heard_is_in_no_hurry(faults: tuple[Fault, ...], sessions: int) -> None:
    """The time that Fish has for its first audio is over with that: what follows has longer."""
    text, emulator, _ = _speak(
        "Let me look. ",
        6.0,
        "It is warm. ",
        60.0,
        "Good night.",
        faults=faults,
        first_audio_timeout_s=4.0,
    )
    assert text == "Let me look. It is warm. Good night."
    # Nothing was asked for twice.
    assert len(emulator.sessions) == sessions


def test_after_a_pause_there_are_all_tries_again() -> None:
    """A text that goes on is tried as long as any, though another voice could have begun it."""
    stall = Fault("start", "stall", times=2)
    text, emulator, _ = _speak(
        "Let me look. ", 60.0, stall, "It is warm.", first_audio_timeout_s=4.0
    )
    assert text == "Let me look. It is warm."
    assert len(emulator.struck) == 2


@pytest.mark.parametrize(
    ("pause", "faults"), [(2 * PARK_AFTER_S, []), (20.0, [Fault("text", "drop", at=1)])]
)
def test_what_goes_on_waits_in_line(pause: float, faults: list[Fault]) -> None:
    """After a pause or a break, a reply waits for a session as long as any other reply."""

    async def text() -> AsyncIterator[str]:
        yield "Let me look. "
        await pass_time(pause)
        yield "It is warm."

    async def listen() -> str:
        async with Emulator(EmulatorSettings(voice="code", faults=faults)) as emulator:
            pool = FishClient(Endpoint("key", emulator.url), concurrency=1, timestamps=True)

            async def others() -> None:
                await pass_time(pause - 10.0)
                async with pool_of(pool).limiter.acquire(SlotRequest()):
                    await pass_time(20.0)

            holding = asyncio.create_task(others())
            speech = speak(pool, text(), SETTINGS, RAW, first_audio_timeout_s=4.0)
            heard = b"".join([pcm async for pcm in speech])
            await holding
            await pool.close()
            return decode_code_voice(heard)

    assert run(listen()) == "Let me look. It is warm."


@pytest.mark.parametrize("faults", [(), (NO_WEBSOCKET,)])
@pytest.mark.parametrize("steps", [("Let me look. ",), ("Let me look. And ",), ("Let ",)])
def test_a_text_that_is_never_ended_is_an_error(
    steps: tuple[str, ...], faults: tuple[Fault, ...]
) -> None:
    """It says so after some minutes, also while silence keeps the player waiting."""
    for bridge in (None, 2.5):
        with pytest.raises(TextTimeoutError, match="No more text"):
            _speak(*steps, faults=faults, ended=False, bridge=bridge)


@pytest.mark.parametrize("bridge", [None, 2.5])
def test_a_listener_that_is_cancelled_as_it_leaves_leaves_nothing_open(
    bridge: float | None,
) -> None:
    """The session ends immediately, whatever else happens to its listener at that moment."""

    async def text() -> AsyncIterator[str]:
        yield "Let me look. "
        await asyncio.Event().wait()

    async def listen(pool: FishClient) -> None:
        async with aclosing(speak(pool, text(), SETTINGS, RAW, keepalive_s=bridge)) as audio:
            await anext(audio)
            task = asyncio.current_task()
            assert task is not None
            # It is thrown at the next moment of waiting, which is within the closing.
            task.cancel()

    async def leave() -> float:
        async with Emulator(EmulatorSettings(voice="code", first_audio=0.3)) as emulator:
            pool = FishClient(Endpoint("key", emulator.url))
            left = [asyncio.create_task(listen(pool)) for _ in range(3)]
            await asyncio.wait(left)
            began = asyncio.get_running_loop().time()
            await emulator.wait_for(lambda e: e.sessions_open == 0)
            spent = asyncio.get_running_loop().time() - began
            # What closes them may still be on its way to the limiter.
            await pass_time(1.0)
            assert pool.status.sessions == 0
            await pool.close()
            return spent

    assert run(leave()) < 1.0


@pytest.mark.parametrize("faults", [(), (NO_WEBSOCKET,)])
def test_abandoned_replies_do_not_silence_the_others(faults: tuple[Fault, ...]) -> None:
    """However many replies are abandoned within their text, the account is free after 30 s."""

    async def abandoned() -> AsyncIterator[str]:
        yield "Let me look. And then "
        await asyncio.Event().wait()

    async def text() -> AsyncIterator[str]:
        yield "The alarm is on."

    async def reply(pool: FishClient, pieces: AsyncIterator[str]) -> None:
        async for _ in speak(pool, pieces, SETTINGS, keepalive_s=2.5):
            pass

    async def ask() -> float:
        settings = EmulatorSettings(voice="tone", first_audio=0.3, faults=list(faults))
        async with Emulator(settings) as emulator:
            pool = FishClient(Endpoint("key", emulator.url))
            left = [asyncio.create_task(reply(pool, abandoned())) for _ in range(10)]
            began = asyncio.get_running_loop().time()
            await reply(pool, text())
            spent = asyncio.get_running_loop().time() - began
            await pass_time(2 * PARK_AFTER_S)
            await emulator.wait_for(lambda e: e.sessions_open == 0)
            assert pool.status.sessions == 0
            for each in left:
                each.cancel()
            await asyncio.wait(left)
            await pool.close()
            return spent

    # Ten of them under a limit of five: two rounds.
    assert run(ask()) < 2 * (PARK_AFTER_S + 5.0)


def test_an_abandoned_reply_leaves_no_garbage() -> None:
    """What waits for the garbage collector stops everyone else when that runs."""

    async def abandon() -> int:
        async with (
            Emulator(EmulatorSettings(voice="code", first_audio=0.3)) as emulator,
            FishClient(Endpoint("key", emulator.url)) as client,
        ):
            for _ in range(10):
                async with aclosing(speak(client, "Good night to you all. " * 50)) as speech:
                    await anext(speech)
            await emulator.wait_for(lambda e: e.sessions_open == 0)
            return sum(type(each) is LiveAttempt for each in gc.get_objects())

    gc.collect()
    gc.disable()
    try:
        assert run(abandon()) <= 1
    finally:
        gc.enable()
