"""Request queue: the requests of one client that are not yet spoken, within its limits."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final

from wyoming.event import Event
from wyoming.tts import SynthesizeVoice

from ...fish import clock
from ..events import EventError, fallback_origin, is_ssml, text_of, voice_of
from ..memory_budget import CHARACTER_BYTES, MemoryShare
from .request import SynthesisRequest

__all__ = ["RequestQueue"]

_LOGGER = logging.getLogger(__name__)

# Requests of one client that can wait.
MAX_WAITING_REQUESTS: Final = 100

# Memory of a request without its text.
REQUEST_BYTES: Final = 2048
# Memory of a character of a name, at most.
NAME_CHARACTER_BYTES: Final = 4

# Seconds for which a reply counts as heard after audio was sent: a client that plays as it reads,
# at 8,000 Hz, can need 5 s until it reads more.
HEARD_FOR_S: Final = 10.0


class RequestQueue:
    """The requests of one client, in their order."""

    def __init__(self, host: str, max_text: int, memory: MemoryShare) -> None:
        self._host = host
        self._max_text = max_text
        self._memory = memory
        self._taken = 0
        """Bytes of ``memory`` that the requests use."""
        self._waiting: asyncio.Queue[SynthesisRequest | None] = asyncio.Queue()
        """Requests that are not yet being spoken; None after the last one."""
        self._unspoken = 0
        """Characters of all requests."""
        self.unanswered: deque[SynthesisRequest] = deque()
        """Requests that are not yet spoken to their end. The first one is being spoken."""
        self.streaming: SynthesisRequest | None = None
        """The request whose text is not complete."""
        self._unheard_since = 0.0
        """The event loop's time of the first request, or of the last audio."""
        self._is_heard = False
        """Whether audio of the first request was sent."""

    @property
    def unheard_since(self) -> float | None:
        """The event loop's time at which the wait for audio began; None if there is no wait."""
        if not self.unanswered or (
            self._is_heard and clock.now() < self._unheard_since + HEARD_FOR_S
        ):
            return None
        return self._unheard_since

    def hear(self, pcm: bytes) -> None:
        """Record that audio of the first request was sent. Silence does not count."""
        if pcm != bytes(len(pcm)):
            self._unheard_since, self._is_heard = clock.now(), True

    def add(self, event: Event) -> None:
        """Add a `synthesize` with its whole text. Raises as ``begin`` does."""
        reply = self._begin(event, streamed=False)
        self.write(event, reply)
        reply.end()

    def begin(self, event: Event) -> None:
        """Add a `synthesize-start`. Raises EventError and BudgetExceededError."""
        self.streaming = self._begin(event, streamed=True)

    def write(self, event: Event, reply: SynthesisRequest | None = None) -> None:
        """Add the text of a `synthesize-chunk`, or of ``reply``. Raises as ``begin`` does."""
        if (reply := reply or self.streaming) is None:
            raise EventError(f"{event.type} is out of order")
        text = text_of(event)
        _LOGGER.debug("Text: %s", text)
        if self._unspoken + len(text) > self._max_text:
            raise EventError(f"more than {self._max_text} characters are waiting")
        self._take(reply, CHARACTER_BYTES * len(text))
        self._unspoken += len(text)
        reply.add(text)

    def end(self) -> None:
        """Add a `synthesize-stop`. Raises EventError."""
        if self.streaming is None:
            raise EventError("synthesize-stop is out of order")
        self.streaming.end()
        self.streaming = None

    def close(self) -> None:
        """Let ``next`` return None after the requests so far."""
        self._waiting.put_nowait(None)

    async def next(self) -> SynthesisRequest | None:
        """Wait for the next request; None at the end."""
        return await self._waiting.get()

    def remove_first(self) -> None:
        """Remove the first request: it is spoken."""
        reply = self.unanswered.popleft()
        self._is_heard = False
        self._unspoken -= reply.record.characters
        self._memory.give_back(reply.charged_bytes)
        self._taken -= reply.charged_bytes

    def clear(self) -> None:
        """Remove all requests: they will not be spoken."""
        self._memory.give_back(self._taken)
        self._taken = 0
        self.unanswered.clear()
        self._waiting, self.streaming = asyncio.Queue(), None

    def _begin(self, event: Event, *, streamed: bool) -> SynthesisRequest:
        reply = SynthesisRequest(SynthesizeVoice(), streamed=streamed)
        reply.record.host = self._host
        if not self.unanswered:
            self._unheard_since = clock.now()
        # Before any check: if one fails, this request is the one that gets the error.
        self.unanswered.append(reply)
        self._take(reply, REQUEST_BYTES)
        if len(self.unanswered) > MAX_WAITING_REQUESTS + 1:
            raise EventError(f"more than {MAX_WAITING_REQUESTS} requests are waiting")
        reply.voice, reply.ssml = voice_of(event), is_ssml(event)
        reply.fallback_of = fallback_origin(event)
        names = (reply.voice.name, reply.voice.language, reply.voice.speaker, reply.fallback_of)
        self._take(reply, NAME_CHARACTER_BYTES * sum(len(name or "") for name in names))
        # After ``close``, it is refused when the requests before it are spoken.
        self._waiting.put_nowait(reply)
        return reply

    def _take(self, reply: SynthesisRequest, count: int) -> None:
        self._memory.take(count)
        reply.charged_bytes += count
        self._taken += count
