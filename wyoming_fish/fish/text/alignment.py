"""Alignment of spoken words with the written text: how much of the text has been spoken.

The timestamps have the words as the model read them. "its 20 degrees" may come back as "it's twenty
degrees", and a cue does not come back. So words are compared without case, marks and apostrophes,
and not all of them need to match.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from unicodedata import normalize

__all__ = ["words", "words_covered"]

_CUE: Final = re.compile(r"\[[^\[\]]*\]|<\|[^|]*\|>")
_APOSTROPHE: Final = re.compile(r"['’ʼ`´]")
# Letters and digits; each letter by itself in scripts that put no spaces between words: Thai, Lao,
# Tibetan, Burmese, Khmer, the Japanese syllabaries and all of the Chinese characters.
_WORD: Final = re.compile(
    r"[\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]"
    r"|[^\W_\u0e00-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]+"
)

# What is normalized at a time: the time for a run of combining marks grows with its square. No word
# is longer, and where words have no spaces between them a cut costs at most one of them.
_PART: Final = re.compile(r"\S{1,200}|\s+")

# Maximum number of spoken words: for each written word, and in addition for the whole text.
# "1,234.56" is read as nine words. With more words, it is not a reading of the text.
_MAX_EXPANSION: Final = 4
_EXPANSION_SLACK: Final = 50
# Pairs of words that are compared, in about 15 ms: those of a piece, and twice as many.
_MAX_PAIRS: Final = 100_000


def words(text: str) -> list[str]:
    """The words of ``text`` as they can be compared; cues in brackets are none."""
    parts = _PART.findall(_CUE.sub(" ", text))
    plain = _APOSTROPHE.sub("", "".join(normalize("NFKC", part) for part in parts))
    return _WORD.findall(plain.casefold())


def words_covered(written: Sequence[str], said: Sequence[str]) -> int | None:
    """How many words of ``written`` have been said when ``said`` has been.

    Where the two differ, it is the beginning of ``written`` that differs least (in words changed,
    added and left out); None where that is not one alone, or does not end with the same word.
    """
    same = 0
    while same < min(len(written), len(said)) and written[same] == said[same]:
        same += 1
    if same == len(said):
        return same
    written, said = written[same:], said[same:]
    if len(said) > min(
        _MAX_EXPANSION * len(written) + _EXPANSION_SLACK, _MAX_PAIRS // max(len(written), 1)
    ):
        return None
    # How much what has been said differs from each beginning, word by word.
    row = list(range(len(written) + 1))
    for count, word in enumerate(said, 1):
        above, row = row, [count]
        for at, other in enumerate(written, 1):
            row.append(min(above[at - 1] + (word != other), above[at] + 1, row[at - 1] + 1))
    least = min(row)
    end = row.index(least)
    if row.count(least) > 1 or not end or written[end - 1] != said[-1]:
        return None
    return same + end
