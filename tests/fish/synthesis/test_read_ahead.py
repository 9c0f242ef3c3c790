"""Audio that is made ahead of its listeners, when they hold as much as they may together."""

import pytest

from tests.support.idle_clock import pass_time, run
from wyoming_fish.fish.errors import SlowListenerError
from wyoming_fish.fish.owner import owner_at
from wyoming_fish.fish.synthesis.read_ahead import MAX_LATE_S, ReadAhead, ReadAheads

RATE = 8000
SECOND = bytes(2 * RATE)


@pytest.mark.parametrize(("owner", "is_ended"), [("192.168.1.2", True), ("192.168.1.3", False)])
def test_a_late_listener_is_ended_only_for_its_own_network(owner: str, is_ended: bool) -> None:
    """A listener that is late keeps its reply, however much another network's hold."""

    async def ask() -> bool:
        buffers = ReadAheads()
        late = ReadAhead(buffers, owner_at(owner), RATE, lambda: False)
        await late.write(int(2 * MAX_LATE_S) * SECOND, is_ending=True)
        await pass_time(2 * MAX_LATE_S)
        full = ReadAhead(buffers, owner_at("192.168.1.2"), RATE, lambda: False)
        await full.write(100 * SECOND, is_ending=True)
        buffers.shrink()
        try:
            return await late.read() == b""
        except SlowListenerError:
            return True

    assert run(ask()) == is_ended
