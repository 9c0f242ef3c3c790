"""What the last replies showed takes the place of constants: for the schedule, and for the pool."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.fish.replies import RAW, SETTINGS, fish, speak
from wyoming_fish.fish import Backend, FishClient, SpeechSettings
from wyoming_fish.fish.connections.measurements import (
    EXPECTED_SPEED,
    MAX_ANSWER_S,
    MAX_RATE,
    MAX_REPLIES,
    MAX_SPREAD_S,
    MIN_REPLIES,
    Measurements,
    RateMeter,
)
from wyoming_fish.fish.settings import Latency
from wyoming_fish.fish.synthesis.flush_scheduler import FlushScheduler

KEY = SETTINGS.backend, SETTINGS.latency

QUESTION = "The first sentence is here, and it takes about three seconds. "
ANSWERS = "It is five. It is late. So go"


async def _say(client: FishClient, text: str) -> float:
    """Seconds to the first audio of a reply that is heard to its end."""
    began, first = asyncio.get_running_loop().time(), 0.0
    async for _ in speak(client, text, SETTINGS, RAW):
        first = first or asyncio.get_running_loop().time() - began
    return first


@pytest.mark.parametrize("odd_s", [0.0, 60.0])
def test_one_odd_answer_changes_nothing(odd_s: float) -> None:
    """Neither before other answers are known, nor among them."""
    measurements = Measurements()
    measurements.on_answer(SETTINGS, odd_s)
    assert measurements.speed(*KEY) == EXPECTED_SPEED
    for _ in range(MAX_REPLIES):
        measurements.on_answer(SETTINGS, 0.3)
    usual = measurements.speed(*KEY)
    assert (usual.answer_s, usual.spread_s) == (0.3, 0.0)
    measurements.on_answer(SETTINGS, odd_s)
    assert measurements.speed(*KEY) == usual


def test_answers_are_learned_and_bounded() -> None:
    """Each backend and latency by itself; the spread leaves out the slowest."""
    measurements = Measurements()
    for seconds in (1.0, 1.2, 1.0, 1.1, 1.5, 1.0, 1.6, 1.1, 9.0):
        measurements.on_answer(SETTINGS, seconds)
    speed = measurements.speed(*KEY)
    assert (speed.answer_s, round(speed.spread_s, 6)) == (1.1, 0.5)
    assert measurements.speed(Backend.S1, SETTINGS.latency) == EXPECTED_SPEED
    assert measurements.speed(SETTINGS.backend, Latency.NORMAL) == EXPECTED_SPEED
    for seconds in range(100, 100 + MAX_REPLIES):
        measurements.on_answer(SETTINGS, seconds)
    speed = measurements.speed(*KEY)
    assert (speed.answer_s, speed.spread_s) == (MAX_ANSWER_S, MAX_SPREAD_S)


def _due_at(measurements: Measurements) -> float:
    """When the second chunk is sent, with 1.6 s of audio in hand."""
    scheduler = FlushScheduler(1.0, measurements.speed(*KEY))
    scheduler.write(f"The first sentence is here. {ANSWERS}", 0.0)
    assert scheduler.next_chunk(0.0)
    scheduler.on_audio(1.6, 0.1)
    now = 0.1
    while not scheduler.is_due(now):
        now += 0.01
    return now


def test_the_schedule_follows_the_answers() -> None:
    """Text is sent as late as the answers allow: Fish then joins more sentences."""
    quick, slow, uneven = Measurements(), Measurements(), Measurements()
    for number in range(MAX_REPLIES):
        quick.on_answer(SETTINGS, 0.1)
        slow.on_answer(SETTINGS, 1.0)
        uneven.on_answer(SETTINGS, 1.0 if number % 2 else 0.1)
    due = [_due_at(each) for each in (slow, uneven, Measurements(), quick)]
    assert due == sorted(due)
    assert due[-1] - due[0] == pytest.approx(0.9, abs=0.05)


def test_the_schedule_follows_the_rate() -> None:
    """What was sent before is spoken first: at a low rate, text is sent earlier."""
    due = []
    for rate in (1.2, 8.0):
        measurements = Measurements()
        for _ in range(MIN_REPLIES):
            measurements.on_rate(SETTINGS, rate)
        scheduler = FlushScheduler(1.0, measurements.speed(*KEY))
        scheduler.write(QUESTION * 2 + ANSWERS, 0.0)
        assert scheduler.next_chunk(0.0) == QUESTION
        scheduler.on_audio(0.1, 0.1)
        now = 0.1
        while not scheduler.is_due(now):
            now += 0.01
        due.append(now)
    assert due[0] < due[1] - 0.5


@pytest.mark.parametrize("first_audio", [0.02, 0.25])
async def test_a_server_is_learned_from_its_replies(first_audio: float) -> None:
    """Its answers take the place of the constants after some replies."""
    async with fish(first_audio=first_audio) as (_, client):
        for _ in range(MAX_REPLIES):
            await _say(client, "Good night.")
        speed = client.measurements.speed(*KEY)
    assert first_audio <= speed.answer_s <= first_audio + 0.15
    assert list(client.measurements.keys) == [KEY]


async def _gap(first_audio: float) -> float:
    """Seconds from the first audio to the second text, in a reply after others of a server."""
    loop, sent = asyncio.get_running_loop(), 0.0
    async with fish(voice="tone", first_audio=first_audio) as (emulator, client):
        for _ in range(MAX_REPLIES // 3):
            await asyncio.gather(*(_say(client, "Yes.") for _ in range(3)))
        # The reply itself is the same in any case.
        emulator.settings.first_audio = 0.01

        async def text() -> AsyncIterator[str]:
            yield f"The first sentence is here. {ANSWERS}"
            await emulator.wait_for(lambda e: len(e.sessions[-1].texts) == 2)
            nonlocal sent
            sent = loop.time()

        began = 0.0
        async for _ in speak(client, text(), SETTINGS, RAW):
            began = began or loop.time()
    return sent - began


async def test_a_slow_server_gets_its_text_earlier_than_a_quick_one() -> None:
    """What its replies showed moves the moment at which text is sent."""
    quick, slow = await asyncio.gather(_gap(0.01), _gap(0.8))
    assert slow < quick - 0.3


def test_the_rate_of_a_line() -> None:
    """Bursts count as a whole; what the listener, or the text, takes is not the line's."""
    meter = RateMeter()
    now = 0.0
    for _ in range(4):
        # Three frames of 0.5 s come each second: 1.5 s of audio.
        now += 1.0
        meter.on_audio(0.5, 1.0, now)
        meter.on_audio(0.5, 0.0, now)
        meter.on_audio(0.5, 0.0, now)
    assert meter.rate == pytest.approx(1.5)
    # A listener that takes ten seconds, and text that comes a minute later.
    meter.on_audio(0.5, 0.1, now + 10.0)
    meter.on_text()
    meter.on_audio(0.5, 60.0, now + 70.0)
    assert meter.rate == pytest.approx(1.5)


def test_audio_that_need_not_be_waited_for_is_fast() -> None:
    """A line that has recovered may be so quick that all of a reply comes in one burst."""
    meter = RateMeter()
    meter.on_audio(0.5, 0.5, 0.5)
    for number in range(3):
        meter.on_audio(0.5, 0.001, 0.5 + number / 100)
    assert meter.rate == MAX_RATE


def test_a_rate_of_little_audio_is_not_known() -> None:
    """A single frame, or none, says nothing."""
    meter = RateMeter()
    meter.on_audio(3.0, 0.5, 0.5)
    assert meter.rate is None
    meter.on_audio(0.5, 0.5, 1.0)
    assert meter.rate is None


@pytest.mark.parametrize(("pace", "is_slow"), [(1.5, True), (0.2, False)])
async def test_a_slow_line_is_said_once(
    pace: float, is_slow: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Audio that comes slower than it plays is told with the cure, not for each reply."""
    async with fish(pace=pace, frame=0.1, odd_frames=False, code_samples=250) as (_, client):
        text = "Good night to all of you in this house, and sleep very, very well. " * 3
        await asyncio.gather(*(_say(client, text) for _ in range(MIN_REPLIES + 1)))
        rate = client.measurements.speed(*KEY).rate
        # A busy machine is slower.
        assert rate is not None
        assert 0.3 / pace < rate < 1.3 / pace
        assert bool(client.measurements.slow_line) is is_slow
    assert caplog.text.count("Set a lower sample rate, such as 8000 Hz") == is_slow


def test_a_line_that_recovers_is_told_again_when_it_is_slow(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Around the bound nothing is told: it takes a clear change, which is logged once."""
    measurements = Measurements()
    told = []
    for rate in (0.99, 1.05, 1.2, 0.8):
        for _ in range(MAX_REPLIES):
            measurements.on_rate(SETTINGS, rate)
        told.append(bool(measurements.slow_line))
    assert told == [True, True, False, True]
    assert caplog.text.count("Set a lower sample rate") == 2


@pytest.mark.parametrize(
    ("rate", "sample_rate", "cure"),
    [
        (0.9, 44100, "such as 24000 Hz"),
        (0.2, 44100, "such as 8000 Hz"),
        (0.9, 8000, "Use another connection"),
    ],
)
def test_the_cure_of_a_slow_line(rate: float, sample_rate: int, cure: str) -> None:
    """The highest rate that the line carries; at the lowest, another line."""
    measurements = Measurements()
    for _ in range(MIN_REPLIES):
        measurements.on_rate(SpeechSettings(sample_rate=sample_rate), rate)
    assert cure in str(measurements.slow_line)


@pytest.mark.parametrize("after_finish", ["keep", "close", "drop"])
async def test_the_pool_learns_whether_sockets_are_closed(after_finish: str) -> None:
    """If they are, the next reply's is opened while one speaks, and no reply waits for it."""
    closes = after_finish != "keep"
    async with fish(handshake=0.3, after_finish=after_finish, pace=0.4) as (emulator, client):
        for _ in range(MIN_REPLIES + 1):
            await _say(client, "Good night to all of you. " * 12)
        assert client.measurements.closes_after_finish is closes
        ready = client.status.acquired_ready
        for number in range(3):
            await emulator.wait_for(lambda e: e.sessions_open == 0)
            await _say(client, "Good night to all of you. " * 12)
            assert client.status.acquired_ready == ready + number + 1


def test_one_odd_close_changes_nothing() -> None:
    """Neither does it as the first, nor among others."""
    measurements = Measurements()
    for closed in (True, False, False, False, True):
        measurements.on_finished(closed=closed)
        assert not measurements.closes_after_finish
