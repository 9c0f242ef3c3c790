"""Keep-alive: silence where speech pauses, for players and encoders that wait for bytes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Final

from .. import clock
from ..reply_metrics import ReplyMetrics

__all__ = ["LEAD_S", "KeepAlive", "silent_pcm"]

# Seconds from the first text, after which silence is given though nothing was heard yet: satellites
# give up after 5 s without a byte. An error before it is told before anything was heard.
LEAD_S: Final = 4.0

# Seconds of one piece of silence, and samples that it has at least. It has to fill what encoders
# wait for: a frame of FLAC is 4,608 samples at 48,000 Hz (96 ms), what ffmpeg reads of a WAV at a
# time is 2,048 samples, a frame of MP3 1,152.
PIECE_S: Final = 0.145
MIN_PIECE_SAMPLES: Final = 2048 + 1152

# When speech pauses and nothing is on its way, encoders hold back the last of it, and ffmpeg the
# first 64 KiB of any WAV (0.74 s). One piece of so many seconds pushes it out: after so many
# seconds without audio, but only when the player has no more than so many left.
FLUSH_S: Final = 0.6
FLUSH_AFTER_S: Final = 0.3
FLUSH_BEFORE_END_S: Final = 0.5


class KeepAlive:
    """Decides when a listener is given silence, and how much; s16le mono PCM of ``rate`` hertz.

    ``interval_s`` is the seconds without audio after which a piece is given. ``is_pending`` tells
    whether audio is on its way, so that no encoder needs to be flushed. Before the first audio,
    silence begins LEAD_S after the first text (``metrics``) and after the loop's time ``began_at``,
    by default now.
    """

    def __init__(
        self,
        interval_s: float,
        rate: int,
        is_pending: Callable[[], bool],
        metrics: ReplyMetrics,
        began_at: float | None = None,
    ) -> None:
        self.piece = silent_pcm(max(MIN_PIECE_SAMPLES, round(PIECE_S * rate)))
        """What is given in a pause."""
        self.flush = silent_pcm(round(FLUSH_S * rate))
        """What pushes out the end of the speech before a pause."""
        self._interval_s = interval_s
        self._bytes_per_s = 2 * rate
        self._is_pending = is_pending
        self._metrics = metrics
        self._began_at = clock.now() if began_at is None else began_at
        self._given_at: float | None = None
        """When the listener had taken the last speech or silence."""
        self._played_until = 0.0
        """When a player in real time has played all of it."""
        self._is_flushed = True
        """Whether no encoder holds back the end of the speech."""
        self._flush_at = 0.0
        """When it is flushed otherwise, if nothing is on its way."""

    def deadline(self) -> float:
        """When ``silence`` is to be asked, if nothing is given until then."""
        now = clock.now()
        if (piece_at := self._piece_at()) is None:
            return now + LEAD_S
        if self._is_flushed:
            return piece_at
        # Audio may still be on its way then: it is checked again a little later.
        return min(piece_at, self._flush_at if self._flush_at > now else now + FLUSH_AFTER_S)

    def silence(self) -> bytes:
        """The silence that is due now; empty if there is none."""
        now = clock.now()
        if not self._is_flushed and now >= self._flush_at and not self._is_pending():
            return self.flush
        piece_at = self._piece_at()
        return self.piece if piece_at is not None and now >= piece_at else b""

    def on_given(self, pcm: bytes, *, is_speech: bool) -> None:
        """Speech, or silence, has been taken by the listener."""
        now = self._given_at = clock.now()
        self._played_until = max(self._played_until, now) + len(pcm) / self._bytes_per_s
        self._flush_at = max(now + FLUSH_AFTER_S, self._played_until - FLUSH_BEFORE_END_S)
        if is_speech or pcm is self.flush:
            self._is_flushed = not is_speech

    def _piece_at(self) -> float | None:
        """When a piece is due; None before there is any text."""
        if self._given_at is not None:
            return self._given_at + self._interval_s
        began = self._metrics.text_began
        return None if began is None else max(began, self._began_at) + LEAD_S


@cache
def silent_pcm(samples: int) -> bytes:
    """Silence that all replies share."""
    return bytes(2 * samples)
