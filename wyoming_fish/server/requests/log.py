"""What has happened to the last replies, for the log, the page and the metrics alike."""

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

# Replies that are remembered: what a page shows, a few hundred bytes each.
MAX_RECORDS: Final = 50


@dataclass(slots=True, eq=False)
class ReplyRecord(ReplyMetrics):
    """One reply: never its text, which is private."""

    at: float = field(default_factory=time.time)
    """When it was asked for: seconds since 1970."""
    host: str = ""
    """The address of the client that asked for it."""
    characters: int = 0
    """Of its text."""
    spoken_by: str = ""
    """Voice and backend, or the fallback voice."""
    source: str = "spoken"
    """How it is spoken: «spoken» by Fish, «fallback» by the fallback voice, «cached»."""
    outcome: str = "left"
    """Its source where it came to its end, «left» where the client did before that, or the code of
    the FishError that it failed with."""
    ended: float | None = None
    """The loop's time of its end."""


class RequestLog:
    """The last replies, and who has come to ask for them."""

    def __init__(self) -> None:
        self.replies: deque[ReplyRecord] = deque(maxlen=MAX_RECORDS)
        """The newest last."""
        self.listeners: list[Callable[[ReplyRecord], None]] = []
        """Are told of each reply at its end."""
        self.clients = 0
        """How many are connected."""
        self.refused: Counter[str] = Counter()
        """How many clients were sent away, by a word that says why."""

    @contextlib.contextmanager
    def track(self, record: ReplyRecord) -> Iterator[None]:
        """Remember how the reply ends that is spoken within ``with``; log it where it was spoken.

        Errors pass through.
        """
        try:
            yield
            record.outcome = record.source
        except FishError as error:
            record.outcome = error.code
            raise
        finally:
            record.ended = clock.now()
            self.replies.append(record)
            for listener in self.listeners:
                listener(record)
        _LOGGER.info(
            "Spoke: %s, %d characters, first audio %.0f ms, %.1f s of audio",
            record.spoken_by,
            record.characters,
            (record.first_audio or 0.0) * 1000,
            record.audio,
        )
