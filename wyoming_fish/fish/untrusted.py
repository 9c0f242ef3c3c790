"""Text that others wrote, such as a voice's title or a server's message, made safe to show."""

from __future__ import annotations

from typing import Final

__all__ = ["one_line"]

# Format characters that belong to words: Persian and Indic scripts and emoji are joined by them.
_JOINERS: Final = "\u200c\u200d"


def one_line(text: str, max_chars: int) -> str:
    """Return ``text`` as one line of printable characters, ``max_chars`` at most and an ellipsis.

    Line ends, ANSI escapes, bidirectional controls and halves of surrogate pairs become spaces.
    """
    # Cut first: the rest of a very long text is not looked at.
    shown = text[:max_chars]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() or c in _JOINERS else " " for c in shown)
    line = " ".join(shown.split())
    return f"{line}…" if len(text) > max_chars else line
