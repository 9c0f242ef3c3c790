"""What stands in angle brackets, tags and tokens, and bare addresses."""

from __future__ import annotations

import re
from typing import Final

from . import links, tags
from .construct import NEED_MORE, IncrementalPattern, NeedMore, run_end
from .state import Handler, ParserState

__all__ = ["HANDLERS", "LETTERS"]

LETTERS: Final = "hHfFmMwW"
"""The letters with which an address may begin."""

_COMMENT: Final = "<!--"
# Nothing is a tag in which another begins.
_ALONE: Final = re.compile(r"<[^<>]{0,499}(?:>|\Z)")
_HEART: Final = re.compile(r"<3(?!\w|[.,]\d)")
_AUTOLINK: Final = IncrementalPattern(
    rf"<((?:{links.ADDRESS_START.pattern})[^<>\s]*)>",
    rf"<{links.POSSIBLE_ADDRESS}[^<>\s]*",
    limit=500,
    flags=re.IGNORECASE,
)


def _angle(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    after = text[at + 1 : at + 2]
    if not after and not complete:
        return NEED_MORE
    if after == "<":
        return run_end(text, at, complete=complete)
    if after in ("|", "｜"):
        return _token(reading, text, at, complete)
    if after == "!" and _COMMENT.startswith(text[at : at + 4]):
        return _comment(reading, text, at, complete)
    if after == "3":
        return _heart(reading, text, at, complete)
    if not _ALONE.match(text, at):
        if not links.ADDRESS_START.match(text, at + 1):
            reading.spoken.mark("<")
        return at + 1
    return (_autolink if after in LETTERS else _tag)(reading, text, at, complete)


def _comment(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    if text.startswith(_COMMENT, at):
        reading.skipping = tags.Hidden(tags.HIDDEN["!--"])
        return at + len(_COMMENT)
    return len(text) if complete else NEED_MORE


def _heart(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    if len(text) < at + 4 and not complete:
        return NEED_MORE
    if _HEART.match(text, at):
        reading.spoken.gap()
        return at + 2
    reading.spoken.mark("<")
    return at + 1


def _autolink(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    link = _AUTOLINK.read(text, at, complete=complete)
    if link is NEED_MORE:
        return NEED_MORE
    if link:
        reading.say(link[1])
        return link.end()
    if links.ADDRESS_START.match(text, at + 1):
        return at + 1
    return _tag(reading, text, at, complete)


def _tag(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    tag = tags.TAG.read(text, at, complete=complete)
    if tag is NEED_MORE:
        return NEED_MORE
    if tag and (tag["declared"] or tag["end"] or tags.is_known(tag["name"].lower())):
        _apply(reading, tag)
        return tag.end()
    placeholder = tags.PLACEHOLDER.read(text, at, complete=complete)
    if placeholder is NEED_MORE:
        return NEED_MORE
    if placeholder:
        reading.spoken.gap()
        reading.say(placeholder[1])
        return placeholder.end()
    if tag:
        return tag.end()
    reading.spoken.mark("<")
    return at + 1


def _apply(reading: ParserState, tag: re.Match[str]) -> None:
    if tag["declared"]:
        return
    name = tag["name"].lower()
    if name in tags.HIDDEN:
        if not tag["end"] and not tag[0].endswith("/>"):
            reading.skipping = tags.Hidden(tags.HIDDEN[name])
    elif name in tags.BREAKS:
        reading.spoken.newline()
    elif name in tags.CELLS:
        reading.spoken.separator()
    elif name == "img":
        reading.spoken.literal(tags.alternative(tag["attributes"]))


def _token(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    token = tags.TOKEN.read(text, at, complete=complete)
    if token is NEED_MORE:
        return NEED_MORE
    if token is None:
        reading.spoken.mark("<")
        return at + 1
    name = token[1]
    if name in ("phoneme_start", "channel"):
        place = _long_token(reading, text, at, complete)
        if place != at:
            return place
    if name in tags.HIDDEN_AFTER:
        reading.skipping = tags.Hidden(tags.HIDDEN_AFTER[name])
    elif reading.settings.trusted and tags.SPEAKER.fullmatch(name):
        reading.spoken.cue(f"<|{name}|>")
    return token.end()


def _long_token(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    """Read the phonemes or the thoughts at ``at``, or stay where there are none."""
    phonemes = tags.PHONEMES.read(text, at, complete=complete)
    thoughts = tags.THOUGHTS.read(text, at, complete=complete)
    if phonemes is NEED_MORE or thoughts is NEED_MORE:
        return NEED_MORE
    if thoughts:
        reading.skipping = tags.Hidden(tags.HIDDEN_AFTER["thoughts"])
        return thoughts.end()
    if phonemes:
        if reading.settings.trusted:
            reading.spoken.unit(phonemes[0])
        return phonemes.end()
    return at


def _address(reading: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    start = links.ADDRESS_START.match(text, at)
    if start is None:
        if not complete:
            return NEED_MORE
        reading.spoken.literal(text[at])
        return at + 1
    prefix = start[0].lower()
    if prefix == "mailto:":
        return start.end()
    begin = at if prefix == "www." else start.end()
    host = links.HOST.read(text + " " if complete else text, begin, complete=complete)
    if host is NEED_MORE:
        return NEED_MORE
    name, length = links.host_name(host[1]) if host else ("", 0)
    if not name:
        reading.spoken.removed()
        if host is None:
            # None is as long.
            reading.skipping = links.Address()
        return start.end()
    if reading.settings.urls == "host":
        reading.spoken.literal(name)
    else:
        reading.spoken.removed()
    place = begin + length
    if text[place : place + 1] in ("/", "?", "#", ":"):
        reading.skipping = links.Address()
    return place


HANDLERS: Final[dict[str, Handler]] = {"<": _angle, **dict.fromkeys(LETTERS, _address)}
