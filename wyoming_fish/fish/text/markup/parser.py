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
import string
from typing import Final

from ..characters import EMOJI
from ..cues import ACTIONS, Cues
from ..output import SpokenTextBuilder
from ..settings import TextSettings
from . import addresses, blocks, inline, links, math, symbols, tags
from .state import NEED_MORE, Handler, IgnoredRegion, NeedMore, ParserState

__all__ = ["MarkupParser"]

# With which stage directions in Japanese begin.
_WIDE_STARTS: Final = "".join(sorted({name[0] for name in ACTIONS if name[0] > "\u3000"}))

# What needs no look: all but the marks that may mean something where they stand, and the letters
# with which an address may begin. Behind a wide parenthesis, only stage directions mean something.
_PLAIN: Final = re.compile(
    rf"(?:[^\n*_~=`\[\](<>{{&|#\\!:;•·【（\-+^${addresses.FIRST_LETTERS}{EMOJI}{symbols.ARROWS}{symbols.FACES}]+"
    rf"|(?<=[{addresses.LETTERS}])[{addresses.FIRST_LETTERS}]|(?!{addresses.POSSIBLE_ADDRESS})[{addresses.FIRST_LETTERS}]"
    r"|\{(?=[^\s\"])|-(?=[^->])|\+(?=[^+])|>(?=[^>])|\^(?=[^^])|=(?=[^=>])|(?<![~A-Za-z])~(?=[\d$€£¥])"
    r"|(?<=[^\s\[])!|!(?=[^\[])|(?<=\S)[:;]|[:;](?=[^')(/|\\*A-Za-z-])|&(?=[^#A-Za-z])"
    r"|\$(?=[^$\w\\(\[{-]|\d[\d.,]{0,9}(?:[^\d.,^\\_$ a-z=+*<>]|[ a-z][^ =+*<>^_(-]|\$\d))"
    r"|<(?=[^\w/|｜!?<])"
    r"|\((?=[\d\"'$€£\[({@#.,!?/+%&|\\]|[^\W_A-Za-z][^\W_]|[A-Za-z][^A-Za-z_^;=-])"
    rf"|（(?=[^{_WIDE_STARTS}])"
    r"|(?<=[^\W_])_(?=[^\W_])|(?<=[^\W\d_])·(?=[^\W\d_])){1,256}"
)

_HANDLERS: Final[dict[str, Handler]] = (
    inline.HANDLERS
    | symbols.HANDLERS
    | links.HANDLERS
    | addresses.HANDLERS
    | tags.HANDLERS
    | math.HANDLERS
)
# Those that are never plain.
_MARKS: Final = frozenset("\n*`[]|#\\")
# After so many marks without a letter, a number or a space between them, more of them say nothing.
MAX_MARKS: Final = 16
_NOISY: Final = frozenset(string.punctuation)
_NOISE: Final = re.compile(r"[!-/:-@\[-`{-~]+")
_LITERAL_IN_CODE: Final = _HANDLERS.keys() - {"`", "\n", *addresses.FIRST_LETTERS}

# Characters that may wait for what follows them: more than the longest construct has, a tag of 500.
MAX_HELD_CHARS: Final = 512
# Characters that are read together. What is hidden is copied, so this bounds the work.
_STEP_CHARS: Final = 1024
# Steps in a row that change the state but read no character. Two are needed: hidden text ends, and
# then the marks that begin a line do.
_MAX_IDLE_STEPS: Final = 4


class MarkupParser:
    """The markup of one reply; what it says goes to ``spoken``."""

    def __init__(self, settings: TextSettings, cues: Cues, spoken: SpokenTextBuilder) -> None:
        self._spoken = spoken
        self._state = ParserState(settings, cues, spoken, self._say)
        self._marks = 0
        """How many marks have been read since the last word or space."""
        # What is held, behind one character that came before it.
        self._text = "\n"

    @property
    def held(self) -> int:
        """How many characters wait for what follows them."""
        hidden = self._state.hidden
        return len(self._text) - 1 + (hidden.held if hidden else 0)

    def write(self, text: str, *, complete: bool = False) -> None:
        """Read what has come; ``complete`` if it is the last."""
        at = 0
        while len(text) - at > _STEP_CHARS:
            self._text = self._read(self._text + text[at : at + _STEP_CHARS], complete=False)
            at += _STEP_CHARS
        self._text = self._read(self._text + text[at:], complete=complete)

    def _read(self, text: str, *, complete: bool) -> str:
        """Read ``text`` behind its first character; return what waits, behind a character as well.

        Every step reads on or waits for more text. One that does neither reads one character as
        text, so no text and no handler can hold up this loop.
        """
        state = self._state
        at, end, idle_steps = 1, len(text), 0
        while at < end or state.hidden:
            if hidden := state.hidden:
                rest = hidden.write(text[at:], complete=complete)
                text, at = text[at - 1] + (rest or ""), 1
                if rest is None:
                    break
                state.end_hidden(hidden, rest)
                self._marks, end = 0, len(text)
                continue
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
        return text[at - 1 :]

    def _step(self, text: str, at: int, complete: bool) -> int | NeedMore:
        """Read what begins at ``at``, and give where it ends."""
        state, mark = self._state, text[at]
        if state.skipping:
            return self._skip(state.skipping, text, at, complete)
        if state.line_starts:
            handler = blocks.HANDLERS.get(mark, blocks.begin_text)
            return handler(state, text, at, complete)
        if self._marks > MAX_MARKS and (noise := _NOISE.match(text, at)):
            return noise.end()
        if mark not in _MARKS and (plain := _PLAIN.match(text, at)):
            said = plain[0]
            if self._marks and not _NOISE.fullmatch(said):
                self._marks = 0
            (self._spoken.literal if state.code else self._spoken.text)(said)
            return plain.end()
        if state.code and mark in _LITERAL_IN_CODE:
            self._spoken.literal(mark)
            return at + 1
        return self._mark(mark, text, at, complete)

    def _mark(self, mark: str, text: str, at: int, complete: bool) -> int | NeedMore:
        handler = _HANDLERS.get(mark, symbols.read_symbol)
        place = handler(self._state, text, at, complete)
        if place is not NEED_MORE:
            is_noise = mark in _NOISY and (
                place == at + 1 or _NOISE.fullmatch(text, at, place) is not None
            )
            self._marks = self._marks + 1 if is_noise else 0
        return place

    def _say(self, text: str) -> None:
        state = self._state
        line_starts, state.line_starts = state.line_starts, False
        self._read("[" + text, complete=True)
        # What the text hides is hidden to its end at most.
        state.line_starts, state.code, state.skipping = line_starts, 0, None

    def _skip(self, skipping: IgnoredRegion, text: str, at: int, complete: bool) -> int | NeedMore:
        place = skipping.skip(text, at, complete=complete)
        if not skipping.open:
            self._state.skipping = None
            self._marks = 0
            if skipping.then:
                self._state.hide(skipping.then)
        return place
