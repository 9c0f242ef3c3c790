"""What stands at the beginning of a line: headings, bullets, quotes, tables and blocks of code."""

from __future__ import annotations

import re
from typing import Final

from . import links, tags
from .construct import NEED_MORE, IncrementalPattern, NeedMore, run_end
from .state import Handler, ParserState

__all__ = ["HANDLERS", "CodeBlock", "begin_text"]

_BULLETS: Final = "-*+•◦▪‣–—·●○"
# A block of one of these holds what is meant to be read.
_PROSE: Final = ("markdown", "md")

# The marks that open a block of code, and the language behind them.
_FENCE: Final = re.compile(r"(?P<fence>`{3,64}|~{3,64})(?P<info>[^`\n]{0,100})")
_BEGUN_FENCE: Final = re.compile(r"(?:`{1,2}|~{1,2})\Z")
_CLOSING_FENCE: Final = IncrementalPattern(
    r"[ >]{0,20}(?P<fence>`{3,64}|~{3,64})[ ]{0,20}\n",
    r"[ >]{0,20}(?:`{0,64}|~{0,64})[ ]{0,20}",
    limit=110,
)


class CodeBlock:
    """A block of code, from its second line on; nothing of it is kept."""

    def __init__(self, fence: str) -> None:
        self._fence = fence
        self._in_line = True
        self.open = True
        """Whether there is more of it."""

    def skip(self, text: str, at: int, *, complete: bool) -> int | NeedMore:
        """Where the next part begins, or where all of it ends and ``open`` is unset."""
        if not self._in_line:
            # The end of the text ends a line too.
            line = text + "\n" if complete else text
            match = _CLOSING_FENCE.read(line, at, complete=complete)
            if match is NEED_MORE:
                return NEED_MORE
            if match and self._closes(match["fence"]):
                self.open = False
                return min(match.end(), len(text))
        end = text.find("\n", at)
        self._in_line = end < 0
        return len(text) if self._in_line else end + 1

    def _closes(self, fence: str) -> bool:
        return fence[0] == self._fence[0] and len(fence) >= len(self._fence)


def begin_text(reading: ParserState, _text: str, at: int, _complete: bool) -> int:
    """What is at ``at`` is no mark of a block: the text of the line begins."""
    reading.line_starts = False
    return at


def _skip(_reading: ParserState, _text: str, at: int, _complete: bool) -> int:
    return at + 1


def _bullet(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    after = text[at + 1 : at + 2]
    if not after and not complete:
        return NEED_MORE
    if after in (" ", ""):
        return at + 1
    return begin_text(reading, text, at, complete)


def _heading(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    end = run_end(text, at, complete=complete)
    if end is NEED_MORE:
        return NEED_MORE
    is_heading = end <= at + 6 and text[end : end + 1] in (" ", "\n", "")
    return begin_text(reading, text, end if is_heading else at, complete)


def _definition(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    """The address of a link or the label of a note: «[1]: https://…», «[^1]: …»."""
    definition = links.DEFINITION.read(text, at, complete=complete)
    if definition is NEED_MORE:
        return NEED_MORE
    if definition and definition["address"]:
        reading.skipping = tags.Hidden(tags.LINE_END)
    return begin_text(reading, text, definition.end() if definition else at, complete)


def _fence(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    block = _block_start(text, at, complete=complete)
    if block is NEED_MORE:
        return NEED_MORE
    if block is None:
        return begin_text(reading, text, at, complete)
    fence, language = block["fence"], block["info"].strip().lower()
    reading.line_starts = False
    if reading.prose and not language and fence.startswith(reading.prose):
        reading.prose = ""
    elif language in _PROSE and not reading.prose:
        reading.prose = fence
    else:
        reading.skipping = CodeBlock(fence)
        if reading.settings.code:
            reading.spoken.newline()
            reading.spoken.literal(reading.settings.code)
            reading.spoken.newline()
    return block.end()


def _block_start(text: str, at: int, *, complete: bool) -> re.Match[str] | NeedMore | None:
    """The first line of a block of code at ``at``, without its line end."""
    if text[at + 1 : at + 2] not in ("", text[at]):
        return None
    match = _FENCE.match(text, at)
    if match is None:
        begun = not complete and _BEGUN_FENCE.match(text, at)
        return NEED_MORE if begun else None
    if match.end() == len(text) and len(match["info"]) < 100 and not complete:
        return NEED_MORE
    if text[at] == "`" and text[match.end() : match.end() + 1] == "`":
        # «```code``` in a line»
        return None
    return match


HANDLERS: Final[dict[str, Handler]] = {
    **dict.fromkeys(" >", _skip),
    **dict.fromkeys(_BULLETS, _bullet),
    **dict.fromkeys("`~", _fence),
    "#": _heading,
    "[": _definition,
}
"""What reads a mark with which a line begins."""
