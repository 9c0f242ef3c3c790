"""A style that holds for a whole reply.

Fish tells of a cue that it belongs to its sentence, and not how far it goes beyond; so a style
stands before each.
"""

from __future__ import annotations

from typing import Final

from .sentences import MAX_SPACE_CHARS, sentence_ends

__all__ = ["Styler"]

# Characters that are looked at before the end of a sentence, and what may stand behind its mark.
_KEPT: Final = 2 * MAX_SPACE_CHARS


class Styler:
    """Puts ``style``, a cue with its brackets or nothing, before each sentence of a cleaned text.

    The text comes in pieces, none of which begins with a space or ends within a cue.
    """

    def __init__(self, style: str) -> None:
        self._style = f"{style} " if style else ""
        self._given = ""
        """The end of what has been given, without any style."""

    def write(self, text: str) -> str:
        """``text`` with its styles; nothing waits."""
        if not self._style or not text:
            return text
        given = self._given
        parts = [] if given else [self._style]
        at, text = len(given), given + text
        for end in sentence_ends(text, max(0, at - MAX_SPACE_CHARS)):
            if end >= at:
                parts += text[at:end], self._style
                at = end
        parts.append(text[at:])
        self._given = text[-_KEPT:]
        return "".join(parts)
