"""Preemption: a session ends early, and its reply goes on later, when other replies wait."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator

from ..connections.limiter import MAX_IDLE_S, ConcurrencyLimiter, SlotRequest
from .attempt import Attempt
from .read_ahead import ENOUGH_IN_HAND_S, SLOT_CHECK_S, ReadAhead

__all__ = ["preemptible"]


@contextlib.contextmanager
def preemptible(
    limiter: ConcurrencyLimiter,
    request: SlotRequest,
    current: Callable[[], Attempt],
    audio: ReadAhead,
) -> Iterator[None]:
    """End the session of ``request`` when the limiter wants its slot back.

    ``current`` gives the attempt that speaks in it, into ``audio``.
    """
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def check(check_again: Callable[..., None]) -> None:
        nonlocal timer
        timer = loop.call_later(SLOT_CHECK_S, check_again, check_again)
        attempt = current()
        request.is_ending = attempt.is_ending
        if request.is_ending:
            return
        idle_s = 0.0 if attempt.idle_since is None else loop.time() - attempt.idle_since
        is_idle = idle_s >= MAX_IDLE_S
        has_enough = audio.in_hand_s >= ENOUGH_IN_HAND_S
        # A session that is not idle speaks at least one chunk.
        if (is_idle or attempt.sent) and limiter.is_wanted(request, is_spare=is_idle or has_enough):
            request.is_ending, request.is_preempted = True, not is_idle
            attempt.stop()

    # As an argument: if it referred to itself, all of a reply would wait for the garbage collector.
    timer = loop.call_later(SLOT_CHECK_S, check, check)
    try:
        yield
    finally:
        timer.cancel()
