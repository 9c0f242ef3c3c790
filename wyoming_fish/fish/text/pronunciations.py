"""Words that are spoken otherwise than they are written, by a list of the user's."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ..errors import SettingsError

__all__ = ["Pronouncer", "Pronunciation", "parse_pronunciations"]

# Words and entries, as many as Fish takes in its own `pronunciation_dictionary`; what is spoken is
# shorter, so that phonemes are never cut on their way.
LONGEST_WORD: Final = 256
LONGEST_SPOKEN: Final = 200
MOST_WORDS: Final = 5000

# What Fish acts or knows already; nothing in it is a word.
_TOKENS: Final = (
    r"<\|phoneme_start\|>[^<]{0,300}<\|phoneme_end\|>|<\|[^|]{1,60}\|>|\[[^\]]{1,100}\]"
)


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """How ``word`` (one or several, in any case) is spoken. Raises SettingsError for a bad one."""

    word: str
    spoken: str
    """Other words, or phonemes."""
    is_phonemes: bool = False
    """Whether ``spoken`` is what Fish takes for phonemes: Arpabet for English («EH1 N»), pinyin
    with tones for Chinese («chong2»), romaji with pitch for Japanese («ha0shi1»)."""

    def __post_init__(self) -> None:
        if not any(letter.isalnum() for letter in self.word) or len(self.word) > LONGEST_WORD:
            raise SettingsError(f"{self.word[:40]!r} is no word to pronounce.")
        if not self.spoken.strip() or len(self.spoken) > LONGEST_SPOKEN:
            raise SettingsError(f"What is spoken for {self.word!r} is empty or too long.")
        if any(mark in self.word + self.spoken for mark in "<>[]|\n"):
            raise SettingsError(f"The pronunciation of {self.word!r} has a bracket in it.")

    @property
    def text(self) -> str:
        """What Fish is sent for the word."""
        if not self.is_phonemes:
            return self.spoken
        return f"<|phoneme_start|>{self.spoken}<|phoneme_end|>"


def parse_pronunciations(text: str) -> tuple[Pronunciation, ...]:
    """The pronunciations in ``text``: a ``word: spoken as`` or ``word: /N IY1 S/`` in each line.

    Empty lines, and those that begin with #, are left out. Raises SettingsError with the line's
    number.
    """
    found: list[Pronunciation] = []
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        word, colon, spoken = (part.strip() for part in line.partition(":"))
        if not colon:
            raise SettingsError(f"Line {number} of the pronunciations has no colon: {line[:40]!r}.")
        is_phonemes = len(spoken) > 2 and spoken.startswith("/") and spoken.endswith("/")
        spoken = spoken[1:-1].strip() if is_phonemes else spoken
        try:
            found.append(Pronunciation(word, spoken, is_phonemes))
        except SettingsError as error:
            raise SettingsError(f"Line {number} of the pronunciations: {error}") from error
    if len(found) > MOST_WORDS:
        raise SettingsError(f"There are more than {MOST_WORDS} pronunciations.")
    return tuple(found)


class Pronouncer:
    """Puts pronunciations into text that comes in pieces, none of which ends within a token.

    What waits is the start of a listed word, until it is known whether it is one.
    """

    def __init__(self, pronunciations: Iterable[Pronunciation]) -> None:
        self._texts = {_key(item.word): item.text for item in pronunciations}
        words = sorted(self._texts, key=len, reverse=True)
        self._starts = {word[:end] for word in words for end in range(1, len(word) + 1)}
        self._longest = len(words[0]) if words else 0
        # At the edges of words only, where a word's letter is at the edge of the listed one.
        listed = "|".join(_edged(word) for word in words)
        self._pattern = re.compile(f"{_TOKENS}|(?P<word>{listed})", re.IGNORECASE)
        # One character that has been given already is kept, since a word may begin after it.
        self._text = "\n"

    def write(self, text: str, *, complete: bool = False) -> str:
        """What is certain by now; ``complete`` where no more text follows."""
        if not self._texts:
            return text
        text = self._text + text
        stop = len(text) if complete else self._certain(text)
        parts: list[str] = []
        at = 1
        for match in self._pattern.finditer(text, 1):
            if match.start() >= stop:
                break
            if match["word"]:
                # Letters that only look the same, as the Turkish dotless i, are others.
                said = self._texts.get(_key(match[0]), match[0])
                parts += text[at : match.start()], said
                at = match.end()
        parts.append(text[at : max(at, stop)])
        self._text = text[max(at, stop) - 1 :]
        return "".join(parts)

    def _certain(self, text: str) -> int:
        """Where the earliest start of a listed word lies that reaches to the end."""
        for start in range(max(1, len(text) - self._longest), len(text)):
            if not _splits(text, start) and _key(text[start:]) in self._starts:
                return start
        return len(text)


def _key(word: str) -> str:
    return word.lower()


def _splits(text: str, at: int) -> bool:
    """Whether ``at`` lies within a word."""
    return text[at - 1].isalnum() and text[at].isalnum() and text[at].isascii()


def _edged(word: str) -> str:
    # Scripts without spaces have no edges.
    before = r"(?<![^\W_])" if word[0].isalnum() and word[0].isascii() else ""
    after = r"(?![^\W_])" if word[-1].isalnum() and word[-1].isascii() else ""
    return before + re.escape(word) + after
