"""One session of the live socket: text comes in on one side, audio goes out on the other."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple

from .chunks import TextBuffer
from .generation import Generation
from .request import SpeechRequest
from .state import EmulatorState, SessionRecord


class _Job(NamedTuple):
    text: str
    """"" only lets out what was kept of an earlier text."""
    flushed: bool


class Session:
    """The text that waits, the model that speaks it, and what a fault has done to them.

    Raises ApiError for a format that cannot be had here.
    """

    def __init__(self, record: SessionRecord, request: SpeechRequest, state: EmulatorState) -> None:
        settings = state.settings
        self.record = record
        self.silent = False
        """Audio is made and not sent."""
        self.stalled = False
        """Nothing is sent any more."""
        self.speaker: asyncio.Task[None] | None = None
        self._state = state
        self._generation = Generation(request, settings)
        self._buffer = TextBuffer(request.chunk_length, request.min_chunk_length, settings.split)
        self._jobs: asyncio.Queue[_Job | None] = asyncio.Queue()
        self._begun = asyncio.get_running_loop().time()
        self.add(request.text)

    @property
    def elapsed(self) -> int:
        """Milliseconds since the session began."""
        return round((asyncio.get_running_loop().time() - self._begun) * 1000)

    def add(self, text: str) -> None:
        """Take text in; what is long enough is spoken."""
        self._jobs.put_nowait(_Job("", flushed=False))
        for chunk in self._buffer.add(text):
            self._jobs.put_nowait(_Job(chunk, flushed=False))

    def flush(self) -> None:
        """Have all that waits spoken."""
        self._jobs.put_nowait(_Job(self._buffer.take() or "", flushed=True))

    def stop(self) -> None:
        """Have all that waits spoken, and then no more."""
        self._jobs.put_nowait(_Job(self._buffer.take() or "", flushed=False))
        self._jobs.put_nowait(None)

    def halt(self) -> None:
        """Stop speaking at once."""
        if self.speaker is not None and self.speaker is not asyncio.current_task():
            self.speaker.cancel()

    async def audio(self) -> AsyncGenerator[bytes, None]:
        """Give the audio of the session piece by piece, until it was stopped and all is spoken."""
        while (job := await self._jobs.get()) is not None:
            # Each event lets out what was kept of an earlier text.
            for piece in self._generation.release():
                yield piece
            if job.text:
                self._state.speaking(self.record, job.text)
                async with aclosing(self._generation.speak(job.text, flushed=job.flushed)) as made:
                    async for piece in made:
                        yield piece
        for piece in (*self._generation.release(), *self._generation.finish()):
            yield piece
