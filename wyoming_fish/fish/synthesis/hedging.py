"""Hedging: a second live attempt beside one that is late; the first to answer speaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from .. import clock
from ..connections.limiter import ConcurrencyLimiter
from ..errors import FishError
from .live_attempt import LiveAttempt

__all__ = ["first_to_answer"]


async def first_to_answer(
    first: LiveAttempt,
    until: float | None,
    limiter: ConcurrencyLimiter,
    stack: contextlib.AsyncExitStack,
) -> tuple[LiveAttempt, bytes, AsyncGenerator[bytes]]:
    """Wait for an answer: the attempt that gives it, its first audio, and what comes after that.

    ``stack`` ends what was opened. Raises the error of the first attempt if both fail.
    """
    hedge = _Hedge(first, until, limiter)
    stack.push_async_callback(hedge.close)
    attempt = first
    audio = await stack.enter_async_context(contextlib.aclosing(first.audio(until)))
    pcm = await hedge.first_audio(audio)
    second = hedge.second
    if pcm is None and second is not None:
        attempt, audio, pcm = second.attempt, second.audio, await second.first_audio
    elif second is not None:
        # It takes a moment, which nobody should wait for.
        second.close()
    hedge.slot.close()
    return attempt, pcm or b"", audio


class _Hedge:
    """Waits for the first audio of an attempt, and starts a second one when that is late."""

    def __init__(
        self, first: LiveAttempt, until: float | None, limiter: ConcurrencyLimiter
    ) -> None:
        self.second: _Second | None = None
        self.slot = contextlib.ExitStack()
        """The second attempt's, while both wait for an answer."""
        self._first = first
        self._until = until
        self._limiter = limiter
        self._waiting: asyncio.Timeout | None = None
        """Ends the wait for the first attempt."""

    async def first_audio(self, audio: AsyncGenerator[bytes]) -> bytes | None:
        """Wait for the first attempt; None if the second one has answered before it."""
        self._first.on_late = self._start_second
        try:
            async with asyncio.timeout(None) as waiting:
                # It cannot be rescheduled when it has ended; the second attempt may still answer.
                self._waiting = waiting
                try:
                    return await anext(audio, b"")
                finally:
                    self._waiting = None
        except TimeoutError:
            return None
        except FishError:
            if self.second is None or not await self.second.answers():
                raise
            return None
        finally:
            self._first.on_late = None

    async def close(self) -> None:
        """End the second attempt, if there is one."""
        self.slot.close()
        if self.second is not None:
            await asyncio.wait((self.second.close(),))

    def _start_second(self) -> None:
        # It needs a slot of its own, unless the first one's connection is dead.
        if self.slot.enter_context(self._limiter.try_acquire()) or self._first.is_dead:
            self.second = _Second(self._first.another(), self._until)
            self.second.first_audio.add_done_callback(self._on_answer)

    def _on_answer(self, first_audio: asyncio.Future[bytes]) -> None:
        """Give the first attempt up for the second one, if that has answered."""
        if _succeeded(first_audio) and self._waiting is not None:
            self._waiting.reschedule(clock.now())
            # A closing handshake would take a moment, which nobody should wait for.
            self._first.abort()


class _Second:
    """The second attempt, and the task that waits for its first audio."""

    def __init__(self, attempt: LiveAttempt, until: float | None) -> None:
        self.attempt = attempt
        self.audio = attempt.audio(until)
        self.first_audio = asyncio.create_task(self._first())
        self._closing: asyncio.Task[None] | None = None

    async def answers(self) -> bool:
        """Wait for its first audio, or its end; false if it fails before."""
        await asyncio.wait((self.first_audio,))
        return _succeeded(self.first_audio)

    def close(self) -> asyncio.Task[None]:
        """End it, wherever it is: in a task, since whatever waits for that may be cancelled."""
        self._closing = self._closing or asyncio.create_task(self._close())
        return self._closing

    async def _first(self) -> bytes:
        return await anext(self.audio, b"")

    async def _close(self) -> None:
        self.first_audio.cancel()
        await self.answers()
        with contextlib.suppress(FishError):
            await self.audio.aclose()
        self.attempt.close()


def _succeeded(task: asyncio.Future[bytes]) -> bool:
    return not task.cancelled() and task.exception() is None
