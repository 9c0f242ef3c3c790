"""Text that others wrote, such as a voice's title or a server's message, made safe to show."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

__all__ = ["hide", "one_line"]

# What each character of a secret is replaced by: a shorter text would let the end of what is read,
# which may have only a part of a secret, into what is shown.
HIDDEN: Final = "*"

# Characters from which on a secret is hidden. A shorter one, such as a person may think of for a
# self-hosted server, could be a part of any word.
MIN_HIDDEN_CHARS: Final = 8

# Marks by which a text can hold a secret in another form: as JSON, or as part of an address.
_ESCAPES: Final = ("\\", "%")

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


def hide(value: Any, secret: str) -> Any:
    """Return ``value``, a text or an answer with texts in it, without ``secret``.

    A text can hold it in escapes, even twice: gateways quote the answers of others. It can also
    hold it in small letters, as aiohttp gives a content type. Hide it before the text is cut, or a
    part of it stays.
    """
    if len(secret) < MIN_HIDDEN_CHARS:
        return value
    if isinstance(value, str):
        is_suspect = any(mark in value for mark in _ESCAPES)
        if is_suspect or secret.lower() in value.lower():
            return _forms(secret).sub(lambda match: HIDDEN * len(match[0]), value)
    elif isinstance(value, dict):
        return {hide(name, secret): hide(each, secret) for name, each in value.items()}
    elif isinstance(value, list):
        return [hide(each, secret) for each in value]
    return value


@lru_cache(maxsize=8)
def _forms(secret: str) -> re.Pattern[str]:
    """Match ``secret`` in any case, each character as it is or escaped."""
    forms = (rf"\\{{0,3}}(?:{re.escape(c)}|{_escaped(c)})" for c in secret)
    return re.compile("".join(forms), re.IGNORECASE)


def _escaped(character: str) -> str:
    """Match the escapes of an ASCII character and, for a letter, of its other case."""
    cases = {ord(character.lower()), ord(character.upper())}
    return "|".join(f"u{code:04x}|%{code:02x}" for code in sorted(cases))
