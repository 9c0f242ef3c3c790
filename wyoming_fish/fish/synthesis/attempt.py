"""Attempt: one try to speak the text that is written and not yet spoken."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from typing import Final

from .. import clock
from ..connections.pool import ConnectionPool
from ..errors import NoAudioError
from ..settings import SpeechSettings
from ..silence import SilenceCutter
from .flush_scheduler import FlushScheduler
from .text_chunks import ReplyText, TextChunks

__all__ = ["PARK_AFTER_S", "Attempt"]

# Seconds without new text, with all that was sent spoken, after which the session is finished, so
# that others can have it. Text that comes later opens a new one.
PARK_AFTER_S: Final = 30.0


class Attempt(ABC):
    """Speaks the text that is not yet skipped, in one session. Call ``close()`` in the end."""

    def __init__(
        self, pool: ConnectionPool, reply_text: ReplyText, settings: SpeechSettings
    ) -> None:
        self.heard = False
        """Whether there has been any audio for the listener."""
        self.sent = 0
        """Characters of the text that were sent."""
        self.cut_s = 0.0
        """Seconds of silence that came and were not given."""
        self._pool = pool
        self._reply_text = reply_text
        self._settings = settings
        self._scheduler = self._new_scheduler()
        self._silence = SilenceCutter(settings)
        self._chunks = TextChunks(reply_text, self._scheduler)
        self._is_stopped = False
        """Whether no more text is sent, though there may be more."""

    def _new_scheduler(self) -> FlushScheduler:
        speed = self._pool.measurements.speed(self._settings.backend, self._settings.latency)
        return FlushScheduler(self._settings.speed, speed)

    @property
    @abstractmethod
    def pending(self) -> bool:
        """Whether words were sent that have not been spoken yet, as far as can be known."""

    @property
    @abstractmethod
    def idle_since(self) -> float | None:
        """The loop's time since which there has been nothing to speak; None while there is."""

    @property
    def is_ending(self) -> bool:
        """Whether no more text will be sent."""
        return self._is_stopped

    def stop(self) -> None:
        """Send no more text. ``audio`` ends when what was sent is spoken."""
        self._is_stopped = True
        self._chunks.stop()

    async def due(self) -> bool:
        """Wait until there is something to send; false if the text ends without it."""
        return await self._chunks.due()

    @abstractmethod
    def audio(self, until: float | None) -> AsyncGenerator[bytes]:
        """Send the text and give the audio, both as they come.

        It ends when all of the text is spoken, or what was sent of it after ``stop``, or all that
        there is of one that pauses for PARK_AFTER_S. Raises FishError, also when it is not heard by
        the loop's time ``until``.
        """

    @abstractmethod
    def spoken(self) -> int | None:
        """How many characters were spoken, with nothing heard of the others; None: not known."""

    @property
    def _name(self) -> str:
        """What the server is called in a message."""
        return self._pool.endpoint.name

    def _no_audio(self) -> NoAudioError:
        return NoAudioError(f"{self._name} returned no audio.")

    def _take_audio(self, pcm: bytes) -> bytes:
        """Take audio that has come; return what the listener gets, with silence cut."""
        given = self._silence.feed(pcm)
        now, bytes_per_s = clock.now(), 2 * self._settings.sample_rate
        cut_s = (len(pcm) - len(given)) / bytes_per_s
        self.cut_s += cut_s
        if self._scheduler.on_audio(len(pcm) / bytes_per_s, now, cut_s):
            self._chunks.wake()
        if given:
            self.heard = True
        else:
            self._scheduler.on_consumed(now)
        return given

    def close(self) -> None:
        """Wait for no more text."""
        self._chunks.close()
