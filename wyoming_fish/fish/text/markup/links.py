"""What stands in brackets: links and images, references, citations, and cues."""

from __future__ import annotations

import re
from typing import Final

from ..cues import Cues
from .addresses import Destination, is_destination
from .hidden import HiddenCall, HiddenText
from .state import NEED_MORE, Handler, IncrementalPattern, NeedMore, ParserState
from .symbols import read_face

__all__ = ["DEFINITION", "HANDLERS"]

_INNER: Final = r"[^\[\]\n\\]*(?:(?:\\[^\n]|\[[^\[\]\n]*\])[^\[\]\n\\]*)*"

# `[text]`, with at most one more pair of brackets in it. Longer link texts are rare.
_BRACKETS: Final = IncrementalPattern(
    rf"\[({_INNER})\]", rf"\[{_INNER}(?:\\|\[[^\[\]\n]*)?", limit=200
)

# The reference that may follow a link text: `[Home Assistant][ha]`.
_REFERENCE: Final = IncrementalPattern(r"\[([^\[\]\n]*)\]", r"\[[^\[\]\n]*", limit=60)

# `[1]: https://example.com "Title"` and `[^1]: a note`, at the start of a line.
DEFINITION: Final = IncrementalPattern(
    r"\[(?:\^[^\[\]\n]{1,50}\]:|[^\[\]\n]{1,50}\]:[ ]{0,3}(?P<address><|/|https?:|www\.))",
    r"\[(?:[^\[\]\n]{0,51}(?:\](?::[ ]{0,3}(?:h(?:t(?:t(?:ps?)?)?)?|w{1,3})?)?)?)?",
    limit=80,
)

_NUMBERS: Final = r"\^.*|[1-9]\d{0,2}(?:\s*[,;–-]\s*[1-9]\d{0,2})*"
# `[1]`, `[ ]`, and the marks of sources: `[cite_start]`, `[cite: 1, 4]`, `[oaicite:0]`.
_CITATION: Final = re.compile(
    rf"{_NUMBERS}|[A-Za-z]?|\W*|cite_(?:start|end)|(?:cite|oaicite|source): ?[\d, –-]+", re.DOTALL
)
_NUMBER: Final = re.compile(rf"\[?(?:{_NUMBERS})\]?")


def _is_citation(inner: str) -> bool:
    """Whether the text between brackets is not spoken: `1`, `2, 3`, `^note`, ` `, `x`."""
    return _CITATION.fullmatch(inner.strip()) is not None


def _is_number(inner: str) -> bool:
    """Whether the link text is only the number of a source: `[1](https://…)`."""
    return _NUMBER.fullmatch(inner.strip()) is not None


_NOTE: Final = IncrementalPattern(
    r"【\d{1,4}[†:][^】\n]*】", r"【(?:\d{1,4}(?:[†:][^】\n]*)?)?", limit=300
)
_CONTROL: Final = re.compile(
    r"THINK|/[A-Z][A-Z_]{2,20}|INST|SYSTEM_PROMPT|(?:AVAILABLE_)?TOOL[A-Z_]{1,20}|ARGS|CALL_ID"
)
_END_OF_THOUGHTS: Final = re.compile(r"\[/THINK\]")
_LINE_END: Final = re.compile(r"(?=\n)")

_PARENTHESIS: Final = re.compile(r"[(（]([^\W\d_](?:[^\W\d_]|[ -]){0,34})?")


def _bracket(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    found = _BRACKETS.read(text, at, complete=complete)
    if found is NEED_MORE:
        return NEED_MORE
    if found is None:
        return at + 1
    inner, end = found[1], found.end()
    if inner[:1] in "/ACIST" and _CONTROL.fullmatch(inner):
        _control(state, inner)
        return end
    if end == len(text) and not complete:
        return NEED_MORE
    place = _behind(state, text, inner, end, complete)
    if place is None:
        ends = text[end : end + 1] in ".,;:!?)\n"
        _alone(state, inner, before_end=ends and not state.spoken.starts_sentence)
        return end
    return place


def _control(state: ParserState, inner: str) -> None:
    """Read a control token of Mistral's or Llama's models: `[INST]`, `[TOOL_CALLS]`."""
    state.spoken.gap()
    if inner == "THINK":
        state.hide(HiddenText(_END_OF_THOUGHTS, may_be_long=True))
    elif inner == "TOOL_CALLS":
        state.hide(HiddenCall(_LINE_END, may_be_long=True))


def _behind(
    state: ParserState, text: str, inner: str, end: int, complete: bool
) -> int | NeedMore | None:
    """Read ``[inner]`` as a link, where what stands behind it makes it one."""
    if text.startswith("(", end):
        is_link = is_destination(text, end, complete=complete)
        if is_link is NEED_MORE:
            return NEED_MORE
        if is_link:
            _link(state, inner)
            state.skipping = Destination()
            return end + 1
    elif text.startswith("[", end):
        reference = _REFERENCE.read(text, end, complete=complete)
        if reference is NEED_MORE:
            return NEED_MORE
        if reference and _is_link(inner, reference[1]):
            _link(state, inner)
            return reference.end()
    return None


def _is_link(inner: str, reference: str) -> bool:
    """Whether ``[inner][reference]`` is a link, and no two cues."""
    if _is_citation(inner) or Cues.knows(inner):
        return False
    return _is_citation(reference) or (inner[0].isupper() and not Cues.knows(reference))


def _link(state: ParserState, inner: str) -> None:
    if _is_number(inner):
        state.spoken.removed()
    else:
        state.say(inner)


def _alone(state: ParserState, inner: str, *, before_end: bool) -> None:
    if _is_citation(inner):
        state.spoken.removed()
    elif inner.startswith("!"):
        # For example `> [!NOTE]`.
        state.spoken.literal(inner[1:].capitalize())
    elif inner.startswith("[") and inner.endswith("]"):
        # For example `[[Kitchen light|the light]]`.
        state.spoken.literal(inner[1:-1].rpartition("|")[2])
    elif (cue := state.cues.bracketed(inner, before_end=before_end)) is not None:
        state.cue(cue)
    else:
        state.say(inner)


def _closing_bracket(_state: ParserState, _text: str, at: int, _complete: bool) -> int:
    return at + 1


def _parenthesis(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    match = _PARENTHESIS.match(text, at)
    name = (match and match[1]) or ""
    end = match.end() if match else at
    if end == len(text) and not complete and name.lower() in Cues.STARTS:
        return NEED_MORE
    if name and text[end : end + 1] in (")", "）"):
        behind = text[end + 1 : end + 3]
        if len(behind) < 2 and not complete and name.lower() in Cues.STARTS:
            return NEED_MORE
        begins = state.spoken.starts_sentence and not behind.lstrip(" *_")[:1].islower()
        cue = state.cues.in_parentheses(name, begins_sentence=begins)
        if cue is not None:
            state.cue(cue)
            return end + 1
    elif not name or end < at + 3:
        place = read_face(state, text, at, complete)
        if place != at:
            return place
    state.spoken.mark(text[at])
    return at + 1


def _note(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    found = _NOTE.read(text, at, complete=complete)
    if found is NEED_MORE:
        return NEED_MORE
    if found:
        state.spoken.removed()
        return found.end()
    state.spoken.mark("【")
    return at + 1


HANDLERS: Final[dict[str, Handler]] = {
    "[": _bracket,
    "]": _closing_bracket,
    "(": _parenthesis,
    "（": _parenthesis,
    "【": _note,
}
