"""Silence that a model puts before and within its speech is cut to a bound, and nothing else is."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fish.replies import RAW, TEXT, fish, pool_of, speak
from tests.support.idle_clock import pass_time, run
from wyoming_fish.emulator import Fault, decode_code_voice
from wyoming_fish.emulator.voices.code import encode_code_voice
from wyoming_fish.fish import Backend, FishClient, SpeechSettings
from wyoming_fish.fish.errors import FishError, SettingsError, TooMuchAudioError
from wyoming_fish.fish.silence import (
    MAX_CUT_S,
    MAX_PAUSE_BY_BACKEND_S,
    ONSET_S,
    WINDOW_S,
    SilenceCutter,
)
from wyoming_fish.fish.synthesis.attempt import PARK_AFTER_S

pytestmark = pytest.mark.usefixtures("brisk")

RATE = 24000
DRAMA_MAX_PAUSE_S = MAX_PAUSE_BY_BACKEND_S[Backend.DRAMA_3]
DRAMA = SpeechSettings(backend=Backend.DRAMA_3, sample_rate=RATE)
SILENT: dict[str, Any] = {"drama_silence": 3.0, "drama_pause": 2.0}

NO_WEBSOCKET = Fault("upgrade", 404, times=None)


def _silence(seconds: float) -> bytes:
    return bytes(2 * round(seconds * RATE))


def _silences(pcm: bytes) -> list[float]:
    """Seconds of each run of samples of zero that is longer than a window."""
    runs = (len(run[0]) / 2 / RATE for run in re.finditer(rb"(?:\0\0){48,}", pcm))
    return [seconds for seconds in runs if seconds > WINDOW_S]


async def _heard(client: FishClient, speech_settings: SpeechSettings = DRAMA) -> bytes:
    speech = speak(client, TEXT, speech_settings, RAW)
    return b"".join([pcm async for pcm in speech])


@pytest.mark.parametrize("odd_frames", [True, False])
@pytest.mark.parametrize("faults", [[], [NO_WEBSOCKET]], ids=["websocket", "rest"])
async def test_the_silence_of_drama_is_cut(faults: list[Fault], odd_frames: bool) -> None:
    """Each sample of speech is heard once, and silence no longer than its bound."""
    async with fish(*faults, odd_frames=odd_frames, **SILENT) as (emulator, client):
        pcm = await _heard(client)
        assert (len(emulator.sessions) > 1) is bool(faults)
    assert decode_code_voice(pcm, allow_silence=True) == TEXT
    before, *pauses = _silences(pcm)
    assert before <= ONSET_S + WINDOW_S
    assert pauses
    assert all(pause <= DRAMA_MAX_PAUSE_S + 2 * WINDOW_S for pause in pauses)


@pytest.mark.parametrize("faults", [[], [NO_WEBSOCKET]], ids=["websocket", "rest"])
async def test_silence_is_kept_if_the_option_says_so(faults: list[Fault]) -> None:
    """With a bound of 0, all silence is heard."""
    async with fish(*faults, **SILENT) as (_, client):
        pcm = await _heard(client, replace(DRAMA, max_pause_s=0))
    assert sum(_silences(pcm)) >= 3.0 + 2.0 * (0 if faults else 1)


async def test_other_backends_are_cut_by_the_option_alone() -> None:
    """By default their silence is theirs."""
    async with fish(sentence_silence=2.0) as (_, client):
        uncut = await _heard(client, SpeechSettings(sample_rate=RATE))
        cut = await _heard(client, SpeechSettings(sample_rate=RATE, max_pause_s=0.3))
    for pcm in (uncut, cut):
        assert decode_code_voice(pcm, allow_silence=True) == TEXT
    assert min(_silences(uncut)) >= 2.0
    assert max(_silences(cut)) <= 0.3 + 2 * WINDOW_S


@pytest.mark.parametrize("voice", ["tone", "espeak"])
async def test_speech_is_never_cut(voice: str) -> None:
    """What has no long silence in it comes out as it came, sample by sample."""
    async with fish(voice=voice) as (_, client):
        uncut = await _heard(client, SpeechSettings(sample_rate=RATE))
    cutter = SilenceCutter(SpeechSettings(sample_rate=RATE, max_pause_s=DRAMA_MAX_PAUSE_S))
    cut = b"".join(cutter.feed(uncut[at : at + 1234]) for at in range(0, len(uncut), 1234))
    assert cut + cutter.end() == uncut
    assert any(uncut)


async def test_the_first_speech_does_not_wait() -> None:
    """It is given as its frame comes, though what follows it is not there yet."""
    # The model makes the first second of speech in half a minute.
    async with fish(frame=0.01, odd_frames=False, pace=1.0, drama_silence=0.2) as (_, client):
        async with client.speak(TEXT, DRAMA, RAW) as reply:
            pcm = await anext(aiter(reply))
        assert len(pcm) <= 2 * RATE * (ONSET_S + 2 * 0.01)
        assert any(pcm)


async def test_a_reply_of_silence_is_bounded() -> None:
    """Silence without an end is given after a while, so that the bounds on a reply hold."""
    cutter = SilenceCutter(DRAMA)
    given = sum(len(cutter.feed(_silence(1.0))) for _ in range(60)) / 2 / RATE
    assert given >= 60 - MAX_CUT_S - 2.0
    assert len(cutter.end()) <= len(_silence(ONSET_S))


def test_a_quiet_voice_is_not_silence() -> None:
    """The volume that was asked for makes silence quieter, too."""
    whisper = b"\x20\x00\xe0\xff" * RATE
    quiet = SpeechSettings(sample_rate=RATE, max_pause_s=0.5, volume=-20.0)
    assert SilenceCutter(quiet).feed(whisper) == whisper


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.0, 2.0), st.text(st.sampled_from("abc"), min_size=1, max_size=9)),
        max_size=4,
    ),
    st.lists(st.integers(50, 30000), min_size=1, max_size=5),
    st.floats(0.3, 2.0),
)
def test_any_speech_in_any_frames(
    parts: list[tuple[float, str]], samples: list[int], max_pause_s: float
) -> None:
    """All speech comes out in order, pauses are bounded, and hardly anything is held back."""
    pcm = b"".join(_silence(seconds) + encode_code_voice(text) for seconds, text in parts)
    cutter = SilenceCutter(SpeechSettings(sample_rate=RATE, max_pause_s=max_pause_s))
    given = b""
    while pcm:
        for count in samples:
            given += cutter.feed(pcm[: 2 * count])
            pcm = pcm[2 * count :]
    rest = cutter.end()
    assert len(rest) <= len(_silence(ONSET_S))
    heard = decode_code_voice(given + rest, allow_silence=True)
    assert heard == "".join(text for _, text in parts)
    assert all(pause <= max_pause_s + 2 * WINDOW_S for pause in _silences(given + rest))


@pytest.mark.parametrize("seconds", [0.1, 11.0, -1.0, float("nan")])
def test_a_bound_that_would_cut_words_is_refused(seconds: float) -> None:
    """Silence within a word takes up to 0.2 s."""
    with pytest.raises(SettingsError, match="longest pause"):
        SpeechSettings(max_pause_s=seconds)


def test_silence_that_is_cut_counts_for_the_bound_on_a_reply() -> None:
    """A server that sends hardly anything but silence does not hold its session for ever."""
    settings = SpeechSettings(sample_rate=8000, max_pause_s=0.3)

    async def text() -> AsyncIterator[str]:
        for _ in range(40):
            yield "Go. "
            await pass_time(12)

    async def listen() -> None:
        async with fish(sentence_silence=9.5) as (_, client):
            async for _pcm in speak(client, text(), settings, RAW):
                pass

    with pytest.raises(TooMuchAudioError):
        run(listen())


def test_a_session_that_only_sent_silence_is_given_up() -> None:
    """While its text stays open, the session is free for another reply after a while."""

    async def text() -> AsyncIterator[str]:
        yield "The door is open. "
        await asyncio.Event().wait()

    async def listen(client: FishClient) -> None:
        with contextlib.suppress(FishError):
            async for _ in speak(client, text(), DRAMA):
                pass

    async def sessions() -> int:
        stall = Fault("audio", "stall", at=4)
        async with fish(stall, pace=0.01, drama_silence=4.0) as (_, client):
            listening = asyncio.create_task(listen(client))
            await pass_time(2 * PARK_AFTER_S)
            try:
                return pool_of(client).limiter.in_use
            finally:
                listening.cancel()
                await asyncio.wait((listening,))

    assert run(sessions()) == 0
