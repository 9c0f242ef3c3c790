"""Request log: records of the last replies, for the log, the page and the metrics."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from ...fish import clock
from ...fish.errors import FishError
from ...fish.reply_metrics import ReplyMetrics

__all__ = ["ReplyRecord", "RequestLog"]

_LOGGER = logging.getLogger(__name__)

# The page shows these replies. A record takes a few hundred bytes.
MAX_RECORDS: Final = 50


@dataclass(slots=True, eq=False)
class ReplyRecord(ReplyMetrics):
    """The record of one reply. It never has the text, which is private."""

    at: float = field(default_factory=time.time)
    """The time of the request: seconds since 1970."""
    host: str = ""
    """The address of the client."""
    characters: int = 0
    """Number of characters of the text."""
    spoken_by: str = ""
    """Voice and backend, or the address of the fallback voice."""
    source: str = "spoken"
    """What its audio comes from: "spoken" (Fish Audio), "fallback" (voice) or "cached"."""
    outcome: str = "client-disconnected"
    """``source`` if it ended well, "empty" if there was nothing to speak, "client-disconnected", or
    the code of the FishError."""
    ended: float | None = None
    """The event loop's time of its end."""


class RequestLog:
    """The last replies, and the number of clients."""

    def __init__(self) -> None:
        self.replies: deque[ReplyRecord] = deque(maxlen=MAX_RECORDS)
        """The oldest first."""
        self.listeners: list[Callable[[ReplyRecord], None]] = []
        """Called with each reply when it has ended."""
        self.clients = 0
        """Number of connected clients."""
        self.refused: Counter[str] = Counter()
        """Number of refused clients, by reason."""

    @contextlib.contextmanager
    def track(self, record: ReplyRecord) -> Iterator[None]:
        """Record the outcome of a reply within ``with``; log it if it ended well."""
        try:
            yield
            record.outcome = record.source if record.audio else "empty"
        except FishError as error:
            record.outcome = error.code
            raise
        finally:
            record.ended = clock.now()
            self.replies.append(record)
            for listener in self.listeners:
                listener(record)
        if record.outcome == "empty":
            _LOGGER.info(
                "Nothing to speak in a reply: %s, %d characters",
                record.spoken_by,
                record.characters,
            )
            return
        _LOGGER.info(
            "Spoke a reply: %s, %d characters, first audio %.0f ms, %.1f s of audio",
            record.spoken_by,
            record.characters,
            (record.first_audio or 0.0) * 1000,
            record.audio,
        )
