"""A reply by REST: a request for each piece of its text, one after the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from .errors import NoAudioError
from .rest import PATIENCE, Rest
from .schedule import Schedule
from .settings import SpeechSettings
from .sockets import Sockets
from .words import words
from .written import Pieces, Written, has_words

__all__ = ["RestReply"]


class RestReply:
    """Speaks what is written and not yet skipped.

    An answer that comes to its end has said all of its piece: so what has been spoken is always
    known, but amid a piece.
    """

    def __init__(
        self,
        sockets: Sockets,
        written: Written,
        settings: SpeechSettings,
        until: float | None = None,
    ) -> None:
        self.heard = False
        """Whether there has been any audio."""
        self._sockets = sockets
        self._written = written
        self._settings = settings
        self._until = until
        self._schedule = Schedule(settings.speed)
        self._spoken = 0
        self._within = False
        """Whether a piece has been heard in part."""

    async def audio(self) -> AsyncGenerator[bytes]:
        """Send the text and give the audio, both as they come. Raises FishError."""
        pieces = Pieces(self._written, self._schedule)
        text = ""
        async with self._sockets.lend_rest(self._until) as rest:
            while piece := await pieces.next():
                # What cannot be heard by itself is said with what follows.
                text += piece
                if not has_words(text):
                    continue
                request = self._written.opening.open(text)
                self._written.story.send(request)
                async with contextlib.aclosing(self._speak(rest, request)) as speech:
                    async for pcm in speech:
                        yield pcm
                self._spoken += len(text)
                self._written.opening.spoke(text)
                text = ""
        if not self.heard:
            raise NoAudioError("Fish Audio said nothing.")

    def spoken(self) -> int | None:
        """How many characters were spoken, with nothing heard of the others; None: not known."""
        return None if self._within else self._spoken

    async def _speak(self, rest: Rest, text: str) -> AsyncGenerator[bytes]:
        patience = PATIENCE
        if self._until is not None and not self.heard:
            patience = self._until - asyncio.get_running_loop().time()
        async with contextlib.aclosing(rest.speak(text, self._settings, patience)) as speech:
            async for pcm in speech:
                if not self.heard:
                    self._sockets.detour.spoke()
                self.heard = self._within = True
                now = asyncio.get_running_loop().time()
                seconds = len(pcm) / 2 / self._settings.sample_rate
                self._schedule.heard(seconds, now)
                self._written.story.hear(seconds)
                yield pcm
        if not self._within and words(text):
            raise NoAudioError("Fish Audio said nothing.")
        self._within = False
