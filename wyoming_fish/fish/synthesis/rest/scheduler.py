"""REST scheduler: chunks of text for a server that sends no speech before a whole chunk is made.

While it works on a chunk, the listener plays the audio of those before it. So a chunk may become
as much speech as the server makes in that time, and each can be longer than the one before it.
"""

from __future__ import annotations

from typing import Final

from ...api.self_hosted.generation_pace import GenerationPace
from ...text.sentences import CutKind
from ..flush_scheduler import (
    LONG_TEXT_PAUSE_S,
    MIN_FIRST_CHUNK_CHARS,
    FlushScheduler,
)

__all__ = ["RestScheduler"]

# Seconds of audio that are left when an answer comes, as expected: for the network.
MARGIN_S: Final = 0.15
# The share that a chunk may take longer than measured.
SPREAD: Final = 1.15

# Seconds of speech of the longest chunk: the server finishes it, even if the listener has left.
MAX_REST_CHUNK_S: Final = 10.0
# The shortest chunk, though the audio runs out meanwhile: shorter ones sound worse than a pause.
MIN_REST_CHUNK_S: Final = 1.0

# Seconds of speech of the first chunk, for each second that the server works on a second of it: so
# that the next chunk can have some words. A reply often begins with "Sure."
FIRST_REST_CHUNK_S: Final = 2.5

# A rate from which on there are gaps whatever is done: then whole sentences are asked for.
TOO_SLOW: Final = 1.0


class RestScheduler(FlushScheduler):
    """The text of one reply on its way to a server that works at ``pace``.

    If that server sends speech as it is made, nothing is different from a websocket.
    """

    def __init__(self, speed: float, pace: GenerationPace) -> None:
        super().__init__(speed)
        self._server_pace = pace
        self._sent_s = 0.0
        """Seconds that all chunks should have become."""

    def on_audio(self, seconds: float, now: float, cut_s: float = 0.0) -> bool:
        """Audio has come, which a player plays from its first byte on, but for ``cut_s`` of it."""
        if self._first_audio is not None and self._work_rate is not None:
            # A player that has run out waits.
            self._first_audio += max(0.0, -self._ahead(now))
        return super().on_audio(seconds, now, cut_s)

    def next_chunk(self, now: float) -> str:
        """The chunk to be asked for now; nothing while it is better to wait."""
        chunk = super().next_chunk(now)
        self._sent_s += self._expected_s(chunk)
        return chunk

    def _ahead(self, now: float) -> float:
        """Seconds of audio that a player has in hand: between two requests, none is on its way."""
        if self._work_rate is None or self._first_audio is None:
            return super()._ahead(now)
        return self._audio - self._cut - (now - self._first_audio)

    @property
    def _work_rate(self) -> float | None:
        """Seconds of work for what is expected to be a second of speech; None: it is streamed."""
        rate = self._server_pace.rate
        if rate is None or rate >= TOO_SLOW:
            return None
        voice_pace = self._audio / self._sent_s if self._sent_s and self._audio else 1.0
        return rate * SPREAD * voice_pace

    def _reserve(self, now: float) -> float:
        """Seconds of audio that last until the server has answered what is sent now."""
        if (rate := self._work_rate) is None:
            return super()._reserve(now)
        return MARGIN_S + rate * min(
            self._max_chunk_s(now), self._expected_s(self._sentences.text[: self._longest(now)])
        )

    def _max_chunk_s(self, now: float) -> float:
        if (rate := self._work_rate) is None:
            return super()._max_chunk_s(now)
        spare = self._ahead(now) - MARGIN_S
        return min(max(spare / rate, MIN_REST_CHUNK_S), MAX_REST_CHUNK_S)

    def _first_chunk(self, now: float) -> int:
        at = super()._first_chunk(now)
        least = FIRST_REST_CHUNK_S * (self._work_rate or 0.0) / SPREAD
        if not at or self._speech_s(at) >= least:
            return at
        for kind in (CutKind.CLAUSE, CutKind.WORD):
            for cut in self._sentences.cuts:
                is_near = cut.kind >= kind and at < cut.at <= MIN_FIRST_CHUNK_CHARS
                if is_near and self._speech_s(cut.at) >= least:
                    return cut.at
            if self._sentences.known < MIN_FIRST_CHUNK_CHARS and not self._complete:
                break
        # The text may pause.
        return at if now >= self._last_text + LONG_TEXT_PAUSE_S else 0

    def _whole_chunk(self, longest: int) -> int:
        if self._work_rate is not None and self._sentences.known > longest:
            # Half a chunk at least, as a shorter one would not let the next one grow.
            least_s = self._speech_s(longest) / 2
            for kind in reversed(CutKind):
                at = self._last_cut(kind, longest)
                if self._speech_s(at) >= least_s:
                    return at
        return super()._whole_chunk(longest)

    def _speech_s(self, at: int) -> float:
        """Seconds of audio that the text until ``at`` should become."""
        return self._expected_s(self._sentences.text[:at])
