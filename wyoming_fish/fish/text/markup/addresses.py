"""Addresses: those of links are not said, and of a bare one its host."""

from __future__ import annotations

import re
from typing import Final

from .hidden import HiddenText
from .state import NEED_MORE, Handler, IncrementalPattern, NeedMore, ParserState, start_of

__all__ = [
    "ADDRESS_START",
    "FIRST_LETTERS",
    "HANDLERS",
    "LETTERS",
    "POSSIBLE_ADDRESS",
    "Destination",
    "is_destination",
]

_SCHEMES: Final = ("http://", "https://", "ftp://", "homeassistant://", "mailto:", "www.")


POSSIBLE_ADDRESS: Final = "(?i:" + "|".join(map(start_of, _SCHEMES)) + ")"
"""A pattern for the start of a word that is, or may become, an address."""

FIRST_LETTERS: Final = "hHfFmMwW"
"""The letters with which an address may begin."""

ADDRESS_START: Final = re.compile("|".join(_SCHEMES), re.IGNORECASE)

LETTERS: Final = r"0-9A-Za-z\u00aa-\u058f"
"""The inside of a character class: the letters behind which no address begins, since their
scripts have spaces."""

_HOST_CHARS: Final = r"0-9A-Za-z\u00a1-\u024f\u0370-\u058f._~%:@-"
# A host is 253 characters at the most.
_HOST: Final = IncrementalPattern(
    rf"([{_HOST_CHARS}]+)(?=[^{_HOST_CHARS}])", rf"[{_HOST_CHARS}]*", limit=260
)
"""A host, with all that may stand before and after it in an address."""


def _host_name(host: str) -> tuple[str, int]:
    """The spoken form of ``host`` (`user@www.example.com:8123.`), and its length without marks."""
    host = host.rstrip("._~%:@-")
    name = host.rpartition("@")[2].partition(":")[0]
    if name.lower().startswith("www."):
        name = name[4:]
    return name, len(host)


_SURE: Final = re.compile(r"[ ]*(?:[/#.?<]|[A-Za-z][A-Za-z0-9+.-]{1,20}:[^\s)])")
_UNSURE: Final = re.compile(r"[ ]*([^\s()]{0,100})")


def is_destination(text: str, at: int, *, complete: bool) -> bool | NeedMore:
    """Whether the parenthesis at ``at`` begins the address of a link, not an aside.

    `[laugh](softly)` is a cue and an aside, `[guide](guide.md)` is a link.
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


_TITLE_ENDS: Final = {
    (quote, is_definition): re.compile(
        rf"{quote}[ ]{{0,9}}" + (r"(?=\n)" if is_definition else r"\)") + r"|(?P<unclosed>\n)"
    )
    for quote in "\"'"
    for is_definition in (False, True)
}


class Destination:
    """The address of a link, from behind its opening parenthesis on; nothing of it is kept."""

    _PLAIN = re.compile(r"[^\s()\\]+\(?")

    def __init__(self, *, is_definition: bool = False) -> None:
        self._is_definition = is_definition
        """Whether it ends with its line and not with a parenthesis."""
        self._depth = 0
        self._spaced = False
        self.open = True
        """Whether there is more of it."""
        self.then: HiddenText | None = None
        """The title, which is quoted."""

    def skip(self, text: str, at: int, *, complete: bool) -> int:
        """Where the next part begins, or where all of it ends and ``open`` is unset."""
        character = text[at]
        if character == "\n":
            self.open = False
            return at
        if character == " ":
            self._spaced = True
            return at + 1
        if character == ")":
            self._depth -= 1
            self.open = self._depth >= 0 or self._is_definition
            return at + 1
        if self._spaced:
            # Only a title may follow a space.
            self.open = False
            if character not in "\"'":
                return at
            self.then = HiddenText(_TITLE_ENDS[character, self._is_definition])
            return at + 1
        if character == "(":
            self._depth += 1
            return at + 1
        match = self._PLAIN.match(text, at)
        if match is None:
            return at + 1
        self._depth += match[0][-1] == "("
        return match.end()


class _Address:
    """What follows the host of a bare address; nothing of it is said."""

    _PLAIN = re.compile(r"[0-9A-Za-z\u00a1-\u024f\u0370-\u058f%/~@$&+=#^{}\\-]+")
    # Within an address these belong to it, and at its end to the text.
    _MARKS = re.compile(r"[.,;:!?'*_()]{1,16}")

    def __init__(self) -> None:
        self._depth = 0
        self.open = True
        """Whether there is more of it."""
        self.then: HiddenText | None = None

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


def _address(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    start = ADDRESS_START.match(text, at)
    if start is None:
        if not complete:
            return NEED_MORE
        state.spoken.literal(text[at])
        return at + 1
    prefix = start[0].lower()
    if prefix == "mailto:":
        return start.end()
    begin = at if prefix == "www." else start.end()
    host = _HOST.read(text + " " if complete else text, begin, complete=complete)
    if host is NEED_MORE:
        return NEED_MORE
    name, length = _host_name(host[1]) if host else ("", 0)
    if not name:
        state.spoken.removed()
        if host is None:
            # None is as long.
            state.skipping = _Address()
        return start.end()
    if state.settings.urls == "host":
        state.spoken.literal(name)
    else:
        state.spoken.removed()
    place = begin + length
    if text[place : place + 1] in ("/", "?", "#", ":"):
        state.skipping = _Address()
    return place


HANDLERS: Final[dict[str, Handler]] = dict.fromkeys(FIRST_LETTERS, _address)
