"""An attempt by REST: a request for each chunk of the text, one after the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

from ..api.tts import READ_TIMEOUT_S, TtsClient
from ..connections.pool import ConnectionPool
from ..errors import FishError, NoAudioError
from ..settings import SpeechSettings
from ..text.alignment import words
from .flush_scheduler import FlushScheduler
from .live_attempt import PARK_AFTER_S
from .text_chunks import ReplyText, TextChunks, has_words

__all__ = ["RestAttempt"]


class RestAttempt:
    """Speaks what is written and not yet skipped.

    An answer that comes to its end has said all of its chunk, so it is always known what was
    spoken, except within a chunk.
    """

    def __init__(
        self, pool: ConnectionPool, reply_text: ReplyText, settings: SpeechSettings
    ) -> None:
        self.heard = False
        """Whether there has been any audio."""
        self.sent = 0
        """Characters of the text that were sent, and spoken."""
        self.pending = False
        """Whether words have been sent that are not spoken yet."""
        self.idle_since: float | None = None
        """Since when there has been nothing to speak, by the loop's clock; None while there is."""
        self.is_ending = False
        """Whether no more text will be sent."""
        self._pool = pool
        self._reply_text = reply_text
        self._settings = settings
        self._scheduler = FlushScheduler(settings.speed)
        self._chunks = TextChunks(reply_text, self._scheduler)
        self._is_within_chunk = False
        """Whether a chunk has been heard in part."""

    def stop(self) -> None:
        """Send no more text. ``audio`` ends when what was sent is spoken."""
        self.is_ending = True
        self._chunks.stop()

    async def due(self) -> bool:
        """Wait until there is something to send; false if the text ends without it."""
        return await self._chunks.due()

    def close(self) -> None:
        """Wait for no more text."""
        self._chunks.close()

    async def audio(self, until: float | None) -> AsyncGenerator[bytes]:
        """Send the text and give the audio, both as they come.

        It ends when all of the text is spoken, or what was sent of it after ``stop``, or all that
        there is of one that pauses for PARK_AFTER_S. Raises FishError, also when it is not heard by
        the loop's time ``until``; a server of one's own is given the time that it needs.
        """
        text = ""
        async with self._pool.acquire_rest() as rest:
            while chunk := await self._next():
                # What cannot be heard by itself is said with what follows.
                text += chunk
                if not has_words(chunk):
                    continue
                request = self._reply_text.request(text, opens=True, begun=self.heard)
                if request is None:
                    return
                try:
                    async with contextlib.aclosing(self._speak(rest, request, until)) as speech:
                        async for pcm in speech:
                            yield pcm
                except FishError as error:
                    if not self._is_within_chunk:
                        self._reply_text.fail(error, request)
                    raise
                self.sent += len(text)
                self._reply_text.on_spoken(text)
                text = ""
        if self.sent and not self.heard:
            raise NoAudioError(f"{self._pool.endpoint.name} said nothing.")

    def spoken(self) -> int | None:
        """How many characters were spoken, with nothing heard of the others; None: not known."""
        return None if self._is_within_chunk else self.sent

    async def _next(self) -> str:
        self.idle_since = asyncio.get_running_loop().time()
        chunk = await self._chunks.next(PARK_AFTER_S)
        self.idle_since = None
        return chunk

    async def _speak(
        self, rest: TtsClient, text: str, until: float | None
    ) -> AsyncGenerator[bytes]:
        self.pending = True
        first_audio_timeout_s = READ_TIMEOUT_S
        if until is not None and not self.heard:
            first_audio_timeout_s = until - _now()
        async with contextlib.aclosing(
            rest.speak(text, self._settings, first_audio_timeout_s)
        ) as speech:
            async for pcm in speech:
                if not self.heard:
                    self._pool.breaker.spoke()
                self.heard = self._is_within_chunk = True
                self._scheduler.on_audio(len(pcm) / 2 / self._settings.sample_rate, _now())
                yield pcm
                self._scheduler.on_consumed(_now())
        if not self._is_within_chunk and words(text):
            raise NoAudioError(f"{self._pool.endpoint.name} said nothing.")
        self._is_within_chunk = self.pending = False


def _now() -> float:
    return asyncio.get_running_loop().time()
