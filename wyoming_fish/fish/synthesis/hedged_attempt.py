"""Hedged attempt: a second one beside the first if that is late; the first to answer speaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

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
        self._limiter = pool.limiter
        self._attempt = LiveAttempt(*self._arguments)
        """The one that is heard; the first one until then."""
        self._second: _Second | None = None
        self._until: float | None = None
        self._slot = contextlib.ExitStack()
        """The second attempt's, while both wait for an answer."""
        self._waiting: asyncio.Timeout | None = None
        """Ends the wait for the first attempt."""

    @property
    def heard(self) -> bool:
        """Whether there has been any audio."""
        return self._attempt.heard

    @property
    def sent(self) -> int:
        """Characters of the text that were sent."""
        return self._attempt.sent

    @property
    def pending(self) -> bool:
        """Whether words were sent that have not been spoken yet, as far as can be known."""
        return self._attempt.pending

    @property
    def idle_since(self) -> float | None:
        """The loop's time since which there has been nothing to speak; None while there is."""
        return self._attempt.idle_since

    @property
    def is_ending(self) -> bool:
        """Whether no more text will be sent."""
        return self._attempt.is_ending

    def stop(self) -> None:
        """Send no more text. ``audio`` ends when what was sent is spoken."""
        self._attempt.stop()

    async def due(self) -> bool:
        """Wait until there is something to send; false if the text ends without it."""
        return await self._attempt.due()

    def close(self) -> None:
        """Wait for no more text."""
        self._attempt.close()

    def spoken(self) -> int | None:
        """How many characters were spoken, with nothing heard of the others; None: not known."""
        return self._attempt.spoken()

    async def audio(self, until: float | None) -> AsyncGenerator[bytes]:
        """Give the audio of the attempt that answers first, as ``LiveAttempt.audio`` does.

        Raises the error of the first attempt when both fail.
        """
        self._until = until
        first = self._attempt
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(first.close)
            stack.push_async_callback(self._end_second)
            audio = await stack.enter_async_context(contextlib.aclosing(first.audio(until)))
            pcm = await self._first_audio(audio)
            if pcm is None and self._second is not None:
                audio, pcm = self._second.audio, await self._second.first_audio
                self._attempt = self._second.attempt
            elif self._second is not None:
                # It takes a moment, which nobody should wait for.
                self._second.close()
            self._slot.close()
            if pcm:
                yield pcm
            async for pcm in audio:
                yield pcm

    async def _first_audio(self, audio: AsyncGenerator[bytes]) -> bytes | None:
        """Wait for the first attempt; None if the second one has answered before it."""
        self._attempt.on_late = self._start_second
        try:
            async with asyncio.timeout(None) as self._waiting:
                return await anext(audio, b"")
        except TimeoutError:
            return None
        except FishError:
            if self._second is None or not await self._second.answers():
                raise
            return None
        finally:
            self._waiting = self._attempt.on_late = None

    def _start_second(self) -> None:
        """Start the second attempt, as the first one is late.

        It needs a slot of its own, unless the first one's connection is dead.
        """
        if self._slot.enter_context(self._limiter.try_acquire()) or self._attempt.is_dead:
            attempt = LiveAttempt(*self._arguments)
            self._second = _Second(attempt, self._until)
            self._second.first_audio.add_done_callback(self._on_answer)

    def _on_answer(self, first_audio: asyncio.Future[bytes]) -> None:
        """Give the first attempt up for the second one, if that has answered."""
        if self._waiting is not None and _succeeded(first_audio):
            self._waiting.reschedule(asyncio.get_running_loop().time())
            # A closing handshake would take a moment, which nobody should wait for.
            self._attempt.abort()

    async def _end_second(self) -> None:
        self._slot.close()
        if self._second is not None:
            await asyncio.wait((self._second.close(),))


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
        await asyncio.wait((self.first_audio,))
        _succeeded(self.first_audio)
        with contextlib.suppress(FishError):
            await self.audio.aclose()
        self.attempt.close()


def _succeeded(task: asyncio.Future[bytes]) -> bool:
    return not task.cancelled() and task.exception() is None
