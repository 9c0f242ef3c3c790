"""The places between the sentences of a text, while it is being written."""

from __future__ import annotations

from collections import deque

from .ends import CutKind
from .segmenter import MAX_SENTENCE_CHARS, Sentences

__all__ = ["Boundaries"]


class Boundaries:
    """Finds where each sentence certainly ends. Positions count from the start of the text."""

    def __init__(self) -> None:
        self.ends = deque[int]()
        """Positions of the ends that are certain by now, in their order. The user removes them."""
        self._sentences = Sentences()
        self._taken = 0
        """The position of the text in ``_sentences``."""

    def write(self, text: str) -> None:
        """Add text to the end."""
        self._sentences.write(text)
        while cuts := [c.at for c in self._sentences.cuts if c.kind is CutKind.SENTENCE]:
            self.ends.extend(self._taken + at for at in cuts)
            self._take(cuts[-1])
        # The finder looks only so far ahead.
        while self._sentences.known > MAX_SENTENCE_CHARS:
            self._take(self._sentences.cuts[-1].at)

    def complete(self) -> None:
        """Mark the text as complete: it may end with a sentence."""
        if self._sentences.ends_well(any_mark=True):
            self.ends.append(self._taken + len(self._sentences.text))

    @property
    def safe(self) -> int:
        """The position before which no other end will be found."""
        return self._taken + self._sentences.undecided

    def _take(self, at: int) -> None:
        self._sentences.take(at)
        self._taken += at
