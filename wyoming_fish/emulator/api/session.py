"""One session of the live socket: text comes in on one side, audio goes out on the other."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any, NamedTuple

from ..state import EmulatorState, SessionRecord
from .chunks import UnspokenText
from .generation import Generation, Piece
from .request import SpeechRequest
from .timeline import Timeline


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
        self.voice_is_missing = False
        """It ends with an error in place of audio."""
        self.speaker: asyncio.Task[None] | None = None
        self._state = state
        self._generation = Generation(request, settings, timestamps=record.timestamps)
        self._timeline = Timeline(request, settings) if record.timestamps else None
        self._buffer = UnspokenText(request.chunk_length, request.min_chunk_length, settings.split)
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

    async def audio(self) -> AsyncGenerator[dict[str, Any], None]:
        """Give what the session's audio events hold, until it was stopped and all is spoken."""
        while (job := await self._jobs.get()) is not None:
            # Each event lets out what was kept of an earlier text.
            for event in self._released():
                yield event
            if job.text:
                async with aclosing(self._speak(job)) as events:
                    async for event in events:
                        yield event
        for event in self._released():
            yield event
        for piece in self._generation.finish():
            yield self._event(piece)

    async def _speak(self, job: _Job) -> AsyncGenerator[dict[str, Any], None]:
        self._state.speaking(self.record, job.text)
        generation, timeline = self._generation, self._timeline
        begun = False
        async with aclosing(generation.speak(job.text, flushed=job.flushed)) as pieces:
            async for piece in pieces:
                if timeline and not begun:
                    timeline.begin(job.text, generation.samples, generation.silence)
                    begun = True
                yield self._event(piece)
        if timeline and generation.samples:
            if not begun:
                timeline.begin(job.text, generation.samples, generation.silence)
            if not generation.holding:
                yield {"audio": b"", **timeline.correction()}

    def _released(self) -> Iterator[dict[str, Any]]:
        pieces = self._generation.release()
        for piece in pieces:
            yield self._event(piece)
        if pieces and self._timeline:
            yield {"audio": b"", **self._timeline.correction()}

    def _event(self, piece: Piece) -> dict[str, Any]:
        told = self._timeline.audio(piece.samples) if self._timeline else {}
        return {"audio": piece.data, **told}
