"""Marks that stand for themselves or for nothing: emphasis, code, dashes, bullets, emoji."""

from __future__ import annotations

import html
import re
from typing import Final

from ..characters import EMOJI, clean_characters, emoji_names
from ..cues import ACTIONS, starts_of
from . import emphasis
from .construct import MAX_RUN_CHARS, NEED_MORE, IncrementalPattern, NeedMore, run_end
from .state import Handler, ParserState

__all__ = ["ARROWS", "HANDLERS", "read_symbol"]

ARROWS: Final = (
    "\u2190-\u21ff\u27f0-\u27ff\u2900-\u2933\u2936-\u297f\u2794\u2798-\u27af\u27b1-\u27be"
)
"""The inside of a character class."""

_ARROW: Final = re.compile(f"[{ARROWS}]")
_EMOJI_RUN: Final = re.compile(f"[{EMOJI}]{{1,{MAX_RUN_CHARS}}}")

# «:-)», «;)», «:smile:» behind a space.
_EMOTICON: Final = IncrementalPattern(
    r"[:;](?:['-]?[)(DPp/|\\*]{1,5}(?=[\s.,!?])|(?P<name>[a-z][a-z0-9_+-]{1,30}):)",
    r"[:;](?:['-]?[)(DPp/|\\*]{0,5}|[a-z][a-z0-9_+-]{0,30})",
    limit=40,
)
_ENTITY: Final = IncrementalPattern(
    r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});",
    r"&(?:#(?:\d{0,7}|[xX][0-9A-Fa-f]{0,6})|[A-Za-z][A-Za-z0-9]{0,31})?",
    limit=34,
)
_ACTION: Final = re.compile(r"([*_])([A-Za-z][A-Za-z ]{0,24})")
_ACTION_STARTS: Final = starts_of(ACTIONS)


def _newline(reading: ParserState, _text: str, at: int, _complete: bool) -> int:
    reading.spoken.newline()
    reading.opened.clear()
    reading.code = 0
    reading.line_starts = True
    return at + 1


def _emphasis(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    end = run_end(text, at, complete=complete)
    if end is NEED_MORE:
        return NEED_MORE
    run, before, after = text[at:end], text[at - 1], text[end : end + 2]
    if run in ("*", "_") and not before.isalnum():
        place = _action(reading, text, at, complete)
        if place != at:
            return place
    if before == after == " " and not complete:
        return NEED_MORE
    if run in ("=", "==") and after[:1] == ">":
        reading.spoken.separator()
        return end + 1
    if emphasis.is_read(run, before, after, opened=run in reading.opened):
        reading.spoken.marks(run)
    elif run in reading.opened:
        reading.opened.discard(run)
    elif after and not after[0].isspace():
        reading.opened.add(run)
    return end


def _action(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    """Read the stage direction in emphasis at ``at``, or stay where there is none."""
    match = _ACTION.match(text, at)
    if match is None:
        return at
    name = match[2].lower()
    if name in ACTIONS and text[match.end() : match.end() + 1] == match[1]:
        reading.cue(reading.cues.named(name))
        return match.end() + 1
    begun = match.end() == len(text) and name in _ACTION_STARTS
    return NEED_MORE if begun and not complete else at


def _dashes(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    end = run_end(text, at, complete=complete)
    if end is NEED_MORE:
        return NEED_MORE
    length, before, after = end - at, text[at - 1], text[end : end + 1]
    if after == ">":
        reading.spoken.separator()
        return end + 1
    if length == 1:
        reading.spoken.mark("-")
    elif length <= 3 and ((before.isalnum() and after.isalnum()) or before == after == " "):
        reading.spoken.text(" — ")
    return end


def _symbols(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    end = run_end(text, at, complete=complete)
    if end is NEED_MORE:
        return NEED_MORE
    run = text[at:end]
    if len(run) == 1 or run == "++":
        reading.spoken.marks(run)
    return end


def _separator(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    if text[at] == "·" and at + 1 == len(text) and not complete:
        # «col·lecció» is one word.
        return NEED_MORE
    reading.spoken.separator()
    return at + 1


def _backtick(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    end = run_end(text, at, complete=complete)
    if end is NEED_MORE:
        return NEED_MORE
    before, after = text[at - 1], text[end : end + 1]
    if reading.code:
        if end - at == reading.code:
            reading.code = 0
    elif end - at == 1 and (before + after).isascii() and before.isalpha() and after.isalpha():
        # «don`t»
        reading.spoken.mark("'")
    else:
        reading.code = end - at
    return end


def _hash(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    end = run_end(text, at, complete=complete)
    if end is NEED_MORE:
        return NEED_MORE
    # «C#», «#1»
    if end - at == 1 and (text[at - 1].isalnum() or text[end : end + 1].isdecimal()):
        reading.spoken.mark("#")
    return end


def _exclamation(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    after = text[at + 1 : at + 2]
    if not after and not complete:
        return NEED_MORE
    if after != "[":
        # Else it belongs to an image.
        reading.spoken.mark("!")
    return at + 1


def _emoticon(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    found = _EMOTICON.read(text + " " if complete else text, at, complete=complete)
    if found is NEED_MORE:
        return NEED_MORE
    if found is None:
        reading.spoken.mark(text[at])
        return at + 1
    reading.spoken.gap()
    if found["name"] and reading.settings.emoji == "name":
        reading.spoken.literal(found["name"].replace("_", " "))
        reading.spoken.gap()
    return found.end()


def _entity(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    found = _ENTITY.read(text, at, complete=complete)
    if found is NEED_MORE:
        return NEED_MORE
    if found is None:
        reading.spoken.mark("&")
        return at + 1
    meant = clean_characters(html.unescape(found[0]), "").replace("\u00a0", " ")
    reading.spoken.literal(_EMOJI_RUN.sub(" ", meant))
    return found.end()


def read_symbol(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    """Read an emoji or an arrow."""
    if _ARROW.match(text, at):
        # «Settings → Devices»
        reading.spoken.separator()
        return at + 1
    run = _EMOJI_RUN.match(text, at)
    if run is None:
        reading.spoken.literal(text[at])
        return at + 1
    if reading.settings.emoji == "name":
        if run.end() == len(text) and len(run[0]) < MAX_RUN_CHARS and not complete:
            return NEED_MORE
        reading.spoken.gap()
        reading.spoken.literal(emoji_names(run[0]))
    reading.spoken.gap()
    return run.end()


HANDLERS: Final[dict[str, Handler]] = {
    **dict.fromkeys(emphasis.MARKS, _emphasis),
    **dict.fromkeys(":;", _emoticon),
    **dict.fromkeys("|•·", _separator),
    **dict.fromkeys("+^>", _symbols),
    "\n": _newline,
    "`": _backtick,
    "&": _entity,
    "#": _hash,
    "!": _exclamation,
    "-": _dashes,
}
