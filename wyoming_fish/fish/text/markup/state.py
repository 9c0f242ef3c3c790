"""The state of one reply's markup, and what reads a mark of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ..cues import Cues
from ..output import SpokenTextBuilder
from ..settings import TextSettings
from .construct import NeedMore

__all__ = ["Handler", "IgnoredRegion", "ParserState"]


class IgnoredRegion(Protocol):
    """Text of which nothing is said."""

    open: bool
    """Whether there is more of it."""

    def skip(self, text: str, at: int, *, complete: bool) -> int | NeedMore:
        """Where the next part of ``text`` begins, or where all of it ends and ``open`` is unset.

        Reads at least one character while it is ``open``.
        """


class ParserState:
    """What the marks of a reply share."""

    def __init__(
        self,
        settings: TextSettings,
        cues: Cues,
        spoken: SpokenTextBuilder,
        say: Callable[[str], None],
    ) -> None:
        self.settings = settings
        self.cues = cues
        self.spoken = spoken
        self.say = say
        """Reads a whole text that stands within a mark."""
        self.line_starts = True
        """Whether nothing but the marks of blocks has come in this line."""
        self.skipping: IgnoredRegion | None = None
        self.code = 0
        """The number of marks that close the code in a line; 0 outside of any."""
        self.prose = ""
        """The marks that close a block which is no code."""
        self.opened: set[str] = set()
        """Emphasis that has been opened in this line."""

    def cue(self, cue: str) -> None:
        """Act ``cue``, or leave out what the backend has no cue for."""
        if cue:
            self.spoken.cue(cue)
        else:
            self.spoken.removed()


# Reads the mark at a place of the text, and gives the place behind it; the last argument is
# whether no more text follows.
Handler = Callable[[ParserState, str, int, bool], int | NeedMore]
