"""Two attempts where one is late: the first to answer speaks, the other is dropped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from ..connections.pool import ConnectionPool
from ..errors import FishError
from ..settings import SpeechSettings
from .live_attempt import LiveAttempt
from .text_chunks import ReplyText

__all__ = ["HedgedAttempt"]


class HedgedAttempt:
    """An attempt by websocket, with a second one beside it while its first audio is late."""

    def __init__(
        self, pool: ConnectionPool, reply_text: ReplyText, settings: SpeechSettings
    ) -> None:
        self._arguments = (pool, reply_text, settings)
        self._reply = LiveAttempt(*self._arguments)
        """The one that is heard; the first one until then."""

    @property
    def heard(self) -> bool:
        """Whether there has been any audio."""
        return self._reply.heard

    @property
    def sent(self) -> int:
        """Characters of the text that were sent."""
        return self._reply.sent

    @property
    def pending(self) -> bool:
        """Whether Fish has been sent words that it has not spoken yet, as far as can be known."""
        return self._reply.pending

    @property
    def idle_since(self) -> float | None:
        """Since when Fish has had nothing to speak; None while it has, or takes its time."""
        return self._reply.idle_since

    @property
    def is_ending(self) -> bool:
        """Whether no more text will be sent."""
        return self._reply.is_ending

    def stop(self) -> None:
        """Send no more text. ``audio`` ends when what was sent is spoken."""
        self._reply.stop()

    async def due(self) -> bool:
        """Wait until there is something to send; false if the text ends without it."""
        return await self._reply.due()

    def close(self) -> None:
        """Wait for no more text."""
        self._reply.close()

    def spoken(self) -> int | None:
        """How many characters were spoken, with nothing heard of the others; None: not known."""
        return self._reply.spoken()

    async def audio(self, until: float | None) -> AsyncGenerator[bytes]:
        """Give the audio of the attempt that answers first, as ``LiveAttempt.audio`` does.

        Raises the error of the first attempt when both fail.
        """
        attempts = [_Attempt(self._reply, until)]
        try:
            winner = await self._first_to_answer(attempts, until)
            self._reply = winner.reply
            for attempt in attempts:
                if attempt is not winner:
                    # It takes a moment, which nobody should wait for.
                    attempt.close()
            if pcm := winner.first_audio.result():
                yield pcm
            async for pcm in winner.audio:
                yield pcm
        finally:
            await asyncio.wait([attempt.close() for attempt in attempts])

    async def _first_to_answer(self, attempts: list[_Attempt], until: float | None) -> _Attempt:
        """Wait for the first attempt, and from when it is late on for a second one as well.

        The second one needs a slot of its own, unless the first one's connection is dead.
        """
        first, late = attempts[0], self._reply.late
        waiting: list[asyncio.Future[Any]] = [first.first_audio, late]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if first.first_audio.done():
            first.first_audio.result()
            return first
        pool = self._arguments[0]
        with pool.limiter.try_acquire() as is_spare:
            if is_spare or self._reply.is_dead:
                attempts.append(_Attempt(LiveAttempt(*self._arguments), until))
            while running := [each.first_audio for each in attempts if not each.failed]:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                if winner := next((each for each in attempts if each.answered), None):
                    return winner
        first.first_audio.result()
        raise AssertionError("unreachable: a failed attempt has an error")


class _Attempt:
    """One attempt, and the task that waits for its first audio."""

    def __init__(self, reply: LiveAttempt, until: float | None) -> None:
        self.reply = reply
        self.audio = reply.audio(until)
        self.first_audio = asyncio.create_task(self._first())
        self._closing: asyncio.Task[None] | None = None

    async def _first(self) -> bytes:
        return await anext(self.audio, b"")

    @property
    def answered(self) -> bool:
        """Whether its first audio, or its end, has come."""
        return self.first_audio.done() and self.first_audio.exception() is None

    @property
    def failed(self) -> bool:
        """Whether it has failed before its first audio."""
        return self.first_audio.done() and self.first_audio.exception() is not None

    def close(self) -> asyncio.Task[None]:
        """End it, wherever it is: in a task, since whatever waits for that may be cancelled."""
        self._closing = self._closing or asyncio.create_task(self._close())
        return self._closing

    async def _close(self) -> None:
        self.first_audio.cancel()
        await asyncio.wait((self.first_audio,))
        with contextlib.suppress(FishError):
            await self.audio.aclose()
        self.reply.close()
