"""Pronunciations: the user's list of words that are spoken differently than they are written.

Fish Audio's own `pronunciation_dictionary` takes only phonemes, and every request must repeat it.
Here the same phonemes go into the text as Fish Audio's tokens. The list also works for plain words,
for every backend, and for voices that are not Fish Audio's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from ..errors import SettingsError
from .characters import has_words
from .ssml.phonemes import PHONEME_END, PHONEME_START, are_phonemes, phoneme_token

__all__ = ["Pronouncer", "Pronunciation", "parse_pronunciations"]

# Words and entries, as many as Fish takes in its own `pronunciation_dictionary`; what is spoken is
# shorter, so that phonemes are never cut on their way.
MAX_WORD_CHARS: Final = 256
MAX_SPOKEN_CHARS: Final = 200
MAX_WORDS: Final = 5000

# What Fish acts or knows already; nothing in it is a word.
_TOKENS: Final = (
    rf"{re.escape(PHONEME_START)}[^<]{{0,300}}{re.escape(PHONEME_END)}"
    r"|<\|[^|]{1,60}\|>|\[[^\]]{1,100}\]"
)


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """How ``word`` (one or several, in any case) is spoken. Raises SettingsError for a bad one."""

    word: str
    spoken: str
    """Other words, or phonemes."""
    is_phonemes: bool = False
    """Whether ``spoken`` has Fish Audio's phonemes: Arpabet for English (`EH1 N`), pinyin with
    tones for Chinese (`chong2`), romaji with pitch for Japanese (`ha0shi1`)."""

    def __post_init__(self) -> None:
        if not has_words(self.word) or len(self.word) > MAX_WORD_CHARS:
            raise SettingsError(f'"{self.word[:40]}" is not a word to pronounce.')
        if not self.spoken.strip() or len(self.spoken) > MAX_SPOKEN_CHARS:
            raise SettingsError(f'The pronunciation of "{self.word}" is empty or too long.')
        if any(mark in self.word + self.spoken for mark in "<>[]|\n"):
            raise SettingsError(f'The pronunciation of "{self.word}" has a bracket in it.')

        if self.is_phonemes and not are_phonemes(self.spoken):
            raise SettingsError(
                f"/{self.spoken}/ is not in phonemes that Fish Audio knows: Arpabet such as "
                "/L AY1 V/, pinyin such as /chong2/, or romaji such as /ha0shi1/."
            )

    @property
    def text(self) -> str:
        """What Fish is sent for the word."""
        return phoneme_token(self.spoken) if self.is_phonemes else self.spoken


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
            raise SettingsError(
                f'Line {number} of the pronunciations has no colon: "{line[:40]}". Write '
                '"word: spoken as".'
            )
        is_phonemes = len(spoken) > 2 and spoken.startswith("/") and spoken.endswith("/")
        spoken = spoken[1:-1].strip() if is_phonemes else spoken
        try:
            found.append(Pronunciation(word, spoken, is_phonemes))
        except SettingsError as error:
            raise SettingsError(f"Line {number} of the pronunciations: {error}") from error
    if len(found) > MAX_WORDS:
        raise SettingsError(f"There are more than {MAX_WORDS} pronunciations.")
    return tuple(found)


class Pronouncer:
    """Puts pronunciations into text that comes in pieces, none of which ends within a token.

    What waits is the start of a listed word, until it is known whether it is one.
    """

    def __init__(self, pronunciations: Iterable[Pronunciation]) -> None:
        listed = tuple(pronunciations)
        self._words = _Words(listed) if listed else None
        # One character that has been given already is kept, since a word may begin after it.
        self._text = "\n"

    def write(self, text: str, *, complete: bool = False) -> str:
        """What is certain by now; ``complete`` where no more text follows."""
        words = self._words
        if words is None:
            return text
        text = self._text + text
        stop = len(text) if complete else words.certain(text)
        parts: list[str] = []
        given = at = 1
        while (match := words.begins.search(text, at)) and match.start() < stop:
            # It reads on, whatever matched.
            at = max(match.end(), match.start() + 1)
            if match["token"] is None and (word := words.at(text, match.start())):
                parts += text[given : match.start()], words.texts[_key(word)]
                given = at = match.start() + len(word)
        parts.append(text[given : max(given, stop)])
        self._text = text[max(given, stop) - 1 :]
        return "".join(parts)


@lru_cache(4)
class _Words:
    """The listed words, found without trying each of them."""

    def __init__(self, pronunciations: tuple[Pronunciation, ...]) -> None:
        self.texts = {_key(item.word): item.text for item in pronunciations}
        """What is spoken, by the word in small letters."""
        words = [item.word for item in pronunciations]
        self._starts = {_key(word[:end]) for word in words for end in range(1, len(word) + 1)}
        lengths: defaultdict[str, set[int]] = defaultdict(set)
        for word in words:
            lengths[_key(word[0])].add(len(word))
        self._lengths = {first: sorted(found) for first, found in lengths.items()}
        self._longest = max(map(len, words))
        firsts = "".join(re.escape(first[0]) for first in self._lengths)
        self.begins = re.compile(
            rf"(?P<token>{_TOKENS})|(?!(?<=[^\W_])[A-Za-z0-9])[{firsts}]", re.IGNORECASE
        )
        """A token, or the first character of what may be a listed word."""

    def at(self, text: str, start: int) -> str:
        """The longest listed word at ``start``, at whose end a word ends, or nothing."""
        longest = ""
        for length in self._lengths.get(_key(text[start]), ()):
            word, end = text[start : start + length], start + length
            if _key(word) not in self._starts:
                break
            if _key(word) in self.texts and not (end < len(text) and _goes_on(text, end)):
                longest = word
        return longest

    def certain(self, text: str) -> int:
        """Where the earliest start of a listed word lies that reaches to the end."""
        for start in range(max(1, len(text) - self._longest), len(text)):
            if _key(text[start]) not in self._lengths or _splits(text, start):
                continue
            if _key(text[start:]) in self._starts:
                return start
        return len(text)


def _key(word: str) -> str:
    return word.lower()


# Scripts without spaces have no edges.
def _splits(text: str, at: int) -> bool:
    """Whether the character at ``at`` goes on with the word before it."""
    return text[at].isascii() and text[at].isalnum() and text[at - 1].isalnum()


def _goes_on(text: str, at: int) -> bool:
    """Whether the word before ``at`` goes on there."""
    return text[at - 1].isascii() and text[at - 1].isalnum() and text[at].isalnum()
