"""Flush scheduler: when text is sent to Fish, and how much of it.

Fish speaks the text that it has when it gets a flush. Early flushes make early audio. Frequent
flushes cut sentences, and each part sounds like an end. So the first sentence is sent as soon as
its end is certain. After it, the audio that the listener has in hand decides: while there is
enough, sentences are joined; when it runs out, the best chunk is sent immediately. However long
the text is, Fish gets only a little more of it than the listener has heard.

It does no I/O: callers pass the time, in seconds of any monotonic clock.
"""

from __future__ import annotations

from typing import Final
from unicodedata import east_asian_width

from ..connections.measurements import EXPECTED_SPEED, MIN_RATE, ServiceSpeed
from ..text.sentences import CutKind, Sentences

__all__ = ["FlushScheduler"]

# Characters of a first chunk: within the first number a sentence is taken whole; a longer one
# is cut at its last clause so far; one without clauses goes on to the second number, and is
# then cut between words. Replies often begin with "Sure, …" and a long sentence.
MIN_FIRST_SENTENCE_CHARS: Final = 80
MIN_FIRST_CHUNK_CHARS: Final = 140
# Characters of the least clause, or run of words, worth a breath of its own.
MIN_CHUNK_CHARS: Final = 12

# Characters of joined sentences: the most that Fish buffers (its `chunk_length`), so that it does
# not cut again.
MAX_CHUNK_CHARS: Final = 300

# Seconds without new text after which a mark at its end is taken for the end of its sentence.
# Words come 25 to 200 ms apart.
TEXT_PAUSE_S: Final = 0.15
# The same for marks that mostly belong to an abbreviation or a number.
LONG_TEXT_PAUSE_S: Final = 0.7

# Seconds of audio to have in hand beyond what Fish takes to answer: for the network's spread.
MARGIN_S: Final = 0.2
# Seconds without audio after which none of what was sent is taken to be still on its way; Fish
# makes audio several times faster than it is played.
SETTLED_S: Final = 0.5

# Seconds of audio, as estimated, that may be on their way before more text is sent. A listener that
# leaves has then cost no more than this and one chunk. Fish makes audio several times faster than
# it is played, so it never waits for text.
MAX_AHEAD_S: Final = 30.0
# The fastest voices need this share of the estimated time.
MIN_PACE: Final = 0.4

# Seconds of audio that a letter becomes, and one of those that are written wide, as Chinese is, or
# a digit, which is a word.
S_PER_CHAR: Final = 0.055
S_PER_WIDE_CHAR: Final = 0.2

# What was sent is taken to be spoken when this share of the expected audio has come, and none for a
# moment. Otherwise it is after so many seconds without audio.
SPOKEN_SHARE: Final = 0.8
SPOKEN_AFTER_S: Final = 1.0

# Seconds of audio of the longest chunk. Fish makes a chunk of at most 1,024 tokens (its
# `max_new_tokens`), 47.5 s, and loses the rest without a word; voices may take 2.5 times as long as
# expected here.
MAX_CHUNK_S: Final = 18.0

# Seconds without audio on the way after which whole sentences are not held back any more: a
# satellite gives up after 5 s without a byte.
QUIET_S: Final = 1.5
# The same for clauses, where no sentence has ended: their audio should come before a silence is
# put in its place, after 2.5 s.
LONG_QUIET_S: Final = 1.9

# Characters a second above which text outruns speech (about 15), so that cutting between words
# pays: slower text would come out word by word.
FAST_TEXT: Final = 25.0


class FlushScheduler:
    """The text of one reply on its way to Fish, spoken at ``speed`` (a factor).

    ``service`` is how quickly Fish answered other replies.
    """

    def __init__(self, speed: float = 1.0, service: ServiceSpeed = EXPECTED_SPEED) -> None:
        self._speed = speed
        self._service = service
        self._sentences = Sentences()
        self._complete = False
        self._first_text: float | None = None
        self._last_text = 0.0
        self._written = 0
        self._first_sent: float | None = None
        self._last_sent = 0.0
        self._answer = service.answer_s
        self._is_answered = False
        self._first_audio: float | None = None
        self._last_audio = 0.0
        self._audio = 0.0
        """Seconds that have come."""
        self._cut = 0.0
        """Seconds of them that the player has not been given."""
        self._consumed_at: float | None = None
        """Since when the listener has taken all that has come; None while it has not."""
        self._expected = 0.0
        """Seconds that all that was sent should become."""
        self._paced = 0.0
        """The same at this voice's pace, until Fish has certainly spoken all of it."""
        self._pace = 1.0
        """Seconds of this voice's audio for each expected second."""

    def write(self, text: str, now: float) -> None:
        """Text has come."""
        if self._first_text is None:
            self._first_text = now
        self._last_text = now
        self._written += len(text)
        self._sentences.write(text)

    def complete(self) -> None:
        """Mark the text as complete."""
        self._complete = True

    @property
    def is_done(self) -> bool:
        """Whether the text is complete and all of it has been taken."""
        return self._complete and not self._sentences.text

    def on_audio(self, seconds: float, now: float, cut_s: float = 0.0) -> bool:
        """Audio has come, which a player plays from its first byte on, but for ``cut_s`` of it.

        ``cut_s`` is less than 0 if some that was held back is given with it. Tells whether
        ``next_chunk`` may have a chunk now that had to wait for it.
        """
        was_far_ahead = self._is_far_ahead
        if not self._is_answered and self._first_sent is not None:
            self._answer = max(self._service.answer_s, now - self._first_sent)
        self._is_answered = True
        if is_first := self._first_audio is None and seconds > cut_s:
            self._first_audio = now
        self._cut += cut_s
        self._consumed_at, self._last_audio = None, now
        self._audio += seconds
        return is_first or (was_far_ahead and not self._is_far_ahead)

    def on_consumed(self, now: float) -> None:
        """The listener has taken all that has come, and waits for more."""
        self._consumed_at = now

    def is_due(self, now: float) -> bool:
        """Whether ``next_chunk`` has a chunk now."""
        return self._due(now) > 0

    def next_chunk(self, now: float) -> str:
        """The chunk to be sent and flushed now; nothing while it is better to wait.

        To be asked until it gives nothing, after ``write`` and ``complete``, when ``on_audio`` says
        so, and at ``next_deadline``.
        """
        if not (at := self._due(now)):
            return ""
        if now >= self._settled(now):
            self._expected = self._audio
        if now >= self._idle_at(now):
            if self._is_far_ahead:
                # The voice is faster than expected: Fish must not fall idle again.
                self._pace = max(MIN_PACE, self._pace * self._audio / self._paced)
            self._paced = self._audio
        chunk = self._sentences.take(at)
        seconds = self._expected_s(chunk)
        self._expected += seconds
        self._paced += seconds * self._pace
        if self._first_sent is None:
            self._first_sent = now
        self._last_sent = now
        return chunk

    def _due(self, now: float) -> int:
        """How many characters are to be sent now."""
        if self._is_far_ahead and now < self._idle_at(now):
            return 0
        longest = self._longest(now)
        if self._complete:
            at = self._first_chunk(now) if self._first_sent is None else self._whole_chunk(longest)
            at = at or len(self._sentences.text)
        elif self._first_sent is None:
            at = self._first_chunk(now)
        elif self._ahead(now) <= self._reserve(now):
            at = self._best_chunk(now, longest)
        elif now >= self._quiet_since + QUIET_S:
            at = self._quiet_chunk(now, longest)
        else:
            at = self._whole_chunk(longest)
        if at > longest:
            at = self._whole_chunk(longest) or at
        # Fish would cut a word of this length itself.
        return at if at <= MAX_CHUNK_CHARS else longest

    def _expected_s(self, text: str) -> float:
        """Seconds of audio that the text should become."""
        return sum(map(_seconds, text)) / self._speed

    def _max_chunk_s(self, _now: float) -> float:
        """Seconds of audio of the longest chunk."""
        return MAX_CHUNK_S

    def _longest(self, now: float) -> int:
        """Characters of the longest chunk."""
        text = self._sentences.text[:MAX_CHUNK_CHARS]
        budget = self._max_chunk_s(now) * self._speed
        if len(text) * S_PER_WIDE_CHAR <= budget:
            return MAX_CHUNK_CHARS
        if text.isascii() and not any(map(str.isdecimal, text)):
            return min(MAX_CHUNK_CHARS, int(budget / S_PER_CHAR))
        for at, letter in enumerate(text):
            budget -= _seconds(letter)
            if budget < 0:
                return at
        return MAX_CHUNK_CHARS

    def waiting_s(self, now: float) -> float:
        """Seconds since the first chunk was sent; 0 before it, and once it has been answered."""
        if self._first_sent is None or self._is_answered:
            return 0.0
        return now - self._first_sent

    @property
    def spoken_share(self) -> float:
        """How much of the audio that was to be expected has come: about 1 for all of it."""
        return self._audio / self._expected if self._expected else 1.0

    def is_spoken(self, now: float) -> bool:
        """Whether all that was sent has most likely been spoken."""
        enough = self.spoken_share >= SPOKEN_SHARE
        return enough or now >= self._last_audio + SPOKEN_AFTER_S

    def next_deadline(self, now: float) -> float | None:
        """When ``next_chunk`` may have something though nothing happens until then."""
        if not self._sentences.text:
            return None
        times = [self._last_text + TEXT_PAUSE_S, self._last_text + LONG_TEXT_PAUSE_S]
        if self._first_sent is not None:
            times += [self._quiet_since + QUIET_S, self._quiet_since + LONG_QUIET_S]
        if self._first_audio is not None:
            times.append(now + self._ahead(now) - self._reserve(now))
            times.append(self._settled(now))
        if self._is_far_ahead:
            times.append(self._idle_at(now))
        return min((time for time in times if time > now), default=None)

    def _reserve(self, now: float) -> float:
        """Seconds of audio that last until Fish has answered what is sent now."""
        seconds = self._answer + self._service.spread_s + MARGIN_S
        if self._service.rate is not None and now < self._settled(now):
            # It speaks what was sent before first.
            coming = max(0.0, self._expected - self._audio)
            seconds += coming / max(MIN_RATE, self._service.rate)
        return seconds

    def _settled(self, now: float) -> float:
        """When nothing of what was sent is on its way any more, if nothing comes until then.

        It takes time in which the listener waits: a slow one says nothing about Fish.
        """
        if self._consumed_at is None:
            return now + SETTLED_S
        return max(self._consumed_at, self._last_sent + self._answer) + SETTLED_S

    def _idle_at(self, now: float) -> float:
        """When Fish must have spoken all, if nothing comes until then: it may answer each chunk."""
        return self._settled(now) + self._answer

    @property
    def _is_far_ahead(self) -> bool:
        """Whether so much audio should be on its way that no more text is sent."""
        return self._paced - self._audio >= MAX_AHEAD_S

    @property
    def _quiet_since(self) -> float:
        """Since when nothing has been sent, and nothing has come."""
        return max(self._last_audio, self._last_sent)

    def _ahead(self, now: float) -> float:
        """Seconds of audio that a player has in hand, and that are on their way to it."""
        if self._first_audio is None:
            # The player has not begun, so it cannot starve.
            return float("inf")
        coming = self._expected if now < self._settled(now) else 0.0
        return max(self._audio, coming) - self._cut - (now - self._first_audio)

    def _first_chunk(self, now: float) -> int:
        """The end of the first chunk; it depends on the text alone, but for pauses in it."""
        cuts, known = self._sentences.cuts, self._sentences.known
        sentence = next((cut.at for cut in cuts if cut.kind is CutKind.SENTENCE), 0)
        if 0 < sentence <= MIN_FIRST_SENTENCE_CHARS:
            return sentence
        if known >= MIN_FIRST_SENTENCE_CHARS and (
            clause := self._last_cut(CutKind.CLAUSE, MIN_FIRST_SENTENCE_CHARS)
        ):
            return clause
        better = next((cut.at for cut in cuts if cut.kind >= CutKind.CLAUSE), 0)
        if MIN_FIRST_SENTENCE_CHARS < better <= MIN_FIRST_CHUNK_CHARS:
            return better
        if known >= MIN_FIRST_CHUNK_CHARS:
            first = cuts[0].at if cuts else 0
            return self._last_cut(CutKind.WORD, MIN_FIRST_CHUNK_CHARS) or first
        return self._end(now)

    def _best_chunk(self, now: float, longest: int) -> int:
        """The longest chunk that makes sense now, since audio is running out."""
        is_fast = self._written >= FAST_TEXT * (self._last_text - (self._first_text or 0.0))
        return (
            self._last_cut(CutKind.SENTENCE, longest)
            or self._end(now)
            or self._last_cut(CutKind.CLAUSE, longest)
            or (self._last_cut(CutKind.WORD, longest) if is_fast else 0)
        )

    def _quiet_chunk(self, now: float, longest: int) -> int:
        """What makes sense so that something is on its way again, though audio is in hand."""
        is_long = now >= self._quiet_since + LONG_QUIET_S
        sentence = self._last_cut(CutKind.SENTENCE, longest)
        return sentence or (is_long and self._last_cut(CutKind.CLAUSE, longest))

    def _whole_chunk(self, longest: int) -> int:
        """As many sentences as Fish speaks in one go; 0 if there are not more than that."""
        if self._sentences.known <= longest:
            return 0
        by_kind = (at for kind in reversed(CutKind) if (at := self._last_cut(kind, longest)))
        return next(by_kind, self._sentences.cuts[0].at if self._sentences.cuts else 0)

    def _last_cut(self, least: CutKind, limit: int) -> int:
        """The last cut of this kind or better within ``limit``, or 0."""
        shortest = 0 if least is CutKind.SENTENCE else MIN_CHUNK_CHARS
        fitting = (c.at for c in self._sentences.cuts if c.kind >= least and c.at <= limit)
        return max((at for at in fitting if at >= shortest), default=0)

    def _end(self, now: float) -> int:
        """The end of the text, if it has paused at what may be the end of a sentence; else 0."""
        pause = now - self._last_text
        is_end = self._sentences.ends_certainly or (
            pause >= TEXT_PAUSE_S and self._sentences.ends_well(any_mark=pause >= LONG_TEXT_PAUSE_S)
        )
        return len(self._sentences.text) if is_end else 0


def _seconds(letter: str) -> float:
    """Seconds of audio that a letter should become."""
    return S_PER_WIDE_CHAR if letter.isdecimal() or east_asian_width(letter) in "WF" else S_PER_CHAR
