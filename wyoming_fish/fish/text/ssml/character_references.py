"""Character references of a document, such as `&amp;`, `&nbsp;` and `&#233;`."""

from __future__ import annotations

import html
import re
from html.entities import html5
from typing import Final

__all__ = ["as_text", "as_xml", "split_reference"]

# A reference by name or number, or an ampersand by itself.
_REFERENCE: Final = re.compile(
    r"&(?:(?P<xml>(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9A-Fa-f]{1,6});)"
    r"|(?P<html>\w{1,32};))?"
)
_MAX_REFERENCE_CHARS: Final = 34


def split_reference(text: str) -> tuple[str, str]:
    """``text``, and what at its end may be the beginning of a reference."""
    at = text.rfind("&", max(0, len(text) - _MAX_REFERENCE_CHARS))
    if at < 0 or ";" in text[at:]:
        return text, ""
    return text[:at], text[at:]


def as_xml(text: str) -> str:
    """``text`` as expat can read it, which knows five names.

    An ampersand by itself is the most common mistake, and its meaning is clear.
    """
    return _REFERENCE.sub(_xml, text)


def as_text(text: str) -> str:
    """``text`` with the characters that it names; a space for one that is unknown."""
    return _REFERENCE.sub(_text, text)


def _xml(reference: re.Match[str]) -> str:
    if reference["xml"]:
        return reference[0]
    meant = html5.get(reference["html"] or "")
    return html.escape(meant) if meant else f"&amp;{reference[0][1:]}"


def _text(reference: re.Match[str]) -> str:
    if reference["html"]:
        return html5.get(reference["html"], " ")
    return html.unescape(reference[0])
