"""A simulated clock, writer, Fish and player around the schedule."""

import heapq
from collections import deque
from dataclasses import dataclass, field

from wyoming_fish.fish.synthesis.flush_scheduler import S_PER_CHAR, FlushScheduler

__all__ = ["Run", "by_words", "simulate"]


@dataclass
class Run:
    """What came of a text."""

    pieces: list[tuple[float, str]] = field(default_factory=list)
    """When each was sent."""
    first_audio: float = 0.0
    starved: float = 0.0
    """Seconds for which the player had begun and had nothing to play, while text was to come."""
    longest_gap: float = 0.0
    """Seconds between two pieces of audio, at the most, whatever the player has in hand."""
    most_ahead: float = 0.0
    """Seconds of audio, at the most, that were to come of what was sent: as estimated, or as they
    really were where that is less."""

    @property
    def text(self) -> str:
        """All that was sent."""
        return "".join(piece for _, piece in self.pieces)


class _Simulation:
    """A Fish that answers after ``answer`` seconds, and a player.

    Fish makes a second of audio in ``pace`` seconds, of ``letter`` seconds for each letter, one
    piece after another, in frames of 0.46 s. The player takes no more while it has more than
    ``buffer`` seconds in hand, and nothing from the time ``leaves_at`` on, though it stays.
    """

    def __init__(
        self,
        answer: float = 0.3,
        pace: float = 0.13,
        letter: float = 0.065,
        buffer: float = float("inf"),
        leaves_at: float = float("inf"),
    ) -> None:
        self.run = Run()
        self._answer, self._pace, self._letter = answer, pace, letter
        self._buffer, self._leaves_at = buffer, leaves_at
        self._scheduler = FlushScheduler()
        self._events: list[tuple[float, int, str, str]] = []
        self._count = 0
        self._busy_until = self._played_until = self._came = self._heard = 0.0
        self._wakes_at = -1.0
        self._made = deque[float]()
        self._wants = True

    def play(self, reply_text: list[tuple[float, str]]) -> Run:
        """Write at these times, until all has happened or the player has long left."""
        for at, text in reply_text:
            self._at(at, "text", text)
        self._at(reply_text[-1][0], "end")
        while self._events and self._events[0][0] <= self._leaves_at + 60:
            now, _, kind, text = heapq.heappop(self._events)
            self._happen(now, kind, text)
            if self._wants and self._made:
                self._hear(self._made.popleft(), now)
            while piece := self._scheduler.next_chunk(now):
                self._send(piece, now)
            wake = self._scheduler.next_deadline(now)
            if wake is not None and not now < self._wakes_at <= wake:
                self._wakes_at = wake
                self._at(wake, "wake")
        return self.run

    def _at(self, at: float, kind: str, text: str = "") -> None:
        self._count += 1
        heapq.heappush(self._events, (at, self._count, kind, text))

    def _happen(self, now: float, kind: str, text: str) -> None:
        if kind == "text":
            self._scheduler.write(text, now)
        elif kind == "end":
            self._scheduler.complete()
        elif kind == "audio":
            self._made.append(float(text))
        elif kind == "wants" and now < self._leaves_at:
            self._scheduler.on_consumed(now)
            self._wants = True

    def _hear(self, seconds: float, now: float) -> None:
        run = self.run
        self._wants = False
        self._heard += seconds
        self._scheduler.on_audio(seconds, now)
        if not run.first_audio:
            run.first_audio = self._played_until = self._came = now
        run.starved += max(0.0, now - self._played_until)
        self._played_until = max(self._played_until, now) + seconds
        run.longest_gap = max(run.longest_gap, now - self._came)
        self._came = now
        self._at(max(now, self._played_until - self._buffer), "wants")

    def _send(self, piece: str, now: float) -> None:
        run = self.run
        run.pieces.append((now, piece))
        sent = min(self._letter, S_PER_CHAR) * len(run.text)
        run.most_ahead = max(run.most_ahead, sent - self._heard)
        at = max(now, self._busy_until) + self._answer
        seconds = self._letter * len(piece)
        while seconds > 0:
            frame = min(0.46, seconds)
            at += frame * self._pace
            seconds -= frame
            self._at(at, "audio", str(frame))
        self._busy_until = at


def simulate(reply_text: list[tuple[float, str]], **settings: float) -> Run:
    """What comes of a text, written at these times."""
    run = _Simulation(**settings).play(reply_text)
    if "leaves_at" not in settings:
        assert run.text == "".join(text for _, text in reply_text)
    return run


def by_words(text: str, per_second: float) -> list[tuple[float, str]]:
    """The text word by word, as a language model writes it: the space comes with the next word."""
    words = text.split(" ")
    pieces = [words[0], *(f" {word}" for word in words[1:])]
    return [(number / per_second, piece) for number, piece in enumerate(pieces)]
