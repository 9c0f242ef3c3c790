"""How long a server may be silent."""

import pytest

from tests.support.idle_clock import pass_time, run
from wyoming_fish.fish.api.watchdog import Watchdog


def test_a_trickle_of_audio_is_silence() -> None:
    """Audio renews the time only as far as it plays, but for the first, which may take long."""

    async def wait(first: float, then: float) -> None:
        watchdog = Watchdog(10)
        for seconds in (first, then):
            async with watchdog.waiting():
                await pass_time(8)
            watchdog.hear(seconds)
        async with watchdog.waiting():
            await pass_time(8)

    run(wait(0.01, 1.0))
    with pytest.raises(TimeoutError):
        run(wait(0.01, 0.01))
