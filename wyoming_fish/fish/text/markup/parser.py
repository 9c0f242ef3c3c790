"""Markdown, HTML and what else models write for the eye, read while it is being written.

No markdown library serves here: those of Python (markdown-it-py, mistune, marko, Python-Markdown)
parse a whole document, since in markdown a mark may be paired with one much later. What is spoken
has to be known at once, so each construct is decided where it begins, by what follows it within a
bound that is written beside it; what is not closed within it is text.

The result depends on the text alone and not on its pieces, since nothing is decided before what
follows makes it certain.
"""

from __future__ import annotations

import re
from typing import Final

from ..characters import EMOJI
from ..cues import Cues
from ..output import SpokenTextBuilder
from ..settings import TextSettings
from . import angle_brackets, blocks, brackets, inline, links, math
from .construct import NEED_MORE, NeedMore
from .state import Handler, IgnoredRegion, ParserState

__all__ = ["MarkupParser"]

# What needs no look: all but the marks that may mean something where they stand, and the letters
# with which an address may begin.
_PLAIN: Final = re.compile(
    rf"(?:[^\n*_~=`\[\](<>&|#\\!:;•·【\-+^${angle_brackets.LETTERS}{EMOJI}{inline.ARROWS}]+"
    rf"|(?<=[{links.LETTERS}])[{angle_brackets.LETTERS}]|(?!{links.POSSIBLE_ADDRESS})[{angle_brackets.LETTERS}]"
    r"|-(?=[^->])|\+(?=[^+])|>(?=[^>])|\^(?=[^^])|=(?=[^=>])|(?<![~A-Za-z])~(?=[\d$€£¥])"
    r"|(?<=[^\s\[])!|!(?=[^\[])|(?<=\S)[:;]|[:;](?=[^')(/|\\*A-Za-z-])|&(?=[^#A-Za-z])"
    r"|\$(?=[^$\w\\(\[{-]|\d[\d.,]{0,9}(?:[^\d.,^\\_$]|\$\d))|<(?=[^\w/|｜!?<])"
    r"|\((?=[^A-Za-z]|[A-Za-z][^A-Za-z])"
    r"|(?<=[^\W_])_(?=[^\W_])|(?<=[^\W\d_])·(?=[^\W\d_])){1,256}"
)

_HANDLERS: Final[dict[str, Handler]] = (
    inline.HANDLERS | brackets.HANDLERS | angle_brackets.HANDLERS | math.HANDLERS
)
# Those that are never plain.
_MARKS: Final = frozenset("\n*`[]|#\\")
# After so many marks without a letter, a number or a space between them, more of them say nothing.
MAX_MARKS: Final = 16
_NOISE: Final = re.compile(r"[!-/:-@\[-`{-~]+")
_LITERAL_IN_CODE: Final = _HANDLERS.keys() - {"`", "\n", *angle_brackets.LETTERS}

# Characters that may wait for what follows them: more than the longest construct has, a tag of 500.
MAX_HELD_CHARS: Final = 512
# Steps in a row that change the state but read no character. Two are needed: hidden text ends, and
# then the marks that begin a line do.
_MAX_IDLE_STEPS: Final = 4


class MarkupParser:
    """The markup of one reply; what it says goes to ``spoken``."""

    def __init__(self, settings: TextSettings, cues: Cues, spoken: SpokenTextBuilder) -> None:
        self._spoken = spoken
        self._reading = ParserState(settings, cues, spoken, self._say)
        self._marks = 0
        """How many marks have been read since the last word or space."""
        # What is held, behind one character that came before it.
        self._text = "\n"

    @property
    def held(self) -> int:
        """How many characters wait for what follows them."""
        return len(self._text) - 1

    def write(self, text: str, *, complete: bool = False) -> None:
        """Read what has come; ``complete`` where it is the last."""
        text = self._text + text
        at = self._read(text, 1, complete)
        self._text = text[at - 1 :]

    def _read(self, text: str, at: int, complete: bool) -> int:
        """Read ``text`` from ``at`` on, and give where what waits begins.

        Every step reads on or waits for more text. One that does neither reads one character as
        text, so no text and no handler can hold up this loop.
        """
        end, idle_steps = len(text), 0
        while at < end:
            place = self._step(text, at, complete)
            if place is NEED_MORE:
                if not complete and end - at <= MAX_HELD_CHARS:
                    break
            elif place > at:
                at, idle_steps = place, 0
                continue
            elif place == at and idle_steps < _MAX_IDLE_STEPS:
                idle_steps += 1
                continue
            self._spoken.literal(text[at])
            at, idle_steps = at + 1, 0
        return at

    def _step(self, text: str, at: int, complete: bool) -> int | NeedMore:
        """Read what begins at ``at``, and give where it ends."""
        reading = self._reading
        if reading.skipping:
            return self._skip(reading.skipping, text, at, complete)
        if reading.line_starts:
            handler = blocks.HANDLERS.get(text[at], blocks.begin_text)
            return handler(reading, text, at, complete)
        if self._marks > MAX_MARKS and (noise := _NOISE.match(text, at)):
            return noise.end()
        if text[at] not in _MARKS and (plain := _PLAIN.match(text, at)):
            if self._marks and not _NOISE.fullmatch(plain[0]):
                self._marks = 0
            (self._spoken.literal if reading.code else self._spoken.text)(plain[0])
            return plain.end()
        if reading.code and text[at] in _LITERAL_IN_CODE:
            self._spoken.literal(text[at])
            return at + 1
        return self._mark(text, at, complete)

    def _mark(self, text: str, at: int, complete: bool) -> int | NeedMore:
        handler = _HANDLERS.get(text[at], inline.read_symbol)
        place = handler(self._reading, text, at, complete)
        if place is not NEED_MORE:
            self._marks = self._marks + 1 if _NOISE.fullmatch(text, at, place) else 0
        return place

    def _say(self, text: str) -> None:
        reading = self._reading
        line_starts, reading.line_starts = reading.line_starts, False
        self._read("[" + text, 1, True)
        # What the text hides is hidden to its end at most.
        reading.line_starts, reading.code, reading.skipping = line_starts, 0, None

    def _skip(self, skipping: IgnoredRegion, text: str, at: int, complete: bool) -> int | NeedMore:
        place = skipping.skip(text, at, complete=complete)
        if not skipping.open:
            self._reading.skipping = None
            self._marks = 0
            self._reading.line_starts = isinstance(skipping, blocks.CodeBlock)
        return place
