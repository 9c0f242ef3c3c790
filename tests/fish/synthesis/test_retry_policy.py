"""How often a reply is tried again."""

import asyncio
import itertools

import pytest

from tests.support.idle_clock import pass_time, run
from wyoming_fish.fish.errors import (
    BrokenStreamError,
    FishError,
    KeyRefusedError,
    LimitError,
    NoAudioError,
    QueueTimeoutError,
    UnavailableError,
)
from wyoming_fish.fish.synthesis.retry_policy import FIRST_DELAY_S, MAX_DELAY_S, RetryPolicy

BUSY = UnavailableError("Busy.")


async def test_it_backs_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first new try is made at once; each further one waits about twice as long, to an end."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.RETRY_TIMEOUT_S", 600.0)
    runs = []
    for _ in range(50):
        retries = RetryPolicy()
        retries.begin()
        runs.append([retries.next_delay(BUSY) for _ in range(10)])
    for number, pauses in enumerate(zip(*runs, strict=True)):
        middle = min(FIRST_DELAY_S * 2 ** (number - 1), MAX_DELAY_S) if number else 0.0
        assert all(middle * 0.5 <= pause <= middle * 1.5 for pause in pauses)
        # Not all come back at the same moment.
        assert len(set(pauses)) > 1 or not number


def test_only_the_time_of_the_tries_counts() -> None:
    """Time in line, and time without text, leave the tries what they had."""

    async def tries(left: list[float]) -> None:
        retries = RetryPolicy(first_audio_timeout_s=4.0)
        while True:
            # In line, or without anything to say.
            await pass_time(60.0)
            until = retries.begin()
            assert until is not None
            left.append(until - asyncio.get_running_loop().time())
            await pass_time(1.0)
            await pass_time(retries.next_delay(BUSY))

    left: list[float] = []
    with pytest.raises(UnavailableError):
        run(tries(left))
    # Each try takes a second, and the pauses between them take something too.
    assert left[:2] == pytest.approx([4.0, 3.0])
    assert len(left) in (3, 4)
    assert all(later < earlier for earlier, later in itertools.pairwise(left))


async def test_a_break_begins_it_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """What passes is told when the time is over; a reply that was heard is in no hurry any more."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.RETRY_TIMEOUT_S", -1.0)
    retries = RetryPolicy(first_audio_timeout_s=60.0)
    assert retries.begin() is not None
    assert retries.next_delay(BUSY) == 0.0
    retries.on_interruption(BrokenStreamError("Broke off."))
    assert retries.begin() is None
    with pytest.raises(UnavailableError):
        retries.next_delay(BUSY)


def test_a_refusal_goes_back_to_the_line() -> None:
    """What Fish refuses for the limit waits in line; the time that its tries take has an end."""

    async def tries() -> int:
        retries, count = RetryPolicy(first_audio_timeout_s=4.0), 0
        while True:
            # In line.
            await pass_time(10.0)
            retries.begin()
            await pass_time(0.3)
            try:
                assert retries.next_delay(LimitError("Too many.")) == 0.0
            except LimitError:
                return count
            count += 1

    assert run(tries()) == 13


async def test_the_end_of_the_line_is_final() -> None:
    """A reply that has waited as long as it may is not tried again."""
    with pytest.raises(QueueTimeoutError):
        RetryPolicy().next_delay(QueueTimeoutError("Too long."))


@pytest.mark.parametrize("error", [KeyRefusedError("Wrong."), FishError("Odd.")])
async def test_what_lasts_is_not_tried_again(error: FishError) -> None:
    """What another try would not change is told at once."""
    retries = RetryPolicy()
    retries.begin()
    with pytest.raises(type(error)):
        retries.next_delay(error)


async def test_silence_is_tried_once_more() -> None:
    """Silence may have been an accident, once."""
    retries = RetryPolicy()
    retries.begin()
    assert retries.next_delay(NoAudioError("Nothing.")) == 0.0
    retries.next_delay(BUSY)
    with pytest.raises(NoAudioError):
        retries.next_delay(NoAudioError("Nothing."))
