"""The text of one reply, while it is being written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable

from .opening import Opening
from .schedule import Schedule
from .story import Story

__all__ = ["Pieces", "Written"]


class Written:
    """What has been written so far and not been skipped; it can be read as often as needed.

    ``story`` is told of it, and ``opening`` of what was spoken.
    """

    def __init__(
        self, text: AsyncIterable[str], story: Story, opening: Opening | None = None
    ) -> None:
        self.story = story
        self.opening = opening or Opening()
        self.parts: list[str] = []
        """As they came, none of them empty."""
        self.news = asyncio.Event()
        """Set with each part, at the end, and where a wait is over."""
        self._reading = asyncio.create_task(self._read(text))
        self._reading.add_done_callback(lambda _: self.news.set())

    async def _read(self, text: AsyncIterable[str]) -> None:
        async for part in text:
            if part:
                self.story.write()
                self.parts.append(part)
                self.news.set()
        self.story.complete()

    @property
    def complete(self) -> bool:
        """Whether there is no more to come. Raises what the text itself raised."""
        if self._reading.done():
            self._reading.result()
            return True
        return False

    async def wait(self, until: float | None = None) -> None:
        """Wait for news, or until the loop's time is ``until``."""
        # A timer by itself: a timeout costs twice as much, and each word would have one.
        alarm = None
        if until is not None:
            alarm = asyncio.get_running_loop().call_at(until, self.news.set)
        try:
            await self.news.wait()
        finally:
            if alarm is not None:
                alarm.cancel()

    async def begins(self) -> bool:
        """Whether there is anything left to say; returns as soon as that is known."""
        seen = 0
        while True:
            self.news.clear()
            complete = self.complete
            if any(has_words(part) for part in self.parts[seen:]):
                return True
            if complete:
                return False
            seen = len(self.parts)
            await self.wait()

    def skip(self, characters: int) -> None:
        """Forget the first ``characters``: they have been spoken."""
        while characters:
            part = self.parts.pop(0)
            self.opening.spoke(part[:characters])
            if len(part) > characters:
                self.parts.insert(0, part[characters:])
            characters -= min(characters, len(part))

    async def close(self) -> None:
        """Read no further."""
        self._reading.cancel()
        await asyncio.wait([self._reading])
        if not self._reading.cancelled():
            # It has been raised where it was met, if it was.
            self._reading.exception()


class Pieces:
    """The written text in the pieces in which it is to be spoken, each when its time has come."""

    def __init__(self, written: Written, schedule: Schedule) -> None:
        self._written = written
        self._schedule = schedule
        self._scheduled = 0

    async def next(self) -> str:
        """The next piece, or nothing at the end of the text. Raises what the text raised."""
        written, schedule = self._written, self._schedule
        while True:
            written.news.clear()
            now = asyncio.get_running_loop().time()
            complete = written.complete
            for part in written.parts[self._scheduled :]:
                schedule.write(part, now)
            self._scheduled = len(written.parts)
            if complete:
                schedule.complete()
            if (piece := schedule.take(now)) or complete:
                return piece
            await written.wait(schedule.wake(now))


def has_words(text: str) -> bool:
    """Whether there is anything in it that can be heard: a letter or a number."""
    return any(letter.isalnum() for letter in text)
