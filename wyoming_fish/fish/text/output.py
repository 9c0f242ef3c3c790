"""What is spoken, put together from words, marks, pauses and cues.

Here it is seen to that nothing is sent that says nothing: spaces and line ends are one, marks are
not repeated, a line or a bracket without a word is gone, and so is a cue that no word follows,
which would make a stray noise. What waits for that is at most a few marks and cues, never a word.
"""

from __future__ import annotations

import re
from enum import IntEnum, auto
from typing import Final

__all__ = ["SpokenTextBuilder"]

# Cues, marks and brackets that may wait for a word; more of them are no text any more.
MAX_HELD_CHARS: Final = 16

_SPACES: Final = " \u1680\u2000-\u200a\u205f\u3000"
_OPENING: Final = "(（「『【《〈«“„‹"
_CLOSING: Final = ")）」』】》〉»”‹›"
# Each opening mark and what closes it; quotation marks differ from language to language.
_PAIRS: Final = {"(": ")", "（": "）", "「": "」", "『": "』", "【": "】", "《": "》", "〈": "〉"}
_QUOTES: Final = "«“„‹"
_CLAUSE_MARKS: Final = ",;:，、；：،؛"
_SENTENCE_MARKS: Final = ".!?…。！？।॥؟۔"
# Marks behind which a value stands.
_BEFORE_VALUES: Final = ":：=?？–—"
# Marks that join the word before them, so that a space left by something taken out goes.
_JOINING: Final = _CLAUSE_MARKS + _SENTENCE_MARKS + _CLOSING
_SYMBOLS: Final = "\"'`*_~=+^<>|#/\\-–—&@%‚‘’¡¿{}[]"
_JOINTS: Final = re.escape(_CLAUSE_MARKS + _SENTENCE_MARKS + _SYMBOLS)
_MARK_SET: Final = frozenset(_OPENING + _CLOSING + _CLAUSE_MARKS + _SENTENCE_MARKS + _SYMBOLS)
_MARKS: Final = re.escape("".join(sorted(_MARK_SET)))

_REST: Final = f"[^{_MARKS}{_SPACES}]"

# Words with at most a mark and a space between them need no further look; so many at a
# time that they cost no memory.
_TOKEN: Final = re.compile(
    rf"""(?P<words>[^\W_]{_REST}*(?:(?:[{_JOINTS}]\ ?|\ ){_REST}+){{0,256}})
    | (?P<space>[{_SPACES}]+)
    | (?P<mark>[{_MARKS}])
    | (?P<symbol>.)""",
    re.VERBOSE | re.DOTALL,
)

# How often a mark may occur in a row: "...", "……", "--".
_REPEATS: Final = {".": 3} | dict.fromkeys("…'-/<>&—+*=_:\\", 2)


class _Kind(IntEnum):
    """What waits; the blanks come first, the weightiest last."""

    SPACE = auto()
    GAP = auto()
    """A space where something was taken out."""
    SEPARATOR = auto()
    NEWLINE = auto()
    MARK = auto()
    OPENING = auto()
    CUE = auto()


_LAST_BLANK: Final = _Kind.NEWLINE
_LOOSE_ENDS: Final = tuple(kind for kind in _Kind if kind <= _LAST_BLANK or kind is _Kind.OPENING)


class SpokenTextBuilder:
    """The text of one reply on its way out."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._waiting: list[tuple[_Kind, str]] = []
        self._last = "\n"
        """The last character that was spoken."""
        self._repeats = 0
        """How often it was, by now."""
        self._fresh = True
        """Whether no word has been spoken since the line, or the cell of a table, began."""
        self._line_fresh = True
        """Whether no word has been spoken since the line began."""
        self._tags: list[str] = []
        """Tags around words that have been opened."""

    def take(self) -> str:
        """What is certain by now and has not been taken yet."""
        text = "".join(self._out)
        self._out.clear()
        return text

    def end(self) -> str:
        """Return the rest when the text is complete."""
        for name in self._tags[::-1]:
            self.close_tag(name)
        if not self._line_fresh:
            self._end_line()
        self._waiting.clear()
        return self.take()

    @property
    def starts_sentence(self) -> bool:
        """Whether what comes next is the beginning of a sentence."""
        return self._fresh or self._last in _SENTENCE_MARKS

    @property
    def expects_value(self) -> bool:
        """Whether a value comes next: after `Locked:`, or in the next cell of a table."""
        return self._last in _BEFORE_VALUES or (self._fresh and not self._line_fresh)

    def text(self, text: str) -> None:
        """Say ``text``, which has no line end and no markup."""
        if text.isalnum():
            self.word(text)
        elif text == " ":
            self._blank(_Kind.SPACE)
        elif text in _MARK_SET:
            self.mark(text)
        else:
            for match in _TOKEN.finditer(text):
                if match.lastgroup == "words":
                    self.word(match[0])
                elif match.lastgroup == "space":
                    self._blank(_Kind.SPACE)
                elif match.lastgroup == "mark":
                    self.mark(match[0])
                else:
                    self._symbol(match[0])

    def marks(self, run: str) -> None:
        """Say a mark as often as it stands in ``run``."""
        for mark in run:
            self.mark(mark)

    def mark(self, mark: str) -> None:
        """Say a single mark. It is neither a space nor a letter."""
        if not (self._waiting or self._fresh or mark in _OPENING):
            self._write_mark(mark)
            return
        closes = mark in _QUOTES and not self._waiting and not self._last.isspace()
        if mark in _OPENING and not closes:
            self._wait(_Kind.OPENING, mark)
        elif mark in _CLOSING and self._close(mark):
            pass
        elif self._fresh or self._has_cue():
            self._wait(_Kind.MARK, mark)
        else:
            self._write_waiting(joins=mark in _JOINING)
            self._write_mark(mark)

    def literal(self, text: str) -> None:
        """Say ``text`` of whatever kind; brackets are no cues and line ends are spaces."""
        self.text(text.translate(_LITERAL))

    def unit(self, token: str) -> None:
        """Say one of Fish's tokens, which stands for a word."""
        self._release()
        self._out.append(token)
        self._last = ">"

    def cue(self, cue: str) -> None:
        """Act ``cue`` (with its brackets) before the next word."""
        if self._fresh:
            self._drop_loose()
        self._wait(_Kind.CUE, cue)

    def open_tag(self, name: str) -> None:
        """Open drama's tag around the words that follow, with their line at most."""
        if name not in self._tags:
            self._tags.append(name)
            self.cue(f"<{name}>")

    def close_tag(self, name: str) -> None:
        """Close it behind the last word."""
        if name not in self._tags:
            return
        self._tags.remove(name)
        opening = (_Kind.CUE, f"<{name}>")
        if opening in self._waiting:
            self._waiting.remove(opening)
        else:
            self._out.append(f"</{name}>")

    def gap(self) -> None:
        """Something between words was taken out."""
        self._blank(_Kind.GAP)

    def removed(self) -> None:
        """Something that belonged to the word before it was taken out."""
        if self._waiting and self._waiting[-1][0] is _Kind.SPACE:
            self._waiting[-1] = (_Kind.GAP, "")

    def separator(self) -> None:
        """A cell ends, or something else that is worth a comma."""
        self._blank(_Kind.GAP if self._fresh else _Kind.SEPARATOR)

    def newline(self) -> None:
        """The line ends."""
        for name in self._tags[::-1]:
            self.close_tag(name)
        if self._line_fresh:
            if self._waiting:
                self._waiting = [item for item in self._waiting if item[0] is _Kind.CUE]
            if self._waiting:
                self._wait(_Kind.GAP, "")
            return
        if self._has_cue():
            self._blank(_Kind.NEWLINE)
        else:
            if self._waiting:
                self._end_line()
            self._write_blank(_Kind.NEWLINE)
        self._fresh = self._line_fresh = True

    def _end_line(self) -> None:
        """Say what waits and needs no word: the marks behind a cue that is gone."""
        if self._fresh:
            self._drop_loose()
        if self._has_cue():
            self._waiting = [
                (_Kind.GAP, "") if kind is _Kind.SPACE else (kind, text)
                for kind, text in self._waiting
                if kind is not _Kind.CUE
            ]
        while self._waiting and self._waiting[-1][0] in _LOOSE_ENDS:
            self._waiting.pop()
        self._write_waiting(joins=True)

    def _symbol(self, symbol: str) -> None:
        """Say a symbol (`€`, `°`, `→`), but only together with a word."""
        if self._fresh or self._has_cue():
            self._wait(_Kind.OPENING, symbol)
        else:
            self._write_waiting()
            self._append(symbol)

    def _append(self, text: str) -> None:
        self._out.append(text)
        self._last = text[-1]
        self._repeats = 1

    def _write_mark(self, mark: str) -> None:
        if mark == self._last:
            if self._repeats >= _REPEATS.get(mark, 1) and mark not in _CLOSING:
                return
            self._repeats += 1
        else:
            if mark in "!?" and self._last in "!?" and self._repeats > 1:
                return
            # "?!" is one mark, and "?!?!" is shortened to it.
            self._repeats = 2 if mark in "!?" and self._last in "!?" else 1
        self._out.append(mark)
        self._last = mark

    def _close(self, mark: str) -> bool:
        """Take out the bracket that ``mark`` closes, where there is nothing in it."""
        at = len(self._waiting)
        while at and self._waiting[at - 1][0] <= _LAST_BLANK:
            at -= 1
        if not at:
            return False
        kind, prefix = self._waiting[at - 1]
        if kind is not _Kind.OPENING or _PAIRS.get(prefix, mark) != mark:
            return False
        if prefix not in _PAIRS and prefix not in _QUOTES:
            return False
        del self._waiting[at - 1 :]
        self.removed()
        return True

    def _blank(self, kind: _Kind) -> None:
        """A space of some kind; of several in a row the weightiest stays."""
        waiting = self._waiting
        if self._fresh and waiting:
            self._drop_loose()
        if kind in (_Kind.SEPARATOR, _Kind.NEWLINE):
            self._fresh = True
        if waiting and waiting[-1][0] <= _LAST_BLANK:
            if kind > waiting[-1][0]:
                waiting[-1] = (kind, "")
        else:
            self._wait(kind, "")

    def _drop_loose(self) -> None:
        """Forget the marks at the start of a line that no word is attached to."""
        while self._waiting and self._waiting[-1][0] is _Kind.MARK:
            self._waiting.pop()

    def _has_cue(self) -> bool:
        return bool(self._waiting) and any(kind is _Kind.CUE for kind, _ in self._waiting)

    def _wait(self, kind: _Kind, text: str) -> None:
        self._waiting.append((kind, text))
        if len(self._waiting) > MAX_HELD_CHARS:
            # A pause that is being waited with is worth more than the oldest mark.
            first = 1 if self._waiting[0][0] <= _LAST_BLANK else 0
            del self._waiting[first]

    def word(self, text: str) -> None:
        """Say one word, of whatever characters."""
        if self._waiting or self._fresh:
            self._release()
        self._out.append(text)
        self._last = text[-1]
        self._repeats = 1

    def _release(self) -> None:
        """A word comes: say what waited for it."""
        if self._waiting:
            if self._fresh and self._waiting[-1][0] > _LAST_BLANK:
                self._strip_lead()
            self._write_waiting()
        self._fresh = self._line_fresh = False

    def _strip_lead(self) -> None:
        """Remove marks that cannot begin a text: `, and then`."""
        at = len(self._waiting)
        while at and self._waiting[at - 1][0] in (_Kind.MARK, _Kind.OPENING):
            at -= 1
        lead = self._waiting[at:]
        while lead and lead[0][0] is _Kind.MARK and lead[0][1] in _CLAUSE_MARKS + "!?！？。)）":
            del lead[0]
        self._waiting[at:] = lead

    def _write_waiting(self, *, joins: bool = False) -> None:
        """Say what waited; ``joins`` where what follows joins the word before."""
        waiting, self._waiting = self._waiting, []
        for kind, text in waiting:
            if kind <= _LAST_BLANK:
                if not joins or kind is _Kind.SPACE:
                    self._write_blank(kind)
            elif kind is _Kind.CUE:
                self._append(text)
            elif kind is _Kind.MARK:
                self._write_mark(text)
            else:
                self._append(text)

    def _write_blank(self, kind: _Kind) -> None:
        if self._last in "\n ":
            return
        if kind is _Kind.NEWLINE:
            self._append("\n")
            return
        if kind is _Kind.SEPARATOR and self._last not in _CLAUSE_MARKS + _SENTENCE_MARKS:
            self._out.append(",")
        self._append(" ")


_LITERAL: Final = str.maketrans(dict.fromkeys("[]|\n", " "))
