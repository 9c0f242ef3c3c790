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

from .ends import (
    MAX_SPACE_CHARS,
    PLACE,
    CutKind,
    certainly_ends,
    cut_kind,
    may_end,
    needs_more,
)

__all__ = ["MAX_SENTENCE_CHARS", "WINDOW_CHARS", "Cut", "Sentences", "sentence_ends"]

# Characters within which the bracket of a cue must be closed. Otherwise it is not a cue and may be
# cut.
MAX_CUE_CHARS_BY_MARK: Final = {"[": 100, "(": 40, "<": 60}

# Phonemes stand for a word, and are spaced. Fish takes them for one word at a time.
MAX_PHONEME_CHARS: Final = 300
_PHONEME_START: Final = "<|phoneme_start|>"
_PHONEME_END: Final = "<|phoneme_end|>"

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
        if text:
            self._later.append(text)
        if len(self.text) < WINDOW_CHARS:
            self._fill()
            self._scan()

    def take(self, at: int) -> str:
        """Remove the first ``at`` characters, of those in ``text``, and give them."""
        taken, self.text = self.text[:at], self.text[at:]
        self.cuts = [Cut(cut.at - at, cut.kind) for cut in self.cuts if cut.at > at]
        self._scanned = max(0, self._scanned - at)
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
        text = self.text
        self._open = False
        stop = min(len(text), LOOKAHEAD_CHARS)
        while self._scanned < stop and (place := PLACE.search(text, self._scanned)):
            start, end = place.span()
            self._scanned = start
            if place["bracket"]:
                after = _after_cue(text, start)
                if after is None:
                    self._open = True
                    break
                self._scanned = after
                continue
            if end == len(text) and end - start < MAX_SPACE_CHARS:
                # More spaces or closing quotes may follow, and the next letter is not known.
                break
            if needs_more(text, place):
                break
            kind = cut_kind(text, place)
            if kind is not None:
                self.cuts.append(Cut(end, kind))
            # It reads on, whatever matched.
            self._scanned = max(end, start + 1)
        else:
            # Nothing but the last letter can be the start of a place.
            self._scanned = max(self._scanned, min(len(text) - 1, LOOKAHEAD_CHARS))
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
    limit = MAX_CUE_CHARS_BY_MARK[text[start]]
    closing = {"[": "]", "(": ")", "<": "|>"}[text[start]]
    if text.startswith(_PHONEME_START, start):
        limit, closing = MAX_PHONEME_CHARS, _PHONEME_END
    within = text[start : start + limit]
    line = within.find("\n")
    if line >= 0:
        within = within[:line]
    found = within.find(closing, 1)
    if found >= 0:
        return start + found + len(closing)
    if line < 0 and len(within) < limit:
        return None
    return start + 1
