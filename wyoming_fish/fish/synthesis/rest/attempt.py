"""REST attempt: a request for each chunk of the text, one after the other."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from ... import clock
from ...api.tts import READ_TIMEOUT_S, TtsClient
from ...connections.pool import ConnectionPool
from ...errors import FishError
from ...settings import SpeechSettings
from ...text.alignment import words
from ...text.characters import has_words
from ..attempt import PARK_AFTER_S, Attempt
from ..text_chunks import ReplyText
from .scheduler import RestScheduler

__all__ = ["RestAttempt"]


class RestAttempt(Attempt):
    """A request for each chunk of the text.

    An answer that comes to its end has said all of its chunk, so it is always known what was
    spoken, except within a chunk. A server of one's own is given the time that it needs.
    """

    def __init__(
        self, pool: ConnectionPool, reply_text: ReplyText, settings: SpeechSettings
    ) -> None:
        super().__init__(pool, reply_text, settings)
        self._is_pending = False
        self._is_within_chunk = False
        """Whether a chunk has been heard in part."""
        self._idle_since: float | None = None

    def _new_scheduler(self) -> RestScheduler:
        return RestScheduler(self._settings.speed, self._pool.rest_pace)

    @property
    def pending(self) -> bool:
        """Whether words have been sent that are not spoken yet."""
        return self._is_pending

    @property
    def idle_since(self) -> float | None:
        """The loop's time since which there has been nothing to speak; None while there is."""
        return self._idle_since

    async def audio(self, until: float | None) -> AsyncGenerator[bytes]:
        """Send the text and give the audio, both as they come."""
        text = ""
        async with self._pool.acquire_rest() as rest:
            # How much text it is sent depends on it.
            await rest.detect(self._timeout_s(until))
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
        if pcm := self._silence.end():
            self.heard = True
            yield pcm
        if self.sent and not self.heard:
            raise self._no_audio()

    def spoken(self) -> int | None:
        """How many characters were spoken, with nothing heard of the others; None: not known."""
        return None if self._is_within_chunk else self.sent

    async def _next(self) -> str:
        self._idle_since = clock.now()
        chunk = await self._chunks.next(PARK_AFTER_S)
        self._idle_since = None
        return chunk

    def _timeout_s(self, until: float | None) -> float:
        """Seconds in which it has to be heard."""
        return READ_TIMEOUT_S if until is None or self.heard else until - clock.now()

    async def _speak(
        self, rest: TtsClient, text: str, until: float | None
    ) -> AsyncGenerator[bytes]:
        self._is_pending = True
        async with contextlib.aclosing(
            rest.speak(text, self._settings, self._timeout_s(until))
        ) as speech:
            is_answered = False
            async for pcm in speech:
                if not is_answered:
                    self._pool.breaker.record_rest_success()
                is_answered = True
                if given := self._take_audio(pcm):
                    self._is_within_chunk = True
                    yield given
                    self._scheduler.on_consumed(clock.now())
        if not is_answered and words(text):
            raise self._no_audio()
        self._is_within_chunk = self._is_pending = False
