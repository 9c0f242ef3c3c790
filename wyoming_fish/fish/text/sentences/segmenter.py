"""Where a text that is still being written may be cut.

The cuts depend on the text alone, never on the pieces in which it came: a place is a cut once
what follows makes it certain, and stays one. Every character stays in the text; a cut lies after
the spaces, so that what is cut off ends with its own.

`sentence-stream`, which Home Assistant and Piper use, knows whole sentences only, waits for the
next capital, has no longest length, and drops spaces and asterisks; speech that is to begin early
needs the clauses and words of a long sentence too, and the text as it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final, NamedTuple

from ..ssml.phonemes import PHONEME_END, PHONEME_START
from .ends import (
    MAX_SPACE_CHARS,
    NEED_MORE,
    PLACE,
    CutKind,
    certainly_ends,
    cut_kind,
    may_end,
)

__all__ = ["MAX_SENTENCE_CHARS", "WINDOW_CHARS", "Cut", "Sentences", "sentence_ends"]

# Characters within which the bracket of a cue must be closed, and what closes it. Otherwise it is
# not a cue and may be cut.
_CUES: Final = {"[": (100, "]"), "(": (40, ")"), "<": (60, "|>")}

# Phonemes stand for a word, and are spaced. Fish takes them for one word at a time.
MAX_PHONEME_CHARS: Final = 300

# Characters after which text without any place to cut is cut anywhere: nobody writes words of
# this length, and what waits for the end of one has to be bounded.
MAX_SENTENCE_CHARS: Final = 1000

# Characters that are looked at ahead of what is taken: more than is ever said in one breath.
LOOKAHEAD_CHARS: Final = 2 * MAX_SENTENCE_CHARS

# Characters that are looked at together: a place within LOOKAHEAD_CHARS, and what follows it. Text
# beyond them costs nothing until its turn comes.
WINDOW_CHARS: Final = LOOKAHEAD_CHARS + 2 * MAX_SENTENCE_CHARS


class Cut(NamedTuple):
    """A place where the text may be cut: after ``at`` characters."""

    at: int
    kind: CutKind


class Sentences:
    """The part of a text that has been written and not yet taken away, and its cuts."""

    def __init__(self) -> None:
        self.text = ""
        """The first WINDOW_CHARS of it, or all if it is shorter."""
        self.cuts: list[Cut] = []
        """In their order, of about the next LOOKAHEAD_CHARS."""
        self._later = deque[str]()
        """What follows the window."""
        self._taken_of_later = 0
        """Characters of the first of these that are in the window already."""
        self._scanned = 0
        self._open = False
        """Whether the text ends inside of what may become a cue."""

    def write(self, text: str) -> None:
        """Add text to the end."""
        if not self._later and len(self.text) + len(text) <= WINDOW_CHARS:
            self.text += text
            self._scan()
            return
        # Each string takes 50 bytes besides its text, so small ones are joined.
        if self._later and len(self._later[-1]) + len(text) <= MAX_SENTENCE_CHARS:
            self._later[-1] += text
        elif text:
            self._later.append(text)
        if len(self.text) < WINDOW_CHARS:
            self._fill()
            self._scan()

    def take(self, at: int) -> str:
        """Remove the first ``at`` characters, of those in ``text``, and give them."""
        # All that the text makes certain has been found, unless there was too much of it.
        is_scanned = at <= self._scanned and len(self.text) <= LOOKAHEAD_CHARS
        taken, self.text = self.text[:at], self.text[at:]
        if self.cuts and self.cuts[-1].at > at:
            self.cuts = [Cut(cut.at - at, cut.kind) for cut in self.cuts if cut.at > at]
        else:
            self.cuts = []
        self._scanned = max(0, self._scanned - at)
        if not is_scanned:
            self._fill()
            self._scan()
        return taken

    def _fill(self) -> None:
        """Move the window on."""
        while self._later and (room := WINDOW_CHARS - len(self.text)):
            first, start = self._later[0], self._taken_of_later
            self.text += first[start : start + room]
            self._taken_of_later += room
            if self._taken_of_later >= len(first):
                self._later.popleft()
                self._taken_of_later = 0

    @property
    def known(self) -> int:
        """How many characters from the start on have all their cuts."""
        return self._scanned

    @property
    def undecided(self) -> int:
        """Where the next cut will be at the earliest, as far as is known."""
        if self._open or self._scanned >= len(self.text):
            return self._scanned
        place = PLACE.match(self.text, self._scanned)
        if place is None:
            # The last letter may be the start of a mark of two.
            return len(self.text) - (self.text[-1] in "<．")
        return self._scanned if place["bracket"] else place.end()

    @property
    def ends_certainly(self) -> bool:
        """Whether the text as it stands ends with a sentence, whatever follows."""
        if not self.text or self._open or self._later:
            return False
        start = next((cut.at for cut in reversed(self.cuts) if cut.kind is CutKind.SENTENCE), 0)
        return certainly_ends(self.text[start:])

    def ends_well(self, *, any_mark: bool = False) -> bool:
        """Whether the text as it stands ends with a sentence, if nothing followed.

        ``any_mark`` takes what is mostly an abbreviation for an end too, for a pause so long
        that nobody would make it within one.
        """
        stem = self.text.rstrip()
        if not stem or self._open or self._later:
            return False
        spaces = self.text[len(stem) :]
        return "\n" in spaces or may_end(stem, any_mark=any_mark, is_spaced=bool(spaces))

    def _scan(self) -> None:
        """Find the cuts that the text by now makes certain."""
        text, at = self.text, self._scanned
        self._open = False
        length = len(text)
        stop = min(length, LOOKAHEAD_CHARS)
        while at < stop and (place := PLACE.search(text, at)):
            at, end = place.span()
            if text[at] in _CUES:
                after = _after_cue(text, at)
                if after is None:
                    self._open = True
                    break
                at = after
                continue
            if end == length and end - at < MAX_SPACE_CHARS:
                # More spaces or closing quotes may follow, and the next letter is not known.
                break
            kind = cut_kind(text, place, complete=False)
            if kind is NEED_MORE:
                break
            if kind is not None:
                self.cuts.append(Cut(end, kind))
            # It reads on, whatever matched.
            at = end if end > at else at + 1
        else:
            # Nothing but the last letter can be the start of a place.
            last = stop - 1 if stop == length else stop
            at = max(at, last)
        self._scanned = at
        uncut = self.cuts[-1].at if self.cuts else 0
        if len(text) - uncut > MAX_SENTENCE_CHARS and self._scanned < LOOKAHEAD_CHARS:
            self.cuts.append(Cut(uncut + MAX_SENTENCE_CHARS, CutKind.WORD))
            self._scanned = max(self._scanned, uncut + MAX_SENTENCE_CHARS)


def sentence_ends(text: str, at: int) -> Iterator[int]:
    """Where sentences end in ``text``, whose cues are whole, from ``at`` on and before its end."""
    while at < len(text) and (place := PLACE.search(text, at)):
        # It reads on, whatever matched.
        at = max(place.end(), place.start() + 1)
        if place["bracket"]:
            if place["bracket"] != "(":
                at = _after_cue(text, place.start()) or at
        elif at < len(text) and cut_kind(text, place) is CutKind.SENTENCE:
            yield at


def _after_cue(text: str, start: int) -> int | None:
    """Where scanning goes on after the bracket at ``start``; None while that is not known."""
    limit, closing = _CUES[text[start]]
    if closing == "|>" and text.startswith(PHONEME_START, start):
        limit, closing = MAX_PHONEME_CHARS, PHONEME_END
    end = start + limit
    line = text.find("\n", start, end)
    found = text.find(closing, start + 1, end if line < 0 else line)
    if found >= 0:
        return found + len(closing)
    return None if line < 0 and len(text) < end else start + 1
