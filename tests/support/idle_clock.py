"""An event loop whose clock stands still while there is anything to do.

Only when nothing more is on its way does it leap to the next deadline. So half a minute of patience
costs nothing, and a machine that is busy with other things makes no deadline pass. For tests whose
two ends live in one process, and which use no threads: what another one does takes no time here.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

__all__ = ["pass_time", "run"]

Result = TypeVar("Result")

# Seconds of the machine's own clock without an event, after which nothing is on its way: between
# two sockets of one process the kernel hands over at once.
IDLE: Final = 0.002


class _Selector(selectors.DefaultSelector):
    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if not timeout:
            return super().select(timeout)
        events = super().select(IDLE)
        if not events:
            self.now += timeout
        return events


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._idle = _Selector()
        super().__init__(self._idle)

    def time(self) -> float:
        return self._idle.now


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """What ``work`` returns, in a loop of its own that has such a clock."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(work)


async def pass_time(seconds: float) -> None:
    """Let so many seconds of such a clock pass, which take no time."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, _Loop), "On the machine's own clock, wait for an event instead."
    await asyncio.sleep(seconds)
