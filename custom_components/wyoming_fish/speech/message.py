"""The text of a message."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Self


class Message:
    """A text that can be read again from its start while it is still being written.

    A task reads the source, so a reader that is closed does not end the source. Use it with
    ``async with``; leaving it cancels the task.
    """

    def __init__(self, source: AsyncGenerator[str]) -> None:
        """Take the source of the text."""
        self._source = source
        self._pieces: list[str] = []
        self._error: Exception | None = None
        self._is_complete = False
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._read_source())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    @property
    def is_streamed(self) -> bool:
        """Whether the text came while it was being written. A plain message is one piece."""
        return len(self._pieces) > 1

    async def wait_for_text(self) -> None:
        """Wait for the first piece of text, or for the end of the text."""
        while not (self._pieces or self._is_complete):
            await self._changed.wait()

    async def pieces(self) -> AsyncGenerator[str]:
        """Yield the text from its start. Raises the error of the source."""
        count = 0
        while True:
            changed = self._changed
            while count < len(self._pieces):
                count += 1
                yield self._pieces[count - 1]
            if self._is_complete:
                break
            await changed.wait()
        if self._error is not None:
            raise self._error

    async def _read_source(self) -> None:
        try:
            async for piece in self._source:
                self._pieces.append(piece)
                self._wake_readers()
        except Exception as error:  # noqa: BLE001 - raised to the readers
            self._error = error
        finally:
            self._is_complete = True
            self._wake_readers()

    def _wake_readers(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
