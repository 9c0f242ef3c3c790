"""Text buffer: a text that is being written and can be read from any position in it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterator

from ..cpu_turns import STEP_CHARS, cpu_turn, steps

__all__ = ["TextBuffer", "buffered"]


class TextBuffer:
    """A text in parts of at most STEP_CHARS, none of which is empty; small ones are joined.

    Positions count the characters from the start of the text. ``readers`` are set when more of the
    text comes, and at its end.
    """

    def __init__(self, readers: set[asyncio.Event] | None = None) -> None:
        self.readers: set[asyncio.Event] = set() if readers is None else readers
        self.length = 0
        """Characters that have been written."""
        self._writes = 0
        """Times that some were."""
        self.is_complete = False
        """Whether there is no more to come."""
        self.error: BaseException | None = None
        """Why it has ended before its end."""
        self.is_kept = False
        """Whether it is read again from its start, so that ``drop`` has no effect."""
        self._parts: list[str] = []
        self._start = 0
        """The position of the first part."""

    def write(self, text: str) -> None:
        """Add text to the end."""
        if not text:
            return
        self._writes += 1
        self.length += len(text)
        # Each string takes 50 bytes besides its text: letters would take fifty times as much.
        if self._parts and (room := STEP_CHARS - len(self._parts[-1])):
            self._parts[-1] += text[:room]
            text = text[room:]
        self._parts += steps(text)
        self._wake_readers()

    @property
    def is_streamed(self) -> bool:
        """Whether it is written while it is read. A text that is whole from the start is not."""
        return self._writes > 1 or not self.is_complete

    def end(self, error: BaseException | None = None) -> None:
        """Add no more. ``error`` is why, if the text is not whole."""
        if not self.is_complete:
            self.is_complete, self.error = True, error
            self._wake_readers()

    def since(self, at: int) -> list[str]:
        """Return the text from the position ``at`` on, in parts."""
        parts: list[str] = []
        end = self.length
        for part in reversed(self._parts):
            if end <= at:
                break
            start = end - len(part)
            parts.append(part[max(0, at - start) :])
            end = start
        return parts[::-1]

    def drop(self, to: int) -> None:
        """Free the memory of the parts that end before the position ``to``."""
        while not self.is_kept and self._parts and self._start + len(self._parts[0]) <= to:
            self._start += len(self._parts.pop(0))

    def read(self) -> Iterator[str | None]:
        """Give all of the parts, and drop them; None when the next one is not written yet."""
        at = 0
        while not (self.is_complete and at == self.length):
            if at == self.length:
                yield None
            for part in self.since(at):
                at += len(part)
                self.drop(at)
                yield part

    async def pieces(self) -> AsyncGenerator[str]:
        """Yield the text from its start while it is being written. Raises ``error``."""
        changed = asyncio.Event()
        self.readers.add(changed)
        at = 0
        try:
            while not (self.is_complete and at == self.length):
                changed.clear()
                parts, at = self.since(at), self.length
                for part in parts:
                    yield part
                if not self.is_complete:
                    await changed.wait()
        finally:
            self.readers.discard(changed)
        if self.error is not None:
            raise self.error

    async def whole(self) -> str:
        """Wait for its end, and return all of it. Raises ``error``."""
        async for _ in self.pieces():
            pass
        return "".join(self.since(0))

    def _wake_readers(self) -> None:
        for reader in self.readers:
            reader.set()


@contextlib.asynccontextmanager
async def buffered(text: str | AsyncIterable[str] | TextBuffer) -> AsyncIterator[TextBuffer]:
    """``text`` as a buffer. A task reads an iterable into it until the context ends."""
    if isinstance(text, TextBuffer):
        yield text
        return
    buffer = TextBuffer()
    if isinstance(text, str):
        buffer.write(text)
        buffer.end()
        yield buffer
        return
    reading = asyncio.create_task(_read(text, buffer))
    # Its error is raised where the buffer is read.
    reading.add_done_callback(
        lambda task: buffer.end(asyncio.CancelledError() if task.cancelled() else task.exception())
    )
    try:
        yield buffer
    finally:
        reading.cancel()
        await asyncio.wait((reading,))


async def _read(text: AsyncIterable[str], buffer: TextBuffer) -> None:
    async for part in text:
        await cpu_turn()
        buffer.write(part)
    buffer.end()
