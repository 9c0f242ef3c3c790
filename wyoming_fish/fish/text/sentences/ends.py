"""What ends at a place of a text: a sentence, a clause or a word.

It is decided by the last word before the place and the first one after it, never by the language
of the text, which is not known.
"""

from __future__ import annotations

import re
from enum import Enum, IntEnum
from typing import Final

from .abbreviations import (
    ABBREVIATIONS,
    AFTER_ORDINALS,
    BEFORE_NUMBERS,
    BESIDE_NUMBERS,
    FINAL_WORDS,
    LIST_ENDS,
    MAY_END,
    ORDINAL_ARTICLES,
    SENTENCE_STARTERS,
    has_parts,
)

__all__ = [
    "MAX_SPACE_CHARS",
    "NEED_MORE",
    "PLACE",
    "CutKind",
    "certainly_ends",
    "cut_kind",
    "may_end",
]

# Spaces, or closing marks, after which it does not matter what else follows.
MAX_SPACE_CHARS: Final = 64

_CLOSERS: Final = "\"'”’»›)]}）】」』》〉＂＇"

_OPENERS: Final = '([{«„“‘"-*_•⁃'

# Marks that end a sentence if a space or a line follows, and those that need none.
_SPACED_MARKS: Final = ".!?…"
_FREE_MARKS: Final = "。！？｡။។៕।॥۔؟።፧։"
_CLAUSE_MARKS: Final = ",;:،؛–—·"
# Marks that belong to the word before them, although a space stands between: "Oui !", "40 %".
_TRAILING_MARKS: Final = ".?!:;%…"
_SENTENCE_ENDS: Final = frozenset(_SPACED_MARKS)
_CLAUSE_ENDS: Final = frozenset(_CLAUSE_MARKS)
_FREE_CLAUSE_MARKS: Final = "，、；：､၊"

PLACE: Final = re.compile(
    rf"""(?P<bracket>[\[(](?!\n)|<\|)
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
# The number of a list: 1.) and so on
_LIST_NUMBER: Final = re.compile(r"\d{1,2}\.\)")
_ROMAN: Final = re.compile(r"(?=[IVXL]{2})X{0,4}L?X{0,3}(?:IX|IV|V?I{0,3})")

# Letters of the word after an abbreviation that are waited for.
MAX_STARTER_CHARS: Final = 12

# What follows a word that stands before numbers; "av. J.-C." is one of them.
_NUMBER: Final = re.compile(r"\d|[IVXL]+\b|J\.-C")
# Letters of each part of "l'on." and "dell'av.", which end no sentence.
MAX_ELIDED_CHARS: Final = 4
# "Hauptstr.", "Marktpl."
_STREET: Final = re.compile(r"\w{2,}str|\w{3,}pl")
_DEGREES: Final = frozenset(("Dr", "Prof", "Dipl", "Mag", "dr", "prof", "Univ"))
# How a sentence goes on after a quoted one: "he said" in Chinese, "と" in Japanese.
_SPEAKERS: Final = "他她它我你您"
_SAID: Final = re.compile(rf"と|って|[{_SPEAKERS}][^，。！？、\s]{{0,5}}[说說问問道喊答]")
_CLAUSE_END: Final = re.compile(r"[，。！？、：\s]|[说說问問道喊答]")
_QUOTES: Final = "\"'”’»›“‘«"
_OPENING_QUOTES: Final = ("«", "„", "“", "‹")
_BEFORE_ORDINALS: Final = ("", "\n", "!", "?", ":", "–", "-", "(")
_AFTER_QUOTES: Final = ("-", "–", "—", "(")
_SPACES: Final = "\u00a0\u202f "
_WORDS: Final = (BEFORE_NUMBERS, ABBREVIATIONS, BESIDE_NUMBERS)
_QUOTED: Final = frozenset(_CLOSERS)
_AFTER_MARKS: Final = _CLOSERS + _QUOTES + _SPACES
_AROUND_WORDS: Final = _CLOSERS + _SPACED_MARKS + _OPENERS


# Marks after which a sentence can be certain to have ended, and what has to be closed before.
_CERTAIN_MARKS: Final = ".!?"
_OPEN: Final = frozenset('"“”„«»‹›([{（【')


class NeedMore(Enum):
    """What follows a place in a text has to be known first."""

    NEED_MORE = "wait"


NEED_MORE: Final = NeedMore.NEED_MORE


class CutKind(IntEnum):
    """What ends at a cut; the greater, the better a place to pause."""

    WORD = 1
    CLAUSE = 2
    SENTENCE = 3


def certainly_ends(sentence: str) -> bool:
    """Whether what may be a sentence is one, whatever follows it."""
    if not sentence or sentence[-1] not in _CERTAIN_MARKS:
        return False
    word = _bare_word(sentence[-MAX_SPACE_CHARS:]).lower().lstrip("0123456789.,")
    # A quote or a bracket has to be closed first.
    return word in FINAL_WORDS and _OPEN.isdisjoint(sentence)


def may_end(text: str, *, any_mark: bool, is_spaced: bool) -> bool:
    """Whether ``text`` ends with a sentence, if nothing follows.

    ``any_mark`` takes what is mostly an abbreviation for an end, too; ``is_spaced`` tells whether
    there is a space behind it.
    """
    if text[-1] in _FREE_MARKS:
        return True
    stem = text[-MAX_SPACE_CHARS:]
    if _last_mark(stem) not in _SENTENCE_ENDS:
        return False
    if any_mark and is_spaced:
        return True
    word = _bare_word(stem)
    if word.isdecimal():
        # It may go on as a decimal, or be a day.
        return False
    return any_mark or not (_is_abbreviation(stem, "") or word in BEFORE_NUMBERS)


def cut_kind(
    text: str, place: re.Match[str], *, complete: bool = True
) -> CutKind | NeedMore | None:
    """Classify the cut at ``place``; None if the text must not be cut there.

    NEED_MORE if more of a text that is not ``complete`` has to be known.
    """
    start, end = place.span()
    following, gap = text[end : end + 1], place[0]
    if gap == " " and text[start - 1 : start].isalpha() and following.isalnum():
        # Most places are between two words.
        return CutKind.WORD
    rest = text[end : end + MAX_STARTER_CHARS]
    waits = not complete and len(rest) < MAX_STARTER_CHARS
    if place.lastgroup != "space":
        return _free_kind(place, rest, waits=waits)
    # What matters of the text before is its last word with its marks.
    stem = text[max(0, start - MAX_SPACE_CHARS) : start]
    if not stem.strip() or (following and following in _TRAILING_MARKS):
        return None
    if stem[-1] in _OPENING_QUOTES and not stem[-2:-1].strip():
        return None
    if "\n" in gap:
        return _line_kind(stem, rest, is_single=gap.count("\n") == 1, waits=waits)
    return _spaced_kind(stem, rest, waits=waits)


def _line_kind(stem: str, rest: str, *, is_single: bool, waits: bool) -> CutKind | NeedMore:
    """Classify the cut at a line end."""
    if not rest[:1].islower():
        return CutKind.SENTENCE
    if waits and len(rest) == 1:
        # For example "iPad".
        return NEED_MORE
    if not is_single or not _goes_on(rest):
        return CutKind.SENTENCE
    # A line that goes on in the next one, but not what announces a list.
    ends = stem[-1] == ":" or _last_mark(stem) in _SENTENCE_ENDS or _asks(stem)
    return CutKind.SENTENCE if ends else CutKind.WORD


def _spaced_kind(stem: str, rest: str, *, waits: bool) -> CutKind | NeedMore | None:
    """Classify the cut at a space."""
    following, mark = rest[:1], _last_mark(stem)
    is_marked = mark in _SENTENCE_ENDS
    if waits and is_marked and _is_unclear(stem, rest):
        return NEED_MORE
    if is_marked or _asks(stem):
        if following and following in _CLOSERS and not rest[1:2].isalnum():
            # A closing quotation mark after a space, as in French.
            return None
        if stem[-1] in _QUOTES and (following in _AFTER_QUOTES or _has_no_case(following)):
            # Mostly "he said".
            return CutKind.CLAUSE
        if not _goes_on(rest) and not _is_abbreviation(stem, rest):
            return CutKind.SENTENCE
    if mark in _CLAUSE_ENDS:
        return CutKind.CLAUSE
    if stem[-1].isdecimal() and not following.isalpha():
        # "10 000", "22 °C", "3 - 5"
        return None
    return CutKind.WORD


def _free_kind(place: re.Match[str], rest: str, *, waits: bool) -> CutKind | NeedMore:
    """Classify the cut after a mark that needs no space."""
    if place.lastgroup != "free":
        return CutKind.CLAUSE
    if place[0][-1:] not in _QUOTED:
        return CutKind.SENTENCE
    if waits and rest[:1] in _SPEAKERS and not _CLAUSE_END.search(rest):
        return NEED_MORE
    return CutKind.CLAUSE if _SAID.match(rest) else CutKind.SENTENCE


def _is_unclear(stem: str, rest: str) -> bool:
    """Whether what follows ``rest`` may change the cut behind the mark that ends ``stem``."""
    if len(rest) == 1 and (rest.islower() or rest in _CLOSERS):
        # For example "iPad", or a closing quotation mark after a space, as in French.
        return True
    if rest.isdecimal():
        return stem[-1] == "." and _bare_word(stem).isdecimal()
    return rest.isalpha() and not rest.islower() and _is_abbreviation(stem, "")


def _goes_on(rest: str) -> bool:
    """Whether ``rest`` begins with a small letter, and not as "iPad" does."""
    return _is_small(rest[:1]) and not rest[1:2].isupper()


def _is_abbreviation(stem: str, rest: str) -> bool:
    """Whether the full stop that ends ``stem`` belongs to its word; ``rest`` follows it."""
    if stem[-1] not in ".)":
        return False
    last = _last_word(stem)
    if _LIST_NUMBER.fullmatch(last):
        return True
    if not last.endswith(".") or last[-2:-1] in _CLOSERS:
        return False
    word = last.strip(_AROUND_WORDS)
    before = stem[: len(stem) - len(last)].rstrip(" ")
    if word.isdecimal():
        return _is_ordinal(word, before, rest)
    previous = _bare_word(before)
    starter = _starter(rest)
    if last.lower() in _HALF_DAYS:
        return not starter or starter in _AFTER_HALF_DAYS
    if word in LIST_ENDS or f"{previous}.{word}" in LIST_ENDS:
        return False
    if has_parts(word.replace("-", "")) or _ROMAN.fullmatch(word) or word in MAY_END:
        # "a. The first item"
        return starter not in SENTENCE_STARTERS or (len(word) == 1 and word.islower())
    return _is_listed(word, before, rest)


def _is_listed(word: str, before: str, rest: str) -> bool:
    """Whether ``word``, which stands between ``before`` and ``rest``, is a known abbreviation."""
    elided, apostrophe, word = word.rpartition("'") if "'" in word else word.rpartition("’")
    word = word.rpartition("-")[2]
    if word in ABBREVIATIONS or _STREET.fullmatch(word):
        return True
    if apostrophe and max(len(elided), len(word)) <= MAX_ELIDED_CHARS:
        return True
    previous = _bare_word(before)
    is_beside = word in BESIDE_NUMBERS
    if (is_beside or word in BEFORE_NUMBERS) and _NUMBER.match(rest):
        return True
    if is_beside and previous.isdecimal():
        return True
    # "Dr. med. Huber"
    return before.endswith(".") and previous in _DEGREES and word.islower()


def _is_ordinal(number: str, before: str, rest: str) -> bool:
    """Whether the full stop after ``number``, between ``before`` and ``rest``, is part of it."""
    if len(number) == _YEAR_DIGITS:
        return _DATE.match(rest) is not None
    if int(number[:3]) > _LARGEST_ORDINAL:
        return False
    previous = _bare_word(before)
    is_first = not previous or " " not in before or before[-1] in _BEFORE_ORDINALS
    if is_first or rest[:1].isdecimal():
        return True
    if before[-1] == ".":
        # "Nr. 5. Dann"
        is_letter = len(previous) == 1 and previous.isalpha()
        return not (is_letter or any(previous in words for words in _WORDS))
    starter = _starter(rest)
    return (
        not starter
        or starter in AFTER_ORDINALS
        or (previous.lower() in ORDINAL_ARTICLES and starter not in SENTENCE_STARTERS)
    )


def _is_small(letter: str) -> bool:
    """Whether a letter is a small one. Georgian has no others."""
    return letter.islower() and not "\u10d0" <= letter <= "\u10ff"


def _has_no_case(letter: str) -> bool:
    return letter.isalpha() and letter.lower() == letter.upper()


def _starter(rest: str) -> str:
    """The first word of what follows, in small letters."""
    words = rest.split(maxsplit=1)
    return words[0].strip(_OPENERS + ".,!?").lower() if words else ""


def _bare_word(stem: str) -> str:
    """The last word, without marks and quotes around it."""
    return _last_word(stem).strip(_AROUND_WORDS)


def _last_word(stem: str) -> str:
    """What follows the last space."""
    return "" if not stem or stem[-1].isspace() else stem.rsplit(maxsplit=1)[-1]


def _last_mark(stem: str) -> str:
    """The last character before closing marks."""
    last = stem[-1:]
    return last if last not in _AFTER_MARKS else stem.rstrip(_AFTER_MARKS)[-1:]


def _asks(stem: str) -> bool:
    """Whether ``stem`` ends with a mark of its script: the Greek ";", and ":" in Armenian."""
    letter, mark = stem[-2:-1], stem[-1:]
    if mark not in (";", ":"):
        return False
    is_greek, is_armenian = "\u0370" <= letter < "\u0400", "\u0531" <= letter < "\u0590"
    return (mark == ";" and is_greek) or (mark == ":" and is_armenian)
