"""Synthesis request: one text that a client wants spoken."""

from __future__ import annotations

from wyoming.tts import SynthesizeVoice

from ...fish import TextBuffer
from .log import ReplyRecord

__all__ = ["SynthesisRequest"]


class SynthesisRequest:
    """One reply, while its text is being written.

    ``ssml`` is whether it is said to be SSML. Wyoming has no field for a style, a speed or a
    volume: a client asks for them by SSML (`mstts:express-as` or `amazon:emotion`, and `prosody`).
    """

    def __init__(self, voice: SynthesizeVoice, *, streamed: bool, ssml: bool = False) -> None:
        self.voice = voice
        self.streamed = streamed
        self.ssml = ssml
        self.fallback_of: str | None = None
        """The ID of the server that asks, if this one is its fallback voice."""
        self.charged_bytes = 0
        """Bytes of the client's memory that are taken for it."""
        self.record = ReplyRecord()
        """What becomes of it."""
        self.text = TextBuffer()
        """What has been written so far."""

    @property
    def is_never_kept(self) -> bool:
        """Whether Home Assistant keeps no file of it: the text comes while it is being written.

        A message that is whole from the start comes in one piece, and its audio is kept.
        """
        return self.streamed and self.text.is_streamed

    def add(self, text: str) -> None:
        """Add text to the end."""
        if not text:
            return
        self.record.write()
        self.record.characters += len(text)
        self.text.write(text)

    def end(self) -> None:
        """Mark the text as complete."""
        self.record.complete()
        self.text.end()
