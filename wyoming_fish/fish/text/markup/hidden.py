"""Hidden text, which is not spoken: code, thoughts, tool calls and comments.

It is kept until its end is found, because what looks like a beginning may not be one: "Use a
<script> tag." Text without an end is spoken.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["MAX_UNCLOSED", "HiddenCall", "HiddenText", "hidden_by", "hides"]

# Tags whose text is thought or run, and those that call a tool.
_THOUGHT_NAME: Final = re.compile(
    r"think|thought|reason|reflect|scratch|analysis|monologue|^script$|^style$", re.IGNORECASE
)
_CALL_NAME: Final = re.compile(r"tool|function|invoke|parameter|^arg(?:ument|_)", re.IGNORECASE)
# Characters of hidden text that are kept to be said: about four minutes of speech.
MAX_KEPT_CHARS: Final = 4000

# Characters after which the end of a longer one is given up: more than any model thinks.
MAX_HIDDEN_CHARS: Final = 200_000

# Of the texts without an end in one reply, so many are looked through. That bounds the work.
MAX_UNCLOSED: Final = 8

# Characters of the longest of what ends a hidden text.
MAX_CLOSING_CHARS: Final = 80


class HiddenText:
    """Text up to what ``closing`` matches; a group named ``unclosed`` says that it has no end.

    ``said`` is what is said of the opening mark if there is no end. A text that ``may_be_long``
    stays hidden though its beginning is not kept any more.
    """

    def __init__(
        self, closing: re.Pattern[str], *, said: str = "", may_be_long: bool = False
    ) -> None:
        self.said = said
        self.is_closed = False
        """Whether it has had an end."""
        self._closing = closing
        self._may_be_long = may_be_long
        self._text = ""
        self._searched = 0
        """Characters of ``_text`` in which no end begins."""
        self._forgotten = 0
        """Characters that came before ``_text``."""

    @property
    def held(self) -> int:
        """How many characters are kept."""
        return len(self._text)

    def write(self, text: str, *, complete: bool) -> str | None:
        """Take all of ``text``, and return what is to be read, or None while all is hidden.

        That is what follows the end; or if there is none, all that was kept.
        """
        self._text += text
        limit = MAX_HIDDEN_CHARS - self._forgotten if self._forgotten else MAX_KEPT_CHARS
        stop = min(len(self._text), limit)
        end = self._end(stop, is_last=complete and stop == len(self._text))
        if end is not None:
            self.is_closed = end >= 0
            return self._text[max(end, 0) :]
        if stop == limit or complete:
            return self._give_up(stop, complete=complete)
        if self._forgotten:
            self._forget(len(self._text) - MAX_CLOSING_CHARS)
        return None

    def _give_up(self, stop: int, *, complete: bool) -> str | None:
        if self._forgotten:
            self.is_closed = True
            return "" if stop == len(self._text) else self._text[stop:]
        if not self._may_be_long or len(self._text) < MAX_KEPT_CHARS:
            return self._text
        self._forget(MAX_KEPT_CHARS - MAX_CLOSING_CHARS)
        return self.write("", complete=complete)

    def _forget(self, count: int) -> None:
        if count > 0:
            self._text = self._text[count:]
            self._forgotten += count
            self._searched = max(0, self._searched - count)

    def _end(self, stop: int, *, is_last: bool) -> int | None:
        """Where it ends within ``stop`` characters; -1 if it is known to have no end."""
        # The end of the text ends a line too.
        text = self._text + "\n" if is_last else self._text
        match = self._closing.search(text, self._searched, stop + is_last)
        self._searched = max(self._searched, stop - MAX_CLOSING_CHARS)
        if match is None:
            return None
        return -1 if match.lastgroup == "unclosed" else min(match.end(), len(self._text))


_PREFIX: Final = re.compile(r"[\s\w.:\[\]-]{0,100}")
_MARK: Final = re.compile(r'["{}]')
_STRING_END: Final = re.compile(r'["\\]')
# What may follow an object: another one, or the end of their list.
_BEHIND: Final = re.compile(
    r"\s{0,20}(?:,\s{0,20}(?P<more>\{)|(?P<closed>\])|(?=[^\s,\]])|(?=,\s{0,20}[^\s{])|,?\s{20})"
)


class HiddenCall(HiddenText):
    """The call of a tool: JSON, perhaps behind a name, or else text up to what ``closing`` matches.

    ``depth`` is how many objects have begun.
    """

    def __init__(
        self, closing: re.Pattern[str], *, said: str = "", may_be_long: bool = False, depth: int = 0
    ) -> None:
        super().__init__(closing, said=said, may_be_long=may_be_long)
        self._depth = depth
        self._is_json = True if depth else None
        self._in_string = self._is_behind = False

    def _end(self, stop: int, *, is_last: bool) -> int | None:
        if self._is_json is None:
            prefix = _PREFIX.match(self._text, 0, stop)
            begin = prefix.end() if prefix else 0
            if begin == stop and begin < 100 and not is_last:
                return None
            self._is_json = begin < 100 and self._text[begin : min(stop, begin + 1)] == "{"
            self._searched = begin if self._is_json else 0
        if not self._is_json:
            return super()._end(stop, is_last=is_last)
        while True:
            if self._is_behind:
                end = self._behind(stop, is_last=is_last)
                if self._is_behind:
                    return end
            if not self._next(stop):
                return None

    def _next(self, stop: int) -> bool:
        """Read on to the next mark; False if there is none yet."""
        pattern = _STRING_END if self._in_string else _MARK
        match = pattern.search(self._text, self._searched, stop)
        if match is None:
            self._searched = stop
            return False
        mark, at = match[0], match.end()
        if mark == "\\":
            self._searched = min(at + 1, stop) if at < stop else at - 1
            return at < stop
        self._searched = at
        if mark == '"':
            self._in_string = not self._in_string
        else:
            self._depth += 1 if mark == "{" else -1
            self._is_behind = self._depth <= 0
        return True

    def _behind(self, stop: int, *, is_last: bool) -> int | None:
        """Where the call ends, if no other object follows; None while that is not known."""
        match = _BEHIND.match(self._text, self._searched, stop)
        if match is None:
            return self._searched if is_last else None
        if match["more"]:
            self._searched, self._depth, self._is_behind = match.end(), 1, False
            return None
        return match.end() if match["closed"] else self._searched


def hides(name: str) -> bool:
    """Whether a tag of this name hides what it holds."""
    return bool(_THOUGHT_NAME.search(name) or _CALL_NAME.search(name))


def hidden_by(name: str, closing: str, *, is_within_sentence: bool) -> HiddenText | None:
    """Text that the tag ``name`` hides, up to ``closing``, a pattern; None if it hides nothing.

    ``is_within_sentence`` is whether the tag is within a sentence.
    """
    if not hides(name):
        return None
    kind = HiddenText if _THOUGHT_NAME.search(name) else HiddenCall
    # A sentence may only mention the tag.
    return kind(
        re.compile(closing, re.IGNORECASE),
        said=name if is_within_sentence else "",
        may_be_long=not is_within_sentence,
    )
