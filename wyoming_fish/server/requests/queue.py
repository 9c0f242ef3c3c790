"""Request queue: what one client has asked for and has not heard yet, within its bounds."""

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

# Replies that one client may have waiting.
MAX_WAITING: Final = 100

# Bytes that a reply takes without its text.
REPLY_BYTES: Final = 2048

# Seconds after audio was sent in which a reply counts as heard: a client that plays as it reads, at
# 8,000 Hz, may take 5 s to make room for more.
HEARD_FOR_S: Final = 10.0


class RequestQueue:
    """Replies in the order in which they were requested."""

    def __init__(self, host: str, max_text: int, memory: MemoryShare) -> None:
        self._host = host
        self._max_text = max_text
        self._memory = memory
        self._taken = 0
        """Bytes of it that are taken for the replies."""
        self._waiting: asyncio.Queue[SynthesisRequest | None] = asyncio.Queue()
        """Those that are not yet being spoken; None after the last one."""
        self._unspoken = 0
        """Characters of all of them."""
        self.unanswered: deque[SynthesisRequest] = deque()
        """Those that are not yet spoken; the first one is being spoken."""
        self.streaming: SynthesisRequest | None = None
        """The one whose text is coming in."""
        self._unheard_since = 0.0
        """When the first reply was asked for, or audio was last sent, by the loop's time."""
        self._is_heard = False
        """Whether audio of the first reply was sent."""

    @property
    def unheard_since(self) -> float | None:
        """The loop's time since which a reply waits for audio; None if no reply does."""
        if not self.unanswered or (
            self._is_heard and clock.now() < self._unheard_since + HEARD_FOR_S
        ):
            return None
        return self._unheard_since

    def hear(self, pcm: bytes) -> None:
        """Note that audio of the first reply was sent. The silence in pauses does not count."""
        if pcm != bytes(len(pcm)):
            self._unheard_since, self._is_heard = clock.now(), True

    def add(self, event: Event) -> None:
        """Take a `synthesize` with all of its text. Raises as ``begin`` does."""
        reply = self._begin(event, streamed=False)
        self._write(reply, event)
        reply.end()

    def begin(self, event: Event) -> None:
        """Take a `synthesize-start`. Raises WireError and BudgetExceededError."""
        self.streaming = self._begin(event, streamed=True)

    def write(self, event: Event) -> None:
        """Take a `synthesize-chunk`. Raises as ``begin`` does."""
        if self.streaming is None:
            raise EventError(f"{event.type} is out of order")
        self._write(self.streaming, event)

    def end(self) -> None:
        """Take a `synthesize-stop`. Raises WireError."""
        if self.streaming is None:
            raise EventError("synthesize-stop is out of order")
        self.streaming.end()
        self.streaming = None

    def close(self) -> None:
        """Let ``next`` end after what has been asked for so far."""
        self._waiting.put_nowait(None)

    async def next(self) -> SynthesisRequest | None:
        """Return the next reply to be spoken, as soon as it has been asked for."""
        return await self._waiting.get()

    def remove_first(self) -> None:
        """Forget the first reply: it is spoken."""
        reply = self.unanswered.popleft()
        self._is_heard = False
        self._unspoken -= reply.record.characters
        size = REPLY_BYTES + CHARACTER_BYTES * reply.record.characters
        self._memory.give_back(size)
        self._taken -= size

    def clear(self) -> None:
        """Forget all of them: nobody will hear them."""
        self._memory.give_back(self._taken)
        self._taken = 0
        self.unanswered.clear()
        self._waiting, self.streaming = asyncio.Queue(), None

    def _begin(self, event: Event, *, streamed: bool) -> SynthesisRequest:
        reply = SynthesisRequest(SynthesizeVoice(), self._max_text, streamed=streamed)
        reply.record.host = self._host
        if not self.unanswered:
            self._unheard_since = clock.now()
        # First, since whatever is wrong with it, this reply is then the one to be refused.
        self.unanswered.append(reply)
        self._take(REPLY_BYTES)
        if len(self.unanswered) > MAX_WAITING + 1:
            raise EventError(f"more than {MAX_WAITING} replies are waiting")
        reply.voice, reply.ssml = voice_of(event), is_ssml(event)
        reply.fallback_of = fallback_origin(event)
        # Behind the end of the others it is refused when they are spoken.
        self._waiting.put_nowait(reply)
        return reply

    def _write(self, reply: SynthesisRequest, event: Event) -> None:
        text = text_of(event)
        _LOGGER.debug("Text: %s", text)
        if self._unspoken + len(text) > self._max_text:
            raise EventError(f"more than {self._max_text} characters are not yet spoken")
        self._take(CHARACTER_BYTES * len(text))
        self._unspoken += len(text)
        reply.add(text)

    def _take(self, count: int) -> None:
        self._memory.take(count)
        self._taken += count
