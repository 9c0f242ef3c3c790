"""How often a reply is tried again."""

import pytest

from wyoming_fish.fish.errors import (
    BrokenStreamError,
    FishError,
    KeyRefusedError,
    NoAudioError,
    UnavailableError,
)
from wyoming_fish.fish.retries import FIRST_DELAY, LONGEST_DELAY, Retries

BUSY = UnavailableError("Busy.")


async def test_it_backs_off() -> None:
    """The first new try is made at once; each further one waits about twice as long, to an end."""
    runs = []
    for _ in range(50):
        retries = Retries()
        retries.begin()
        runs.append([retries.pause(BUSY) for _ in range(10)])
    for number, pauses in enumerate(zip(*runs, strict=True)):
        middle = min(FIRST_DELAY * 2 ** (number - 1), LONGEST_DELAY) if number else 0.0
        assert all(middle * 0.5 <= pause <= middle * 1.5 for pause in pauses)
        # Not all come back at the same moment.
        assert len(set(pauses)) > 1 or not number


async def test_after_its_time_it_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What passes is told when the time is over; a break amid the audio begins it anew."""
    monkeypatch.setattr("wyoming_fish.fish.retries.RETRY_TIME", -1.0)
    retries = Retries(patience=60.0)
    assert retries.begin() is not None
    assert retries.pause(BUSY) == 0.0
    retries.broke(BrokenStreamError("Broke off."))
    # It has been heard, so that there is no hurry any more.
    assert retries.begin() is None
    with pytest.raises(UnavailableError):
        retries.pause(BUSY)


@pytest.mark.parametrize("error", [KeyRefusedError("Wrong."), FishError("Odd.")])
async def test_what_lasts_is_not_tried_again(error: FishError) -> None:
    """What another try would not change is told at once."""
    retries = Retries()
    retries.begin()
    with pytest.raises(type(error)):
        retries.pause(error)


async def test_silence_is_tried_once_more() -> None:
    """Silence may have been an accident, once."""
    retries = Retries()
    retries.begin()
    assert retries.pause(NoAudioError("Nothing.")) == 0.0
    with pytest.raises(NoAudioError):
        retries.pause(NoAudioError("Nothing."))
