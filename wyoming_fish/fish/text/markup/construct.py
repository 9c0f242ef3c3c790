"""Reading of a construct that may not have come whole yet."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

__all__ = ["NEED_MORE", "IncrementalPattern", "NeedMore", "run_end"]


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


def run_end(text: str, at: int, *, complete: bool) -> int | NeedMore:
    """Where the run of the mark at ``at`` ends; what follows it is known."""
    end = at + 1
    if text[end : end + 1] == text[at] and (match := _RUN.match(text, at)):
        end = match.end()
    if end == len(text) and not complete and end < at + MAX_RUN_CHARS:
        return NEED_MORE
    return end
