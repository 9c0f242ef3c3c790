"""The state of one reply's markup, and how a construct is read that may not have come whole."""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol

from ..cues import Cues
from ..output import SpokenTextBuilder
from ..settings import TextSettings
from .hidden import MAX_UNCLOSED, HiddenText

__all__ = [
    "NEED_MORE",
    "Handler",
    "IgnoredRegion",
    "IncrementalPattern",
    "NeedMore",
    "ParserState",
    "run_end",
    "start_of",
]


class NeedMore(Enum):
    """That what follows has to be known first."""

    NEED_MORE = "wait"


NEED_MORE: Final = NeedMore.NEED_MORE

# Characters of a run of one mark that are looked at together.
MAX_RUN_CHARS: Final = 64
_RUN: Final = re.compile(rf"(.)\1{{0,{MAX_RUN_CHARS - 1}}}", re.DOTALL)


class IncrementalPattern:
    """A construct that is known once it is closed, within ``limit`` characters.

    ``whole`` matches all of it; ``begun`` matches what may become it, up to the end of the text.
    """

    def __init__(self, whole: str, begun: str, limit: int, flags: int = 0) -> None:
        self._whole = re.compile(whole, flags)
        self._begun = re.compile(rf"(?:{begun})\Z", flags)
        self._limit = limit

    def read(self, text: str, at: int, *, complete: bool) -> re.Match[str] | NeedMore | None:
        """The construct at ``at``; None where there is none; ``complete`` where no text follows."""
        stop = at + self._limit
        match = self._whole.match(text, at, stop)
        if match is None and not complete and stop > len(text) and self._begun.match(text, at):
            return NEED_MORE
        return match


def start_of(word: str) -> str:
    """A pattern for all that ``word`` begins with, up to the end of the text, and for itself."""
    pattern = ""
    for letter in reversed(word):
        pattern = rf"{re.escape(letter)}(?:\Z|{pattern})" if pattern else re.escape(letter)
    return pattern


def run_end(text: str, at: int, *, complete: bool) -> int | NeedMore:
    """Where the run of the mark at ``at`` ends; what follows it is known."""
    end = at + 1
    if text[end : end + 1] == text[at] and (match := _RUN.match(text, at)):
        end = match.end()
    if end == len(text) and not complete and end < at + MAX_RUN_CHARS:
        return NEED_MORE
    return end


class IgnoredRegion(Protocol):
    """An address, of which nothing is said."""

    open: bool
    """Whether there is more of it."""
    then: HiddenText | None
    """What follows it."""

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
        self.language = settings.language[:3].rstrip("-_").lower()
        self.names_emoji = settings.emoji == "name" and self.language in ("", "en")
        self.cues = cues
        self.spoken = spoken
        self.say = say
        """Reads a whole text that stands within a mark."""
        self.line_starts = True
        """Whether nothing but the marks of blocks has come in this line."""
        self.skipping: IgnoredRegion | None = None
        self.hidden: HiddenText | None = None
        self.hidden_is_code = False
        self.code = 0
        """The number of marks that close the code in a line; 0 outside of any."""
        self.prose = ""
        """The marks that close a fenced block of prose, not code."""
        self.opened: set[str] = set()
        """Emphasis that has been opened in this line."""
        self._unclosed = 0
        """How many hidden texts had no end."""

    def hide(self, hidden: HiddenText, *, is_code: bool = False) -> None:
        """Hide what follows, up to its end."""
        if self._unclosed < MAX_UNCLOSED:
            self.hidden, self.hidden_is_code = hidden, is_code

    def end_hidden(self, hidden: HiddenText, rest: str) -> None:
        """Say what is said in place of ``hidden``, which ``rest`` follows."""
        self.hidden = None
        if hidden.is_closed:
            if self.hidden_is_code:
                self.spoken.gap()
                self.line_starts = True
                if self.settings.code:
                    self.spoken.newline()
                    self.spoken.literal(self.settings.code)
                    self.spoken.newline()
            return
        self._unclosed += 1
        self.spoken.gap()
        if hidden.said and rest[:1] in " .,;:!?)\n\"'":
            self.spoken.literal(hidden.said)

    def cue(self, cue: str) -> None:
        """Act ``cue``, or leave out what the backend has no cue for."""
        if cue:
            self.spoken.cue(cue)
        else:
            self.spoken.removed()


# Reads the mark at a place of the text, and gives the place behind it; the last argument is
# whether no more text follows.
Handler = Callable[[ParserState, str, int, bool], int | NeedMore]
