"""The places between the sentences of a text, while it is being written."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from ..characters import has_words
from .ends import CutKind
from .segmenter import MAX_SENTENCE_CHARS, Sentences

__all__ = ["Boundaries"]


class Boundaries:
    """Finds where each sentence certainly ends. Positions count from the start of the text.

    A sentence without words, which cannot be heard by itself, goes on with the next one.
    """

    def __init__(self) -> None:
        self.ends = deque[int]()
        """Positions of the ends that are certain by now, in their order. The user removes them."""
        self._sentences = Sentences()
        self._taken = 0
        """The position of the text in ``_sentences``."""
        self._has_words = False
        """Whether there are words between the last end and that position."""

    def write(self, text: str) -> None:
        """Add text to the end."""
        self._sentences.write(text)
        while cuts := [c.at for c in self._sentences.cuts if c.kind is CutKind.SENTENCE]:
            self._take(cuts, is_end=True)
        # The finder looks only so far ahead.
        while self._sentences.known > MAX_SENTENCE_CHARS:
            last = self._sentences.cuts[-1].at if self._sentences.cuts else self._sentences.known
            self._take([last], is_end=False)

    def complete(self) -> None:
        """Mark the text as complete: it may end with a sentence."""
        if self._sentences.ends_well(any_mark=True):
            self._take([len(self._sentences.text)], is_end=True)

    @property
    def safe(self) -> int:
        """The position before which no other end will be found."""
        return self._taken + self._sentences.undecided

    def _take(self, places: Sequence[int], *, is_end: bool) -> None:
        """Take the text to the last of ``places``; each may be the end of a sentence."""
        begin = 0
        for at in places:
            self._has_words = self._has_words or has_words(self._sentences.text[begin:at])
            if is_end and self._has_words:
                self.ends.append(self._taken + at)
                self._has_words = False
            begin = at
        self._sentences.take(begin)
        self._taken += begin
