"""Links, references and addresses: their text is said, and of a bare address its host."""

from __future__ import annotations

import re
from typing import Final

from .construct import NEED_MORE, IncrementalPattern, NeedMore

__all__ = [
    "ADDRESS_START",
    "BRACKETS",
    "DEFINITION",
    "HOST",
    "LETTERS",
    "POSSIBLE_ADDRESS",
    "REFERENCE",
    "Address",
    "Destination",
    "host_name",
    "is_citation",
    "is_destination",
    "is_number",
]

_INNER: Final = r"[^\[\]\n\\]*(?:(?:\\[^\n]|\[[^\[\]\n]*\])[^\[\]\n\\]*)*"

# «[text]», with one more pair of brackets in it at the most. Longer texts of links are rare.
BRACKETS: Final = IncrementalPattern(
    rf"\[({_INNER})\]", rf"\[{_INNER}(?:\\|\[[^\[\]\n]*)?", limit=200
)

# What may follow a link's text: «[Home Assistant][ha]».
REFERENCE: Final = IncrementalPattern(r"\[([^\[\]\n]*)\]", r"\[[^\[\]\n]*", limit=60)

# «[1]: https://example.com "Title"» and «[^1]: a note», at the start of a line.
DEFINITION: Final = IncrementalPattern(
    r"\[(?:\^[^\[\]\n]{1,50}\]:|[^\[\]\n]{1,50}\]:[ ]{0,3}(?P<address><|/|https?:|www\.))",
    r"\[(?:[^\[\]\n]{0,51}(?:\](?::[ ]{0,3}(?:h(?:t(?:t(?:ps?)?)?)?|w{1,3})?)?)?)?",
    limit=80,
)

_NUMBERS: Final = r"\^.*|[1-9]\d{0,2}(?:\s*[,;–-]\s*[1-9]\d{0,2})*"
_CITATION: Final = re.compile(rf"{_NUMBERS}|[A-Za-z]?|\W*", re.DOTALL)
_NUMBER: Final = re.compile(rf"\[?(?:{_NUMBERS})\]?")

_SCHEMES: Final = ("http://", "https://", "ftp://", "homeassistant://", "mailto:", "www.")


def _possible(word: str) -> str:
    """A pattern for all that ``word`` begins with, up to the end of the text, and for itself."""
    pattern = ""
    for letter in reversed(word):
        pattern = rf"{re.escape(letter)}(?:\Z|{pattern})" if pattern else re.escape(letter)
    return pattern


POSSIBLE_ADDRESS: Final = "(?i:" + "|".join(map(_possible, _SCHEMES)) + ")"
"""A pattern for the start of a word that is, or may become, an address."""

ADDRESS_START: Final = re.compile("|".join(_SCHEMES), re.IGNORECASE)

LETTERS: Final = r"0-9A-Za-z\u00aa-\u058f"
"""The inside of a character class: the letters behind which no address begins, since their
scripts have spaces."""

_HOST: Final = r"0-9A-Za-z\u00a1-\u024f\u0370-\u058f._~%:@-"
# A host is 253 characters at the most.
HOST: Final = IncrementalPattern(rf"([{_HOST}]+)(?=[^{_HOST}])", rf"[{_HOST}]*", limit=260)
"""A host, with all that may stand before and after it in an address."""


def host_name(host: str) -> tuple[str, int]:
    """What is said of ``host`` («user@www.example.com:8123.»), and how much of it is no mark."""
    host = host.rstrip("._~%:@-")
    name = host.rpartition("@")[2].partition(":")[0]
    if name.lower().startswith("www."):
        name = name[4:]
    return name, len(host)


def is_citation(inner: str) -> bool:
    """Whether the text between brackets says nothing: «1», «2, 3», «^note», « », «x»."""
    return _CITATION.fullmatch(inner.strip()) is not None


def is_number(inner: str) -> bool:
    """Whether the text of a link is but the number of a source: «[1](https://…)»."""
    return _NUMBER.fullmatch(inner.strip()) is not None


_SURE: Final = re.compile(r"[ ]*(?:[/#.?<]|[A-Za-z][A-Za-z0-9+.-]{1,20}:[^\s)])")
_UNSURE: Final = re.compile(r"[ ]*([^\s()]{0,100})")


def is_destination(text: str, at: int, *, complete: bool) -> bool | NeedMore:
    """Whether what follows the parenthesis at ``at`` is an address and no aside.

    «[laugh](softly)» is a cue and an aside, «[guide](guide.md)» is a link.
    """
    if _SURE.match(text, at + 1):
        return True
    match = _UNSURE.match(text, at + 1)
    if match is None or (match.end() - at > 120):
        return False
    if match.end() == len(text) and len(match[1]) < 100 and not complete:
        return NEED_MORE
    closed = text[match.end() : match.end() + 1] == ")"
    return (closed and not match[1]) or any(mark in match[1] for mark in "./#@?=")


class Destination:
    """The address of a link, from behind its opening parenthesis on; nothing of it is kept."""

    _PLAIN = re.compile(r"[^\s()\\]+")

    def __init__(self) -> None:
        self._depth = 0
        self._spaced = False
        self._quote = ""
        self.open = True
        """Whether there is more of it."""

    def skip(self, text: str, at: int, *, complete: bool) -> int:
        """Where the next part begins, or where all of it ends and ``open`` is unset."""
        character = text[at]
        if character == "\n":
            self.open = False
            return at
        if self._quote:
            if character == self._quote:
                self._quote = ""
            return at + 1
        if character == " ":
            self._spaced = True
            return at + 1
        if character == ")":
            self._depth -= 1
            self.open = self._depth >= 0
            return at + 1
        if self._spaced:
            # Only a title may follow a space.
            self._quote = character if character in "\"'" else ""
            self.open = bool(self._quote)
            return at + self.open
        if character == "(":
            self._depth += 1
            return at + 1
        match = self._PLAIN.match(text, at)
        return match.end() if match else at + 1


class Address:
    """What follows the host of a bare address; nothing of it is said."""

    _PLAIN = re.compile(r"[0-9A-Za-z\u00a1-\u024f\u0370-\u058f%/~@$&+=#^{}\\-]+")
    # Within an address these belong to it, and at its end to the text.
    _MARKS = re.compile(r"[.,;:!?'*_()]{1,16}")

    def __init__(self) -> None:
        self._depth = 0
        self.open = True
        """Whether there is more of it."""

    def skip(self, text: str, at: int, *, complete: bool) -> int | NeedMore:
        """Where the next part begins, or where all of it ends and ``open`` is unset."""
        if match := self._PLAIN.match(text, at):
            return match.end()
        match = self._MARKS.match(text, at)
        if match is None:
            self.open = False
            return at
        if len(match[0]) < 16:
            if match.end() == len(text) and not complete:
                return NEED_MORE
            if self._PLAIN.match(text, match.end()) is None:
                self.open = False
                return at + self._closing(match[0])
        self._depth += match[0].count("(") - match[0].count(")")
        return match.end()

    def _closing(self, marks: str) -> int:
        """How many of the last marks close what was opened within the address."""
        count = 0
        while count < len(marks) and marks[count] == ")" and self._depth > 0:
            self._depth -= 1
            count += 1
        return count
