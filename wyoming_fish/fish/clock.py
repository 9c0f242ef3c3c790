"""The clock of all times in the engine: the running event loop's, in seconds."""

from __future__ import annotations

import asyncio
from typing import Final

__all__ = ["now", "wait"]

# Seconds that a wait for a time lasts at least: a loop that waits until a time which rounding keeps
# just ahead of the clock would not end.
MIN_WAIT_S: Final = 0.001


def now() -> float:
    """Return the running loop's time, which tests may move."""
    return asyncio.get_running_loop().time()


async def wait(changed: asyncio.Event, until: float | None) -> None:
    """Wait for ``changed``, or until the loop's time ``until``."""
    # A timer by itself: a timeout costs twice as much, and each word would have one.
    alarm = None
    if until is not None:
        alarm = asyncio.get_running_loop().call_at(max(until, now() + MIN_WAIT_S), changed.set)
    try:
        await changed.wait()
    finally:
        if alarm is not None:
            alarm.cancel()
