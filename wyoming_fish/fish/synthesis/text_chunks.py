"""The text of one reply, while it is being written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable
from typing import Final

from ..cpu_turns import cpu_turn
from ..errors import FishError, TextTimeoutError
from ..reply_metrics import ReplyMetrics, size_of
from ..text.request_prefix import RequestPrefix
from ..text.text_buffer import TextBuffer
from .flush_scheduler import FlushScheduler

__all__ = ["ReplyText", "TextChunks", "without_limit"]

# Seconds without new text, and with nothing left to say, after which a reply ends. An agent may use
# its tools for minutes; Home Assistant never ends the text of a pipeline that it cancels.
TEXT_TIMEOUT_S: Final = 300.0


def without_limit(characters: int) -> None:
    """Let any number of ``characters`` be sent: what ``speak`` has for ``spend`` by default."""


# Seconds that a wait for a time lasts at least: a loop that waits until a time which rounding keeps
# just ahead of the clock would not end.
MIN_WAIT_S: Final = 0.001


class ReplyText:
    """What has been written so far and not been skipped; it can be read as often as needed.

    ``metrics`` is told of it, and ``prefix`` of what was spoken. ``spend`` is what ``speak`` has.
    """

    def __init__(
        self,
        text: AsyncIterable[str],
        metrics: ReplyMetrics,
        prefix: RequestPrefix | None = None,
        spend: Callable[[int], None] = without_limit,
    ) -> None:
        self.metrics = metrics
        self.prefix = prefix or RequestPrefix()
        self._spend = spend
        self.text = TextBuffer()
        self.last_text = _now()
        """When the last of it came, or reading began."""
        self.readers: set[asyncio.Event] = set()
        """Set when more of it comes, and at the end."""
        self._reading = asyncio.create_task(self._read(text))
        self._reading.add_done_callback(lambda _: self._wake_readers())

    async def _read(self, text: AsyncIterable[str]) -> None:
        async for part in text:
            if part:
                self.metrics.write()
                self.text.write(part)
                self.last_text = _now()
                self._wake_readers()
        self.metrics.complete()

    def _wake_readers(self) -> None:
        for reader in self.readers:
            reader.set()

    @property
    def complete(self) -> bool:
        """Whether the text is complete. Raises what the text itself raised."""
        if self._reading.done():
            self._reading.result()
            return True
        return False

    async def begins(self) -> bool:
        """Whether there is anything left to say; returns as soon as that is known.

        Raises TextTimeoutError.
        """
        seen, began = 0, _now()
        changed = asyncio.Event()
        self.readers.add(changed)
        try:
            while True:
                changed.clear()
                complete = self.complete
                if any(map(has_words, self.text.since(seen))):
                    return True
                if complete:
                    return False
                seen = self.text.length
                self.check_timeout(began)
                await wait(changed, self.times_out(began))
        finally:
            self.readers.discard(changed)

    def times_out(self, since: float) -> float:
        """When the reply ends if no text comes; nothing was left to say ``since`` that time."""
        return max(self.last_text, since) + TEXT_TIMEOUT_S

    def check_timeout(self, since: float) -> None:
        """Raise TextTimeoutError if that time has come."""
        if _now() >= self.times_out(since):
            raise TextTimeoutError(
                f"The text of the reply did not go on for {TEXT_TIMEOUT_S:.0f} s."
            )

    def may_send(self, text: str, *, begun: bool) -> bool:
        """Whether ``text`` may be sent now; it then counts as sent.

        Raises FishError if it may not be and its session has not ``begun``. One that has is to
        speak what it was sent.
        """
        try:
            self._spend(len(text))
        except FishError:
            if begun:
                return False
            raise
        self.metrics.send(text)
        return True

    def fail(self, error: FishError, sent: str) -> None:
        """A session in which ``sent`` was sent has ended before its first audio."""
        if self.metrics.fail(error, size_of(sent)):
            self._spend(-len(sent))

    def skip(self, characters: int) -> None:
        """Forget the first ``characters``: they have been spoken."""
        self.prefix.spoke(self.text.take(characters))

    async def close(self) -> None:
        """Read no further."""
        self._reading.cancel()
        await asyncio.wait([self._reading])
        if not self._reading.cancelled():
            # It has been raised where it was met, if it was.
            self._reading.exception()


class TextChunks:
    """The written text in the pieces in which it is to be spoken, each when its time has come.

    One attempt reads them, from the first part that is not skipped. Call ``close()`` in the end.
    """

    def __init__(self, reply_text: ReplyText, scheduler: FlushScheduler) -> None:
        self._reply_text = reply_text
        self._scheduler = scheduler
        self._scheduled = 0
        self._stopped = False
        self._changed = asyncio.Event()
        reply_text.readers.add(self._changed)

    def close(self) -> None:
        """Wait for no more text."""
        self._reply_text.readers.discard(self._changed)

    def wake(self) -> None:
        """Look again whether it is time for a piece, since audio has come."""
        self._changed.set()

    def stop(self) -> None:
        """Give no more pieces."""
        self._stopped = True
        self._changed.set()

    async def due(self) -> bool:
        """Wait until it is time for a piece; false if the text ends without one.

        Raises TextTimeoutError, and what the text raised.
        """
        began = _now()
        while True:
            self._changed.clear()
            now = _now()
            complete = self._take_in(now)
            if self._scheduler.due(now):
                return True
            if complete:
                return False
            self._reply_text.check_timeout(began)
            times_out = self._reply_text.times_out(began)
            await wait(self._changed, min(self._scheduler.wake(now) or times_out, times_out))

    async def next(self, pause_s: float | None = None) -> str:
        """The next piece; empty at the end of the text, after ``stop``, or a pause of ``pause_s``.

        Raises what the text raised.
        """
        pause_at = None if pause_s is None else _now() + pause_s
        while not self._stopped:
            await cpu_turn()
            self._changed.clear()
            now = _now()
            self._take_in(now)
            if (piece := self._scheduler.take(now)) or self._scheduler.is_done:
                return piece
            if pause_at is not None and now >= pause_at:
                break
            times = [time for time in (self._scheduler.wake(now), pause_at) if time is not None]
            await wait(self._changed, min(times, default=None))
        return ""

    def _take_in(self, now: float) -> bool:
        """Pass new text to the scheduler. Return whether the text is complete."""
        complete = self._reply_text.complete
        if new := "".join(self._reply_text.text.since(self._scheduled)):
            self._scheduler.write(new, now)
        self._scheduled = self._reply_text.text.length
        if complete:
            self._scheduler.complete()
        return complete


async def wait(changed: asyncio.Event, until: float | None) -> None:
    """Wait for ``changed``, or until the loop's time ``until``."""
    # A timer by itself: a timeout costs twice as much, and each word would have one.
    alarm = None
    if until is not None:
        alarm = asyncio.get_running_loop().call_at(max(until, _now() + MIN_WAIT_S), changed.set)
    try:
        await changed.wait()
    finally:
        if alarm is not None:
            alarm.cancel()


def has_words(text: str) -> bool:
    """Whether there is anything in it that can be heard: a letter or a number."""
    return any(letter.isalnum() for letter in text)


def _now() -> float:
    return asyncio.get_running_loop().time()
