"""Where a text that is still being written may be cut.

The cuts depend on the text alone, never on the pieces in which it came: a place is a cut once
what follows makes it certain, and stays one. Every character stays in the text; a cut lies after
the spaces, so that what is cut off ends with its own.

`sentence-stream`, which Home Assistant and Piper use, knows whole sentences only, waits for the
next capital, has no longest length, and drops spaces and asterisks; speech that is to begin early
needs the clauses and words of a long sentence too, and the text as it was.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple
from unicodedata import category

from .abbreviations import (
    ABBREVIATIONS,
    BEFORE_NUMBERS,
    BESIDE_NUMBERS,
    FINAL_WORDS,
    SENTENCE_STARTERS,
)

__all__ = ["MAX_SPACE_CHARS", "Cut", "CutKind", "Sentences", "sentence_ends"]

# Characters within which a bracket that opens a cue is closed. One that is not closed by then
# is no cue and may be cut.
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

# Spaces, or closing marks, after which it does not matter what else follows.
MAX_SPACE_CHARS: Final = 64

# Characters that are looked at together: a place within AHEAD, and what follows it. Text beyond
# them costs nothing until its turn comes.
WINDOW_CHARS: Final = LOOKAHEAD_CHARS + 2 * MAX_SENTENCE_CHARS

_CLOSERS: Final = "\"'”’»›)]}）】」』》〉＂＇"

_OPENERS: Final = '([{«„“‘"-*_'

# Marks that end a sentence if a space or a line follows, and those that need none.
_SPACED_MARKS: Final = ".!?…"
_FREE_MARKS: Final = "。！？｡။។៕।॥۔؟።፧։"
_CLAUSE_MARKS: Final = ",;:،؛–—·"
# Marks that belong to the word before them, although a space stands between: "Oui !", "40 %".
_TRAILING_MARKS: Final = "?!:;%…"
_SENTENCE_ENDS: Final = frozenset(_SPACED_MARKS)
_CLAUSE_ENDS: Final = frozenset(_CLAUSE_MARKS)
_FREE_CLAUSE_MARKS: Final = "，、；：､၊"

_PLACE: Final = re.compile(
    rf"""(?P<bracket>[\[(]|<\|)
    | (?P<free>(?:[{_FREE_MARKS}]|．(?![0-9０-９]))[{_FREE_MARKS}{re.escape(_SPACED_MARKS)}．]*
        [{re.escape(_CLOSERS)}]*\s*)
    | (?P<clause>[{_FREE_CLAUSE_MARKS}]\s*)
    | (?P<space>(?:[^\S\u00a0\u202f\u2060])+)""",
    re.VERBOSE,
)

# What follows the half of a day without a new sentence: "10 a.m. Pacific".
_AFTER_HALF_DAYS: Final = frozenset(
    "pacific eastern central mountain gmt utc est edt cst cdt mst mdt pst pdt cet et ct mt pt "
    "monday tuesday wednesday thursday friday saturday sunday".split()
)
_HALF_DAYS: Final = ("a.m.", "p.m.")
# Ordinals and the numbers of lists are mostly days: "am 3. Mai", "1. Milk".
_LARGEST_ORDINAL: Final = 31
# "2024. 05. 12."
_YEAR_DIGITS: Final = 4
_DATE: Final = re.compile(r"\d{1,2}\.")
_ROMAN: Final = re.compile(r"(?=[IVXL]{2})X{0,4}L?X{0,3}(?:IX|IV|V?I{0,3})")

# Letters of each part of an abbreviation with full stops: "z.B", "Ph.D". One that begins with a
# single letter may have longer ones: "f.eks".
MAX_PART_CHARS: Final = 2
MAX_LATER_PART_CHARS: Final = 4

# Letters of the word after an abbreviation that are waited for.
MAX_STARTER_CHARS: Final = 12

# "l'avv.", "Karl-Marx-Str."
_PARTS: Final = re.compile(r"['’\-/]")
# "Hauptstr."
_STREET: Final = re.compile(r"\w{2,}str")
_DEGREES: Final = frozenset(("Dr", "Prof", "Dipl", "Mag", "dr", "prof", "Univ"))
# How a sentence goes on after a quoted one: "he said" in Chinese, "と" in Japanese.
_SPEAKERS: Final = "他她它我你您"
_SAID: Final = re.compile(rf"と|って|[{_SPEAKERS}][^，。！？、\s]{{0,5}}[说說问問道喊答]")
_CLAUSE_END: Final = re.compile(r"[，。！？、：\s]|[说說问問道喊答]")
# Marks after which a sentence can be certain to have ended, and what has to be closed before.
_CERTAIN_MARKS: Final = ".!?"
_OPEN: Final = frozenset('"“”„«»‹›([{（【')
_SPACES: Final = "\u00a0\u202f "


class CutKind(IntEnum):
    """What ends at a cut; the greater, the better a place to pause."""

    WORD = 1
    CLAUSE = 2
    SENTENCE = 3


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
        """In their order, of about the next AHEAD characters."""
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
    def ends_certainly(self) -> bool:
        """Whether the text as it stands ends with a sentence, whatever follows."""
        if not self.text or self.text[-1] not in _CERTAIN_MARKS or self._open or self._later:
            return False
        start = next((cut.at for cut in reversed(self.cuts) if cut.kind is CutKind.SENTENCE), 0)
        word = _bare_word(self.text[-MAX_SPACE_CHARS:]).lower().lstrip("0123456789.,")
        # A quote or a bracket has to be closed first.
        return word in FINAL_WORDS and _OPEN.isdisjoint(self.text[start:])

    def ends_well(self, *, any_mark: bool = False) -> bool:
        """Whether the text as it stands ends with a sentence, if nothing followed.

        ``any_mark`` takes what is mostly an abbreviation for an end too, for a pause so long
        that nobody would make it within one.
        """
        stem = self.text.rstrip()
        if not stem or self._open or self._later:
            return False
        if "\n" in self.text[len(stem) :] or stem[-1] in _FREE_MARKS:
            return True
        if _last_mark(stem[-MAX_SPACE_CHARS:]) not in _SENTENCE_ENDS:
            return False
        if any_mark and len(stem) < len(self.text):
            return True
        stem = stem[-MAX_SPACE_CHARS:]
        word = _bare_word(stem)
        if word.isdecimal():
            # It may go on as a decimal, or be a day.
            return False
        return any_mark or not (_is_abbreviation(stem, "") or word in BEFORE_NUMBERS)

    def _scan(self) -> None:
        """Find the cuts that the text by now makes certain."""
        text = self.text
        self._open = False
        stop = min(len(text), LOOKAHEAD_CHARS)
        while self._scanned < stop and (place := _PLACE.search(text, self._scanned)):
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
            if _needs_more(text, place):
                break
            kind = _kind(text, place)
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
    while at < len(text) and (place := _PLACE.search(text, at)):
        # It reads on, whatever matched.
        at = max(place.end(), place.start() + 1)
        if place["bracket"]:
            if place["bracket"] != "(":
                at = _after_cue(text, place.start()) or at
        elif at < len(text) and _kind(text, place) is CutKind.SENTENCE:
            yield at


def _needs_more(text: str, place: re.Match[str]) -> bool:
    """Whether it depends on text that has not come what ends at ``place``."""
    rest = text[place.end() :]
    if len(rest) >= MAX_STARTER_CHARS:
        return False
    if place["free"]:
        is_quoted = place[0][-1] in _CLOSERS
        return is_quoted and rest[0] in _SPEAKERS and not _CLAUSE_END.search(rest)
    stem = text[max(0, place.start() - MAX_SPACE_CHARS) : place.start()]
    if _last_mark(stem) not in _SENTENCE_ENDS or rest[:1].islower():
        return False
    if rest in _CLOSERS:
        return True
    if rest.isdecimal():
        return _bare_word(stem).isdecimal()
    return rest.isalpha() and _is_abbreviation(stem, "")


def _kind(text: str, place: re.Match[str]) -> CutKind | None:
    """What ends at a place, where anything does; what follows the place is known."""
    start, end = place.span()
    rest = text[end : end + MAX_STARTER_CHARS]
    if place["free"]:
        is_quoted = place[0][-1] in _CLOSERS and _SAID.match(rest)
        return CutKind.CLAUSE if is_quoted else CutKind.SENTENCE
    if place["clause"]:
        return CutKind.CLAUSE
    # What matters of the text before is its last word with its marks.
    stem, following = text[max(0, start - MAX_SPACE_CHARS) : start], rest[:1]
    if not stem.strip() or (following and following in _TRAILING_MARKS):
        return None
    goes_on = following.islower()
    mark = _last_mark(stem)
    ends = mark in _SENTENCE_ENDS or (mark == ";" and _is_greek(stem))
    if lines := place[0].count("\n"):
        # A line that goes on in the next one, but not what announces a list.
        wrapped = goes_on and not ends and lines == 1 and not stem.endswith(":")
        return CutKind.WORD if wrapped else CutKind.SENTENCE
    if ends and following and following in _CLOSERS and not rest[1:2].isalnum():
        # "Oui ! »"
        return None
    if ends and not goes_on and not _is_abbreviation(stem, rest):
        return CutKind.SENTENCE
    if mark in _CLAUSE_ENDS:
        return CutKind.CLAUSE
    if stem[-1].isdecimal() and not following.isalpha():
        # "10 000", "22 °C", "3 - 5"
        return None
    return CutKind.WORD


def _is_abbreviation(stem: str, rest: str) -> bool:
    """Whether the full stop that ends ``stem`` belongs to its word; ``rest`` follows it."""
    last = _last_word(stem)
    if not last.endswith("."):
        return False
    starter = _starter(rest)
    word = _bare_word(stem)
    before = stem[: len(stem) - len(last)].rstrip()
    if last.lower() in _HALF_DAYS:
        return not starter or starter in _AFTER_HALF_DAYS
    if word.isdecimal():
        if len(word) == _YEAR_DIGITS:
            return _DATE.match(rest) is not None
        is_listed = not before or "\n" in stem[len(before) : len(stem) - len(last)]
        return int(word[:3]) <= _LARGEST_ORDINAL and (is_listed or starter not in SENTENCE_STARTERS)
    if _has_parts(word) or _ROMAN.fullmatch(word):
        return starter not in SENTENCE_STARTERS
    word = _PARTS.split(word)[-1]
    if word in ABBREVIATIONS or _STREET.fullmatch(word):
        return True
    if rest[:1].isdecimal() and (word in BEFORE_NUMBERS or word in BESIDE_NUMBERS):
        return True
    previous = _bare_word(before)
    if word in BESIDE_NUMBERS and previous.isdecimal():
        return True
    # "Dr. med. Huber"
    return before.endswith(".") and previous in _DEGREES and word.islower()


def _starter(rest: str) -> str:
    """The first word of what follows, in small letters."""
    words = rest.split(maxsplit=1)
    return words[0].strip(_OPENERS + ".,!?").lower() if words else ""


def _bare_word(stem: str) -> str:
    """The last word, without marks and quotes around it."""
    return _last_word(stem).strip(_CLOSERS + _SPACED_MARKS + _OPENERS)


def _last_word(stem: str) -> str:
    """What follows the last space."""
    return "" if not stem or stem[-1].isspace() else stem.rsplit(maxsplit=1)[-1]


def _last_mark(stem: str) -> str:
    """The last character before closing marks."""
    return stem.rstrip(_CLOSERS + _SPACES)[-1:]


def _has_parts(word: str) -> bool:
    """Whether this is a letter, or short parts with full stops between: "J", "z.B", "Ph.D"."""
    first, *later = word.split(".")
    if not later:
        return (len(first) == 1 and first.isalpha()) or _is_doubled(first)
    most = MAX_LATER_PART_CHARS if len(first) == 1 else MAX_PART_CHARS
    return (
        len(first) <= MAX_PART_CHARS
        and all(0 < len(part) <= most for part in later)
        and all(category(letter)[0] in "LM" for letter in word if letter != ".")
    )


def _is_doubled(word: str) -> bool:
    """Whether this is a Spanish plural: "EE. UU."."""
    return len(word) == 2 and word[0] == word[1] and word.isupper()


def _is_greek(stem: str) -> bool:
    """Whether a Greek letter stands before the mark that ends ``stem``: its ";" asks."""
    return "\u0370" <= stem.rstrip(_CLOSERS)[-2:-1] < "\u0400"


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
