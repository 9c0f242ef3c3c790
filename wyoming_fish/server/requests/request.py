"""What a client wants spoken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from wyoming.tts import SynthesizeVoice

from ...fish.text.text_buffer import TextBuffer
from ..events import EventError
from .log import ReplyRecord

__all__ = ["SynthesisRequest"]


class SynthesisRequest:
    """One reply, while it is still being written.

    ``limit`` is the most characters that it may have; ``ssml`` is whether it is said to be SSML.
    Wyoming has no field for a style, a speed or a volume: it is by SSML that a client asks for them
    (`mstts:express-as` or `amazon:emotion`, and `prosody`).
    """

    def __init__(
        self, voice: SynthesizeVoice, limit: int, *, streamed: bool, ssml: bool = False
    ) -> None:
        self.voice = voice
        self.streamed = streamed
        self.ssml = ssml
        self.fallback_of: str | None = None
        """The ID of the server that asks, if this one is its fallback voice."""
        self.charged_bytes = 0
        """Bytes of the client's memory that are taken for it."""
        self.record = ReplyRecord()
        """What becomes of it."""
        self._limit = limit
        self._text = TextBuffer()
        self._in_pieces = False
        self._complete = False
        self._changed = asyncio.Event()

    @property
    def is_never_kept(self) -> bool:
        """Whether Home Assistant keeps no file of it: the text comes while it is being written.

        A message that is whole from the start comes in one piece, and its audio is kept.
        """
        return self.streamed and self._in_pieces

    def add(self, text: str) -> None:
        """Add text to the end. Raises EventError where the reply grows too long."""
        if not text:
            return
        self.record.write()
        self.record.characters += len(text)
        if self.record.characters > self._limit:
            raise EventError(f"a reply has more than {self._limit} characters")
        self._in_pieces = self._text.length > 0
        self._text.write(text)
        self._changed.set()

    def end(self) -> None:
        """Mark the text as complete."""
        self.record.complete()
        self._complete = True
        self._changed.set()

    async def text(self) -> AsyncIterator[str]:
        """The text as it comes, from its start; to be read by one at a time."""
        at = 0
        while True:
            self._changed.clear()
            complete = self._complete
            for part in self._text.since(at):
                yield part
                at += len(part)
            if complete:
                return
            if at == self._text.length:
                await self._changed.wait()
