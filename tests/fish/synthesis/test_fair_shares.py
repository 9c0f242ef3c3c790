"""Replies of several owners, or many of one, on an account with few sessions."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

import pytest

from tests.fish.replies import RAW, SETTINGS, speak
from tests.support.idle_clock import pass_time, run
from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault, decode_code_voice
from wyoming_fish.fish import Endpoint, FishClient
from wyoming_fish.fish.connections.limiter import MAX_IDLE_S, QUEUE_TIMEOUT_S
from wyoming_fish.fish.errors import SlowListenerError
from wyoming_fish.fish.owner import owner_at
from wyoming_fish.fish.reply_metrics import ReplyMetrics

NO_WEBSOCKET: Final = Fault("upgrade", 404, times=None)
SENTENCES: Final = tuple(f"This is the sentence with the number {n}. " for n in range(12))

# Samples of one byte of text: a sentence takes 1.4 s to play.
CODE_SAMPLES: Final = 255
SPOKEN_AS: Final = replace(SETTINGS, sample_rate=8000)


@contextlib.asynccontextmanager
async def _fish(
    *faults: Fault, pace: float = 0.25, sessions: int | None = None, **more: Any
) -> AsyncIterator[tuple[Emulator, FishClient]]:
    """An emulated Fish Audio that is four times as fast as speech, and an account's sockets."""
    settings = EmulatorSettings(
        voice="code",
        first_audio=0.3,
        pace=pace,
        code_samples=CODE_SAMPLES,
        faults=list(faults),
        **more,
    )
    async with Emulator(settings) as emulator:
        pool = FishClient(Endpoint("key", emulator.url), concurrency=sessions)
        try:
            yield emulator, pool
        finally:
            await pool.close()
        await emulator.wait_for(lambda e: e.sessions_open == 0)
        assert (pool.status.sessions, pool.status.waiting) == (0, 0)
        assert not pool.read_aheads.buffers


class _Reply:
    """A reply that is spoken while its text is written, by pieces and pauses in seconds."""

    def __init__(self, pool: FishClient, owner: str, *steps: str | float) -> None:
        self.first_audio: float | None = None
        """Seconds from its beginning."""
        self.metrics = ReplyMetrics()
        self._pool = pool
        self._owner = owner
        self._steps = steps
        self._pcm = b""
        self.listening = asyncio.create_task(self._listen())

    @property
    def heard(self) -> str:
        """The text that was heard."""
        return decode_code_voice(self._pcm, CODE_SAMPLES)

    @property
    def text(self) -> str:
        """The text that was written."""
        return "".join(step for step in self._steps if isinstance(step, str))

    async def _write(self) -> AsyncIterator[str]:
        for step in self._steps:
            if isinstance(step, str):
                yield step
            else:
                await pass_time(step)

    async def _listen(self) -> None:
        began = asyncio.get_running_loop().time()
        speech = speak(
            self._pool,
            self._write(),
            SPOKEN_AS,
            RAW,
            metrics=self.metrics,
            owner=owner_at(self._owner),
        )
        async with aclosing(speech):
            async for pcm in speech:
                if self.first_audio is None:
                    self.first_audio = asyncio.get_running_loop().time() - began
                self._pcm += pcm


def _letters(text: str, pause: float) -> list[str | float]:
    """Steps that write a letter at a time."""
    return [step for letter in text for step in (letter, pause)]


@pytest.mark.parametrize("faults", [(), (NO_WEBSOCKET,)])
@pytest.mark.parametrize("owner", ["one", "other"])
@pytest.mark.parametrize("is_typed", [False, True])
def test_texts_that_pause_give_their_sessions_to_those_who_wait(
    faults: tuple[Fault, ...], owner: str, is_typed: bool
) -> None:
    """Also to the same owner's, also if it is being typed; and later they go on without a loss."""

    async def ask() -> float | None:
        async with _fish(*faults) as (_, pool):
            rest = "Then it is warm. Good night."
            then = _letters(rest, 0.7) if is_typed else [20.0, rest]
            paused = [_Reply(pool, "one", "Let me look. ", *then) for _ in range(5)]
            await pass_time(1.8)
            assert pool.status.sessions == 5
            reply = _Reply(pool, owner, "The alarm is on.")
            await reply.listening
            assert reply.heard == "The alarm is on."
            assert sum(each.listening.done() for each in paused) == 0
            for each in paused:
                await each.listening
                assert each.heard == each.text
            return reply.first_audio

    first_audio = run(ask())
    assert first_audio is not None
    assert first_audio < MAX_IDLE_S + 1.0


def test_only_as_many_sessions_end_as_are_wanted() -> None:
    """The other replies go on in theirs, and so does one whose text comes as fast as speech."""

    async def ask() -> int:
        async with _fish() as (emulator, pool):
            steps = [step for sentence in SENTENCES for step in (sentence, 1.5)]
            replies = [_Reply(pool, "one", *steps) for _ in range(4)]
            replies.append(_Reply(pool, "one", "Let me look. ", 9.0, "It is warm."))
            await pass_time(1.0)
            replies.append(_Reply(pool, "one", "The alarm is on."))
            for each in replies:
                await each.listening
                assert each.heard == each.text
            return len(emulator.sessions)

    assert run(ask()) == 7


@pytest.mark.parametrize("faults", [(), (NO_WEBSOCKET,)])
def test_a_long_text_goes_on_later_when_another_owner_waits(faults: tuple[Fault, ...]) -> None:
    """It ends its session after a piece, and goes on before what its owner asked for later."""

    async def ask() -> tuple[float | None, int]:
        # Hardly faster than speech, so that no session is ever idle.
        async with _fish(*faults, pace=0.8) as (emulator, pool):
            steps = [step for sentence in SENTENCES for step in (sentence, 1.2)]
            steps.insert(0, "".join(SENTENCES[:4]))
            replies = [_Reply(pool, "many", *steps) for _ in range(5)]
            await pass_time(3.0)
            last = _Reply(pool, "many", "Good night.")
            await pass_time(0.5)
            one = _Reply(pool, "one", "The alarm is on.")
            await one.listening
            assert one.heard == "The alarm is on."
            await asyncio.wait(
                [each.listening for each in replies], return_when=asyncio.FIRST_COMPLETED
            )
            assert last.first_audio is None
            for each in (*replies, last):
                await each.listening
                assert each.heard == each.text
            return one.first_audio, len(emulator.sessions)

    first_audio, sessions = run(ask())
    assert first_audio is not None
    assert first_audio < 4.0
    if not faults:
        assert sessions == 8


def test_long_texts_of_one_owner_keep_their_sessions() -> None:
    """The voice changes its tone with the session, so an owner that is alone is not interrupted."""

    async def ask() -> int:
        async with _fish() as (emulator, pool):
            steps = [step for sentence in SENTENCES for step in (sentence, 0.2)]
            replies = [_Reply(pool, "one", *steps) for _ in range(8)]
            for each in replies:
                await each.listening
                assert each.heard == each.text
            return len(emulator.sessions)

    assert run(ask()) == 8


class _Slow:
    """A listener that takes no audio until it is to, or ``plays`` it in real time."""

    def __init__(
        self,
        pool: FishClient,
        owner: str,
        *,
        plays: bool = False,
        text: Sequence[str] = SENTENCES,
    ) -> None:
        self.pcm = b""
        self.may_read = asyncio.Event()
        self.has_begun = asyncio.Event()
        self._pool = pool
        self._owner = owner
        self._plays = plays
        self._text = "".join(text)
        self.longest_gap_s = 0.0
        """Seconds that it waited for audio after its first."""
        self.listening = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async def text() -> AsyncIterator[str]:
            yield self._text

        wanted_at = float("inf")
        async with aclosing(
            speak(self._pool, text(), SPOKEN_AS, RAW, owner=owner_at(self._owner))
        ) as speech:
            async for pcm in speech:
                now = asyncio.get_running_loop().time()
                self.longest_gap_s = max(self.longest_gap_s, now - wanted_at)
                self.pcm += pcm
                self.has_begun.set()
                if self._plays:
                    await pass_time(len(pcm) / 2 / SPOKEN_AS.sample_rate)
                else:
                    await self.may_read.wait()
                wanted_at = asyncio.get_running_loop().time()


@pytest.mark.parametrize("faults", [(), (NO_WEBSOCKET,)])
@pytest.mark.parametrize("owner", ["slow", "other"])
def test_slow_listeners_hold_no_session_that_is_wanted(
    faults: tuple[Fault, ...], owner: str
) -> None:
    """What they have not taken is kept for them, to the last sample."""

    async def ask() -> float | None:
        async with _fish(*faults) as (_, pool):
            slow = [_Slow(pool, "slow") for _ in range(5)]
            for each in slow:
                await each.has_begun.wait()
            reply = _Reply(pool, owner, "The alarm is on.")
            await reply.listening
            for each in slow:
                each.may_read.set()
                await each.listening
                assert decode_code_voice(each.pcm, CODE_SAMPLES) == "".join(SENTENCES)
            return reply.first_audio

    first_audio = run(ask())
    assert first_audio is not None
    assert first_audio < QUEUE_TIMEOUT_S / 2


def test_what_slow_listeners_have_not_taken_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that do not keep up with the speech get an error that says why, and players do not."""
    limit = 2 * CODE_SAMPLES * 2 * len("".join(SENTENCES))
    frame_bytes = int(EmulatorSettings().frame * SPOKEN_AS.sample_rate) * 2
    monkeypatch.setattr("wyoming_fish.fish.synthesis.read_ahead.MAX_TOTAL_BYTES", limit)

    async def ask() -> tuple[int, int]:
        most = 0
        async with _fish() as (_, pool):
            slow = [_Slow(pool, "slow") for _ in range(3)]
            players = [_Slow(pool, "player", plays=True) for _ in range(2)]
            for listener in (*slow, *players):
                await listener.has_begun.wait()
            waiting = [_Reply(pool, "other", *SENTENCES) for _ in range(3)]
            listening = [*(each.listening for each in waiting), *(p.listening for p in players)]
            while not all(each.done() for each in listening):
                most = max(most, sum(each.size for each in pool.read_aheads.buffers))
                await pass_time(0.1)
            for player in players:
                await player.listening
                assert decode_code_voice(player.pcm, CODE_SAMPLES) == "".join(SENTENCES)
            for each in slow:
                each.may_read.set()
            errors = await asyncio.gather(
                *(each.listening for each in slow), return_exceptions=True
            )
            failed = [error for error in errors if isinstance(error, SlowListenerError)]
            assert "too slowly" in str(failed[0])
            return len(failed), most

    failed, most = run(ask())
    assert 1 <= failed <= 2
    # Each has one frame that it is about to hand on.
    assert most <= limit + 5 * frame_bytes


@pytest.mark.parametrize("owners", ["aaaaaaa", "aaaaabb", "abcdefg"])
def test_more_players_than_sessions(owners: str) -> None:
    """Each hears a long reply whole and without a gap: its session serves others as it plays."""

    async def ask() -> None:
        async with _fish() as (_, pool):
            players = [_Slow(pool, owner, plays=True, text=SENTENCES * 5) for owner in owners]
            for player in players:
                await player.listening
                assert decode_code_voice(player.pcm, CODE_SAMPLES) == "".join(SENTENCES * 5)
                assert player.longest_gap_s < 2.0

    run(ask())


def test_a_session_without_text_is_given_up() -> None:
    """If text that was due turns out to go on, it waits for its end without a session."""

    async def ask() -> float | None:
        async with _fish(sessions=1) as (emulator, pool):
            first = _Reply(pool, "one", *SENTENCES)
            # It is due after a pause, as it may be all; it goes on as it waits in line.
            odd = _Reply(pool, "one", "It is Dr.", 2.0, " Watson ", 30.0, "who calls.")
            await first.listening
            await emulator.wait_for(lambda e: e.sessions_open == 1)
            reply = _Reply(pool, "one", "The alarm is on.")
            await reply.listening
            assert odd.first_audio is None
            await odd.listening
            assert odd.heard == odd.text
            assert odd.metrics.retries == []
            # It is not known how Fish answers a session without text.
            empty = [session for session in emulator.sessions if not session.spoken]
            assert [session.outcome for session in empty] == ["left"]
            return reply.first_audio

    first_audio = run(ask())
    assert first_audio is not None
    assert first_audio < MAX_IDLE_S + 1.0
