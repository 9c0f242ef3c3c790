"""The text of one reply while it is being written, and the chunks in which it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from .. import clock
from ..cpu_turns import cpu_turn
from ..errors import FishError, TextTimeoutError
from ..reply_metrics import ReplyMetrics, size_of
from ..text.characters import has_words
from ..text.request_prefix import RequestPrefix
from ..text.sentences import Boundaries
from ..text.text_buffer import TextBuffer
from .flush_scheduler import FlushScheduler

__all__ = ["ReplyText", "TextChunks", "without_limit"]

# Seconds without new text, and with nothing left to say, after which a reply ends. An agent may use
# its tools for minutes; Home Assistant never ends the text of a pipeline that it cancels.
TEXT_TIMEOUT_S: Final = 300.0


def without_limit(characters: int) -> None:
    """Let any number of ``characters`` be sent: what ``speak`` has for ``spend`` by default."""


class ReplyText:
    """What is to be said of ``source``, as far as it is written, and how much of that was said.

    ``steps`` prepare the text, one step at a time, in the task that waits for it: they give what is
    to be said, and None when the source has nothing more yet. ``metrics`` is told of the text,
    ``prefix`` of what was spoken; ``spend`` is what ``speak`` has. With ``by_sentence``, each
    session speaks one sentence.
    """

    def __init__(
        self,
        source: TextBuffer,
        steps: Iterator[str | None],
        metrics: ReplyMetrics,
        prefix: RequestPrefix | None = None,
        spend: Callable[[int], None] = without_limit,
        *,
        by_sentence: bool = False,
    ) -> None:
        self.buffer = TextBuffer(source.readers)
        """What has been prepared; its readers are those of the source."""
        self.skipped = 0
        """Characters of it that have been spoken."""
        self.last_text = clock.now()
        """When the last of it came, or reading began."""
        self._source = source
        self._steps = steps
        self._ahead: str | None = None
        """The step that follows, once there is one."""
        self._metrics = metrics
        self._prefix = prefix or RequestPrefix()
        self._spend = spend
        self._boundaries = Boundaries() if by_sentence else None

    async def prepare(self) -> bool:
        """Prepare one step, in this task's turn to compute; tell whether there is another."""
        await cpu_turn()
        if self.buffer.is_complete:
            return False
        try:
            text = next(self._steps) if self._ahead is None else self._ahead
            if text:
                self._metrics.write()
                self.last_text = clock.now()
                self.buffer.write(text)
                if self._boundaries is not None:
                    self._boundaries.write(text)
            # It is one step ahead, so that each word wakes its reader only once.
            self._ahead = None if text is None else next(self._steps)
        except StopIteration:
            self._metrics.complete()
            if self._boundaries is not None:
                self._boundaries.complete()
            self.buffer.end(self._source.error)
            return False
        return self._ahead is not None

    @property
    def is_complete(self) -> bool:
        """Whether there is no more to come. Raises what the text itself raised."""
        if self.buffer.error is not None:
            raise self.buffer.error
        return self.buffer.is_complete

    @property
    def limit(self) -> tuple[int, bool]:
        """How far the next session may speak, and whether that is all that it is to speak.

        Raises what the text itself raised.
        """
        is_complete = self.is_complete
        if self._boundaries is None:
            return self.buffer.length, is_complete
        for end in self._boundaries.ends:
            # What cannot be heard by itself is said with the next sentence.
            if end > self.skipped and has_words(self._until(end)):
                return end, True
        return (self.buffer.length if is_complete else self._boundaries.safe), is_complete

    @property
    def is_between_sentences(self) -> bool:
        """Whether what was spoken ends where a sentence certainly ends."""
        ends = self._boundaries.ends if self._boundaries is not None else ()
        end = next((end for end in ends if end >= self.skipped), None)
        return end is not None and not has_words(self._until(end))

    def _until(self, end: int) -> str:
        """What was not spoken of the text before the position ``end``."""
        return "".join(self.buffer.since(self.skipped))[: end - self.skipped]

    async def begins(self) -> bool:
        """Whether there is anything left to say; returns as soon as that is known.

        Raises TextTimeoutError.
        """
        seen, began = self.skipped, clock.now()
        changed = asyncio.Event()
        self.buffer.readers.add(changed)
        try:
            while True:
                has_more = await self.prepare()
                changed.clear()
                is_complete = self.is_complete
                if any(map(has_words, self.buffer.since(seen))):
                    return True
                if is_complete:
                    return False
                seen = self.buffer.length
                if not has_more:
                    await self.more(changed, began)
        finally:
            self.buffer.readers.discard(changed)

    async def more(self, changed: asyncio.Event, since: float, until: float | None = None) -> None:
        """Wait for ``changed``, or until the loop's time ``until``.

        Raises TextTimeoutError if nothing was left to say ``since``, and no text came for too long.
        """
        times_out = max(self.last_text, since) + TEXT_TIMEOUT_S
        if clock.now() >= times_out:
            raise TextTimeoutError(f"No more text of the reply arrived for {TEXT_TIMEOUT_S:.0f} s.")
        await clock.wait(changed, times_out if until is None else min(until, times_out))

    def request(self, text: str, *, opens: bool, begun: bool) -> str | None:
        """``text`` as it may be sent now, and then counts as sent; None if its session is to end.

        If it ``opens`` a request, it is told the style and the speaker. Raises FishError if it may
        not be sent and the session has not ``begun``: one that has speaks what it was sent.
        """
        if opens:
            text = self._prefix.apply(text)
        try:
            self._spend(len(text))
        except FishError:
            if begun:
                return None
            raise
        self._metrics.send(text)
        return text

    def fail(self, error: FishError, sent: str) -> None:
        """A session in which ``sent`` was sent has ended before its first audio."""
        if self._metrics.fail(error, size_of(sent)):
            self._spend(-len(sent))

    def on_spoken(self, text: str) -> None:
        """``text`` has been spoken: its last speaker goes on in the next request."""
        self._prefix.on_spoken(text)

    def skip(self, characters: int) -> None:
        """Forget the next ``characters``: they have been spoken."""
        self.on_spoken("".join(self.buffer.since(self.skipped))[:characters])
        self.skipped += characters
        self.buffer.drop(self.skipped)
        while (
            self._boundaries and self._boundaries.ends and self._boundaries.ends[0] < self.skipped
        ):
            self._boundaries.ends.popleft()


class TextChunks:
    """The text in the chunks in which it is to be spoken, each when its time has come.

    One attempt reads them, from the first part that is not skipped. Call ``close()`` in the end.
    """

    def __init__(self, reply_text: ReplyText, scheduler: FlushScheduler) -> None:
        self._reply_text = reply_text
        self._scheduler = scheduler
        self._scheduled = reply_text.skipped
        self._stopped = False
        self._changed = asyncio.Event()
        reply_text.buffer.readers.add(self._changed)

    def close(self) -> None:
        """Wait for no more text."""
        self._reply_text.buffer.readers.discard(self._changed)

    def wake(self) -> None:
        """Check again whether a chunk is due, since audio has come."""
        self._changed.set()

    def stop(self) -> None:
        """Give no more chunks."""
        self._stopped = True
        self._changed.set()

    async def due(self) -> bool:
        """Wait until a chunk is due; false if the text ends without one.

        Raises TextTimeoutError, and what the text raised.
        """
        began = clock.now()
        while True:
            has_more = await self._take_in()
            now = clock.now()
            if self._scheduler.is_due(now):
                return True
            if self._reply_text.is_complete:
                return False
            if not has_more:
                deadline = self._scheduler.next_deadline(now)
                await self._reply_text.more(self._changed, began, deadline)

    async def next(self, pause_s: float | None = None) -> str:
        """The next chunk; empty at the end of the text, after ``stop``, or a pause of ``pause_s``.

        Raises what the text raised.
        """
        pause_at = None if pause_s is None else clock.now() + pause_s
        while True:
            has_more = await self._take_in()
            if self._stopped:
                break
            now = clock.now()
            if (chunk := self._scheduler.next_chunk(now)) or self._scheduler.is_done:
                return chunk
            if has_more:
                continue
            if pause_at is not None and now >= pause_at:
                break
            times = [t for t in (self._scheduler.next_deadline(now), pause_at) if t is not None]
            await clock.wait(self._changed, min(times, default=None))
        return ""

    async def _take_in(self) -> bool:
        """Hand one step of new text to the scheduler; tell whether there may be another."""
        has_more = await self._reply_text.prepare()
        self._changed.clear()
        limit, is_last = self._reply_text.limit
        if limit > self._scheduled:
            new = "".join(self._reply_text.buffer.since(self._scheduled))
            self._scheduler.write(new[: limit - self._scheduled], clock.now())
            self._scheduled = limit
        if is_last:
            self._scheduler.complete()
        return has_more
