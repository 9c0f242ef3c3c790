"""What stands at the beginning of a line: headings, bullets, quotes, tables and blocks of code."""

from __future__ import annotations

import re
from typing import Final

from . import links
from .addresses import Destination
from .hidden import HiddenText
from .state import NEED_MORE, Handler, IncrementalPattern, NeedMore, ParserState, run_end

__all__ = ["HANDLERS", "begin_text", "fence_in_line"]

_BULLETS: Final = "-*+•◦▪‣–—·●○・"
# A block of one of these holds what is meant to be read.
_PROSE: Final = ("markdown", "md")

# The first line of a code block: its fence, a language, and attributes. After tildes, only one word
# is allowed, because `~~~ Weather ~~~` is a heading.
_FENCE: Final = re.compile(
    r"(?P<fence>`{3,64})(?P<info>[^`\n]{0,100})"
    r"|(?P<tildes>~{3,64})[ ]{0,4}(?P<word>[\w+#.-]{0,20})[ ]{0,4}"
)
_LANGUAGE: Final = re.compile(r"[\w+#.{}-]*")
_BEGUN_FENCE: Final = re.compile(r"(?:`{1,2}|~{1,2})\Z")

# The same within a line. There, a code block begins with a word and a line end, or with a word and
# JSON or XML.
_FENCE_IN_LINE: Final = IncrementalPattern(
    r"(?P<fence>`{3,64})(?:[ ]?(?P<info>[\w+#.-]{0,20})[ ]{0,4}(?=\n)"
    r"|(?P<data>[a-z]\w{0,19})[ ](?=[{\[<]))",
    r"`{3,64}[ ]?[\w+#.-]{0,20}[ ]{0,4}",
    limit=100,
)


def begin_text(state: ParserState, _text: str, at: int, _complete: bool) -> int:
    """Begin the text of the line: no mark of a block is at ``at``."""
    state.line_starts = False
    return at


def _skip(_state: ParserState, _text: str, at: int, _complete: bool) -> int:
    return at + 1


def _bullet(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    after = text[at + 1 : at + 2]
    if not after and not complete:
        return NEED_MORE
    if after in (" ", "") or text[at] == "・":
        return at + 1
    return begin_text(state, text, at, complete)


def _heading(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    end = run_end(text, at, complete=complete)
    if end is NEED_MORE:
        return NEED_MORE
    is_heading = end <= at + 6 and text[end : end + 1] in (" ", "\n", "")
    return begin_text(state, text, end if is_heading else at, complete)


def _definition(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    """Read a link definition or the label of a footnote: `[1]: https://…`, `[^1]: …`."""
    definition = links.DEFINITION.read(text, at, complete=complete)
    if definition is NEED_MORE:
        return NEED_MORE
    if definition and definition["address"]:
        state.skipping = Destination(is_definition=True)
    return begin_text(state, text, definition.end() if definition else at, complete)


def _fence(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    block = _block_start(text, at, complete=complete)
    if block is NEED_MORE:
        return NEED_MORE
    if block is None:
        return begin_text(state, text, at, complete)
    fence = block["fence"] or block["tildes"]
    info = (block["info"] or block["word"] or "").strip().partition(" ")[0]
    state.line_starts = False
    if state.prose and not info and fence.startswith(state.prose):
        state.prose = ""
    else:
        _open(state, fence, info)
    return block.end()


def fence_in_line(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    """Read the code block that begins within a line, at ``at``, or stay if there is none."""
    block = _FENCE_IN_LINE.read(text + "\n" if complete else text, at, complete=complete)
    if block is NEED_MORE:
        return NEED_MORE
    if block is None:
        return at
    _open(state, block["fence"], block["info"] or block["data"] or "")
    return block.end()


def _open(state: ParserState, fence: str, info: str) -> None:
    if info.lower() in _PROSE and not state.prose:
        state.prose = fence
        return
    if fence[0] == "`":
        # One with a language opens another block, and closes none.
        ends = rf"`{{{len(fence)},}}(?:(?=[^`\w])|(?=\w{{1,20}}[^\w\n])|(?=\w{{21}}))"
    else:
        ends = rf"\n[ >]{{0,20}}~{{{len(fence)},}}(?=[^~])"
    is_within_sentence = not state.spoken.starts_sentence and not state.line_starts
    state.hide(HiddenText(re.compile(ends), may_be_long=not is_within_sentence), is_code=True)


def _block_start(text: str, at: int, *, complete: bool) -> re.Match[str] | NeedMore | None:
    """The first line of a block of code at ``at``, without its line end."""
    if text[at + 1 : at + 2] not in ("", text[at]):
        return None
    match = _FENCE.match(text, at)
    if match is None:
        begun = not complete and _BEGUN_FENCE.match(text, at)
        return NEED_MORE if begun else None
    if match.end() == len(text) and not complete:
        return NEED_MORE
    language, _, attributes = (match["info"] or "").strip().partition(" ")
    is_info = not attributes or "=" in attributes or "{" in attributes
    if text[match.end() : match.end() + 1] == "\n" and is_info and _LANGUAGE.fullmatch(language):
        return match
    # For example "```code``` in a line".
    return None


HANDLERS: Final[dict[str, Handler]] = {
    **dict.fromkeys(" >", _skip),
    **dict.fromkeys(_BULLETS, _bullet),
    **dict.fromkeys("`~", _fence),
    "#": _heading,
    "[": _definition,
}
"""What reads a mark with which a line begins."""
