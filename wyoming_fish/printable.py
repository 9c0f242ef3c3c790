"""Text from outside, made safe to print: what a terminal or a log would obey is escaped."""

from __future__ import annotations

from typing import Final

__all__ = ["MAX_CHARS", "printable"]

# The longest text of ours that is useful, an error with all of its advice, has some 600.
MAX_CHARS: Final = 2000


def printable(text: str, max_chars: int = MAX_CHARS) -> str:
    r"""Return ``text`` on one line of at most ``max_chars`` characters, plus a note if it is cut.

    Line ends, ANSI escapes, and all other control, format (bidirectional) and separator characters
    are escaped as Python does: \n, \x1b, \u202e.
    """
    # Cut first: one character can become ten.
    shown = text[:max_chars]
    if not shown.isprintable():
        escaped = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)
        shown = "".join(escaped)[:max_chars]
    more = len(text) - max_chars
    return f"{shown}… ({more} more characters)" if more > 0 else shown
