"""What stands in brackets: links and images, references, citations, and cues."""

from __future__ import annotations

import re
from typing import Final

from ..cues import Cues
from . import links, tags
from .construct import NEED_MORE, IncrementalPattern, NeedMore
from .state import Handler, ParserState

__all__ = ["HANDLERS"]

_CITATION: Final = IncrementalPattern(
    r"【\d{1,4}[†:][^】\n]*】", r"【(?:\d{1,4}(?:[†:][^】\n]*)?)?", limit=80
)
_PARENTHESIS: Final = re.compile(r"\(([A-Za-z][A-Za-z -]{0,34})?")


def _bracket(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    found = links.BRACKETS.read(text, at, complete=complete)
    if found is NEED_MORE:
        return NEED_MORE
    if found is None:
        return at + 1
    inner, end = found[1], found.end()
    if inner == "THINK":
        reading.skipping = tags.Hidden(tags.HIDDEN["[THINK]"])
        return end
    if end == len(text) and not complete:
        return NEED_MORE
    place = _behind(reading, text, inner, end, complete)
    if place is None:
        _alone(reading, inner)
        return end
    return place


def _behind(
    reading: ParserState, text: str, inner: str, end: int, complete: bool
) -> int | NeedMore | None:
    """Read ``[inner]`` as a link, where what stands behind it makes it one."""
    if text.startswith("(", end):
        is_link = links.is_destination(text, end, complete=complete)
        if is_link is NEED_MORE:
            return NEED_MORE
        if is_link:
            _link(reading, inner)
            reading.skipping = links.Destination()
            return end + 1
    elif text.startswith("[", end):
        reference = links.REFERENCE.read(text, end, complete=complete)
        if reference is NEED_MORE:
            return NEED_MORE
        if reference and _is_link(inner, reference[1]):
            _link(reading, inner)
            return reference.end()
    return None


def _is_link(inner: str, reference: str) -> bool:
    """Whether ``[inner][reference]`` is a link, and no two cues."""
    if links.is_citation(inner) or Cues.knows(inner):
        return False
    return links.is_citation(reference) or (inner[0].isupper() and not Cues.knows(reference))


def _link(reading: ParserState, inner: str) -> None:
    if links.is_number(inner):
        reading.spoken.removed()
    else:
        reading.say(inner)


def _alone(reading: ParserState, inner: str) -> None:
    if links.is_citation(inner):
        reading.spoken.removed()
    elif inner.startswith("!"):
        # «> [!NOTE]»
        reading.spoken.literal(inner[1:].capitalize())
    elif inner.startswith("[") and inner.endswith("]"):
        # «[[Kitchen light|the light]]»
        reading.spoken.literal(inner[1:-1].rpartition("|")[2])
    elif (cue := reading.cues.bracketed(inner)) is not None:
        reading.cue(cue)
    else:
        reading.say(inner)


def _closing_bracket(_reading: ParserState, _text: str, at: int, _complete: bool) -> int:
    return at + 1


def _parenthesis(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    match = _PARENTHESIS.match(text, at)
    if match and match.end() == len(text):
        if not complete and (match[1] or "").lower() in Cues.STARTS:
            return NEED_MORE
    elif match and match[1] and text[match.end()] == ")":
        starts = reading.spoken.starts_sentence
        cue = reading.cues.in_parentheses(match[1], sentence_starts=starts)
        if cue is not None:
            reading.cue(cue)
            return match.end() + 1
    reading.spoken.mark("(")
    return at + 1


def _citation(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    found = _CITATION.read(text, at, complete=complete)
    if found is NEED_MORE:
        return NEED_MORE
    if found:
        reading.spoken.removed()
        return found.end()
    reading.spoken.mark("【")
    return at + 1


HANDLERS: Final[dict[str, Handler]] = {
    "[": _bracket,
    "]": _closing_bracket,
    "(": _parenthesis,
    "【": _citation,
}
