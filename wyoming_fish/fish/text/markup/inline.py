"""Marks that stand for themselves or for nothing: emphasis, code, dashes, bullets."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from ..cues import ACTIONS, starts_of
from . import blocks
from .state import NEED_MORE, Handler, NeedMore, ParserState, run_end

__all__ = ["HANDLERS"]

# Characters within which emphasis that begins with a number is closed.
_MAX_EMPHASIS_CHARS: Final = 40
_ACTION: Final = re.compile(r"([*_])([^\W\d_](?:[^\W\d_]| ){0,24})")
_DIALED: Final = re.compile(rf"\*\d{{2,4}}(?!\w)(?P<behind>[^*\n]{{0,{_MAX_EMPHASIS_CHARS}}})")
_ACTION_STARTS: Final = starts_of(ACTIONS)


def _newline(state: ParserState, _text: str, at: int, _complete: bool) -> int:
    state.spoken.newline()
    state.opened.clear()
    state.code = 0
    state.line_starts = True
    return at + 1


def _emphasis(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    end = run_end(text, at, complete=complete)
    if end is NEED_MORE:
        return NEED_MORE
    run, before, after = text[at:end], text[at - 1], text[end : end + 2]
    if run in ("*", "_"):
        place = _single(state, text, at, complete)
        if place != at:
            return place
    if before == after == " " and not complete:
        return NEED_MORE
    if run in ("=", "==") and after[:1] == ">":
        state.spoken.separator()
        return end + 1
    if _is_read(run, before, after, opened=run in state.opened):
        state.spoken.marks(run)
    elif run in state.opened:
        state.opened.discard(run)
    elif after and not after[0].isspace():
        state.opened.add(run)
    return end


def _single(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    """Read the mark at ``at`` with what follows it, or stay if that says nothing of it."""
    before, after = text[at - 1], text[at + 1 : at + 3]
    if before.isalnum():
        # For example `x*y` or `un*frigging*believable`.
        waits = text[at] == "*" and len(after) == 1 and after.isalpha() and not complete
        return NEED_MORE if waits else at
    if text[at] == "*" and after[:1].isdecimal() and "*" not in state.opened:
        return _number(state, text, at, complete)
    return _action(state, text, at, complete)


def _number(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    """Say the star of a dialed number (`*67`). Stay if it begins emphasis (`*5 minutes*`)."""
    match = _DIALED.match(text, at)
    if match is None:
        # More digits may follow `*6`.
        begun = not complete and len(text) - at < 6 and text[at + 1 :].isdecimal()
        return NEED_MORE if begun else at
    if len(match["behind"]) < _MAX_EMPHASIS_CHARS:
        if match.end() == len(text) and not complete:
            return NEED_MORE
        if text[match.end() : match.end() + 1] == "*" and not text[match.end() - 1].isspace():
            return at
    state.spoken.mark("*")
    return at + 1


def _action(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    """Read the stage direction in emphasis at ``at``, or stay where there is none."""
    match = _ACTION.match(text, at)
    if match is None:
        return at
    name = match[2].lower()
    if name in ACTIONS and text[match.end() : match.end() + 1] == match[1]:
        state.cue(state.cues.named(name))
        return match.end() + 1
    begun = match.end() == len(text) and name in _ACTION_STARTS
    return NEED_MORE if begun and not complete else at


def _dashes(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    end = run_end(text, at, complete=complete)
    if end is NEED_MORE:
        return NEED_MORE
    length, before, after = end - at, text[at - 1], text[end : end + 1]
    if after == ">":
        state.spoken.separator()
        return end + 1
    if length == 1:
        state.spoken.mark("-")
    elif length <= 3 and ((before.isalnum() and after.isalnum()) or before == after == " "):
        state.spoken.text(" — ")
    return end


def _symbols(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    end = run_end(text, at, complete=complete)
    if end is NEED_MORE:
        return NEED_MORE
    run = text[at:end]
    if len(run) == 1 or run == "++":
        state.spoken.marks(run)
    return end


def _separator(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    if text[at] == "·" and at + 1 == len(text) and not complete:
        # "col·lecció" is one word.
        return NEED_MORE
    state.spoken.separator()
    return at + 1


def _backtick(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    end = run_end(text, at, complete=complete)
    if end is NEED_MORE:
        return NEED_MORE
    before, after = text[at - 1], text[end : end + 1]
    if not state.code and end - at >= 3:
        place = blocks.fence_in_line(state, text, at, complete)
        if place != at:
            return place
    if state.code:
        if end - at == state.code:
            state.code = 0
    elif end - at == 1 and (before + after).isascii() and before.isalpha() and after.isalpha():
        # For example "don`t".
        state.spoken.mark("'")
    else:
        state.code = end - at
    return end


def _hash(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    end = run_end(text, at, complete=complete)
    if end is NEED_MORE:
        return NEED_MORE
    # For example "C#" or "#1".
    if end - at == 1 and (text[at - 1].isalnum() or text[end : end + 1].isdecimal()):
        state.spoken.mark("#")
    return end


def _exclamation(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    after = text[at + 1 : at + 2]
    if not after and not complete:
        return NEED_MORE
    if after != "[":
        # Else it belongs to an image.
        state.spoken.mark("!")
    return at + 1


# Markdown pairs the marks of emphasis with what closes them, which may be far away. Speech need not
# wait for that: a mark at the edge of a word is emphasis whether it is closed or not.
_EMPHASIS: Final = "*_~="


@lru_cache(256)
def _is_read(run: str, before: str, after: str, *, opened: bool) -> bool:
    """Whether ``run``, a mark or several of the same, is part of the text.

    ``before`` is the character before it (a line end, where there is none), and ``after`` are the
    two that follow, or less at the end. ``opened`` is whether such a run has opened emphasis.
    """
    mark, length, next_one = run[0], len(run), after[:1] or "\n"
    if mark == "_":
        return before.isalnum() and next_one.isalnum()
    if mark == "~":
        # Before a number or a price, the parser has read it as text.
        return False
    if mark == "=":
        return length == 1 or (length == 2 and before == next_one == " ")
    if length > 2:
        return False
    if before.isspace() or next_one.isspace():
        # With a space on one side, it is at the edge of a word. With two, it is as in `5 * 3`.
        far = after[1:2]
        return length == 1 and before == next_one == " " and (far.isalnum() or far in ("(", "-"))
    return _is_arithmetic(length, before, after, opened=opened)


def _is_arithmetic(length: int, before: str, following: str, *, opened: bool) -> bool:
    after = following[0]
    digits = before.isdecimal(), after.isdecimal()
    if length == 2:
        # For example `2**8` or `x**2`.
        return digits[1] and not opened and before.isascii() and (before.isalnum() or before == ")")
    if all(digits):
        return True
    if opened or not (before.isascii() and after.isascii()):
        return False
    if before.isalnum() and after.isalpha() and not following[1:].isalpha():
        # For example `x*y`.
        return True
    if digits[0] or before == ")":
        return after == "(" or after.isdecimal() or (digits[0] and after.isalnum())
    return digits[1] and before.isalnum()


HANDLERS: Final[dict[str, Handler]] = {
    **dict.fromkeys(_EMPHASIS, _emphasis),
    **dict.fromkeys("|•·", _separator),
    **dict.fromkeys("+^>", _symbols),
    "\n": _newline,
    "`": _backtick,
    "#": _hash,
    "!": _exclamation,
    "-": _dashes,
}
