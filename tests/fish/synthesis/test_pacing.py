"""How far Fish is sent text ahead of the listener, and what a limit of characters does."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.fish.replies import speak
from tests.support.idle_clock import pass_time, run
from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault, decode_code_voice
from wyoming_fish.fish import Endpoint, FishClient, SpeechSettings, TextSettings
from wyoming_fish.fish.errors import FishError
from wyoming_fish.fish.reply_metrics import ReplyMetrics
from wyoming_fish.fish.synthesis.flush_scheduler import MAX_AHEAD_S, MAX_CHUNK_S, S_PER_CHAR

SENTENCE = "All work and no play makes Jack a dull boy. "
TEXT = SENTENCE * 200
# Characters of MAX_AHEAD_S, and of one piece more.
AHEAD = MAX_AHEAD_S / S_PER_CHAR
MOST = (MAX_AHEAD_S + MAX_CHUNK_S) / S_PER_CHAR

SETTINGS = SpeechSettings(sample_rate=8000)
# Samples of a character whose audio is as long as expected.
SAMPLES = round(S_PER_CHAR * 8000) // 2
RAW = TextSettings(mode="raw")

WITHOUT_WEBSOCKET = (Fault("upgrade", 404, times=None),)


@contextlib.asynccontextmanager
async def _fish(**settings: Any) -> AsyncIterator[tuple[Emulator, FishClient]]:
    usual: dict[str, Any] = {"voice": "code", "code_samples": SAMPLES, "frame": 0.2}
    async with Emulator(EmulatorSettings(**usual | settings)) as emulator:
        pool = FishClient(Endpoint("key", emulator.url), warm=0)
        try:
            yield emulator, pool
        finally:
            await pool.close()


async def _whole() -> AsyncIterator[str]:
    yield TEXT


async def _as_written() -> AsyncIterator[str]:
    for at in range(0, len(TEXT), 10):
        yield TEXT[at : at + 10]
        await asyncio.sleep(0)


def _sent(emulator: Emulator) -> int:
    return sum(len("".join(session.texts)) for session in emulator.sessions)


@pytest.mark.parametrize("text", [_whole, _as_written])
async def test_a_listener_that_leaves_at_the_first_audio(text: Any) -> None:
    """Fish has half a minute of the text and one piece, however long the text is."""
    metrics = ReplyMetrics()
    async with _fish(first_audio=0.1) as (emulator, pool):
        async with contextlib.aclosing(
            speak(pool, text(), SETTINGS, RAW, metrics=metrics)
        ) as audio:
            assert await anext(audio)
            await emulator.wait_for(lambda e: _sent(e) >= AHEAD)
        await emulator.wait_for(lambda e: e.sockets_open == 0)
        assert AHEAD <= _sent(emulator) <= MOST
        assert metrics.billed == _sent(emulator)


def test_a_listener_that_takes_no_more() -> None:
    """One that stays, and takes nothing for a minute, costs no more than one that leaves."""

    async def listen() -> tuple[int, int]:
        async with (
            _fish() as (emulator, pool),
            contextlib.aclosing(speak(pool, _whole(), SETTINGS, RAW)) as audio,
        ):
            assert await anext(audio)
            await emulator.wait_for(lambda e: _sent(e) >= AHEAD)
            before = _sent(emulator)
            await pass_time(60)
            return before, _sent(emulator)

    before, after = run(listen())
    assert AHEAD <= before == after <= MOST


@pytest.mark.parametrize("way", [(), WITHOUT_WEBSOCKET])
@pytest.mark.parametrize("text", [_whole, _as_written])
async def test_a_listener_that_takes_all(way: tuple[Fault, ...], text: Any) -> None:
    """All of the text is heard, in one session."""
    async with _fish(faults=list(way)) as (emulator, pool):
        pcm = b"".join([pcm async for pcm in speak(pool, text(), SETTINGS, RAW)])
        assert decode_code_voice(pcm, SAMPLES) == TEXT
        assert way or len(emulator.sessions) == 1


class _SpentError(FishError):
    code = "spent"


class _Limit:
    """A limit of so many characters."""

    def __init__(self, limit: int) -> None:
        self.left = limit

    def spend(self, characters: int) -> None:
        """Refuse what is asked when none are left."""
        if self.left <= 0:
            raise _SpentError("No characters are left.")
        self.left -= characters


@pytest.mark.parametrize("way", [(), WITHOUT_WEBSOCKET])
async def test_a_limit_within_a_reply(way: tuple[Fault, ...]) -> None:
    """What was sent is heard to its end, then the error is raised; no session is opened for it."""
    limit, heard = _Limit(1000), bytearray()

    async def listen(pool: FishClient) -> None:
        async for pcm in speak(pool, _whole(), SETTINGS, RAW, spend=limit.spend):
            heard.extend(pcm)

    async with _fish(faults=list(way)) as (emulator, pool):
        with pytest.raises(_SpentError):
            await listen(pool)
        spoken = decode_code_voice(bytes(heard), SAMPLES)
        assert TEXT.startswith(spoken)
        assert 1000 <= len(spoken) == 1000 - limit.left <= 1300
        assert spoken.endswith(". ")
        assert way or [session.outcome for session in emulator.sessions] == ["finish"]


async def test_a_limit_before_a_reply() -> None:
    """Nothing is sent, and no session is opened."""
    async with _fish() as (emulator, pool):
        with pytest.raises(_SpentError):
            await anext(speak(pool, _whole(), SETTINGS, RAW, spend=_Limit(0).spend))
        assert not emulator.sessions
