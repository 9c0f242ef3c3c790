"""What stands for something to see: emoji, faces, arrows, signs of yes and no, and entities."""

from __future__ import annotations

import html
import re
from typing import Final

from ..characters import EMOJI, clean_characters, emoji_names
from .state import (
    MAX_RUN_CHARS,
    NEED_MORE,
    Handler,
    IncrementalPattern,
    NeedMore,
    ParserState,
    start_of,
)

__all__ = ["ARROWS", "FACES", "HANDLERS", "read_face", "read_symbol"]

ARROWS: Final = (
    "\u2190-\u21ff\u27f0-\u27ff\u2900-\u2933\u2936-\u297f\u2794\u2798-\u27af\u27b1-\u27be"
)
"""The inside of a character class."""

FACES: Final = "¯ヽヾ٩ʕ"
"""What may begin a face of several signs."""

_ARROW: Final = re.compile(f"[{ARROWS}]")
# Symbols for more and less, or keys: "▲ 2.3 %", "Press ↑".
_TRENDS: Final = dict.fromkeys("▲△↑⬆", "+") | dict.fromkeys("▼▽↓⬇", "-")
_TREND: Final = IncrementalPattern(r".[ ]?(?=\d)", r".[ ]?", limit=3)
# What stands for yes and for no.
_ANSWERS: Final = dict.fromkeys("✅☑✔✓", "✓") | dict.fromkeys("❌❎✖✗✘", "✗")
# Emoji that stand together, up to one of those.
_EMOJI_RUN: Final = re.compile(
    f"[{EMOJI}](?:(?![◁{''.join(_TRENDS)}{''.join(_ANSWERS)}])[{EMOJI}]){{0,{MAX_RUN_CHARS - 1}}}"
)
# Yes and no, by the `posix/messages` of Unicode CLDR 48. Chinese and Turkish differ from it: its
# words there are a button's, and without a dot.
_YES_AND_NO: Final = {
    words[0]: {"✓": words[1], "✗": words[2]}
    for words in map(
        str.split,
        "af ja nee,am አዎን አይ,ar نعم لا,as হয় নহয়,az hə yox,be так не,bg да не,bn হ্যাঁ না,bs da ne,"
        "ca sí no,cs ano ne,cy ie na,da ja nej,de ja nein,el ναι όχι,en yes no,es sí no,et jah ei,"
        "eu bai ez,fa بله نه,fi kyllä ei,fo ja nei,fr oui non,gl si non,gu હા નહીં,he כן לא,"
        "hi हाँ नहीं,hr da ne,hu igen nem,hy այո ոչ,id ya tidak,is já nei,it sì no,ja はい いいえ,"
        "ka კი არა,kk иә жоқ,kn ಹೌದು ಇಲ್ಲ,ko 예 아니요,lt taip ne,lv jā nē,ml ഉവ്വ് അല്ല,mn тийм үгүй,"
        "ms ya tidak,nb ja nei,ne हो होइन,nl ja nee,no ja nei,pa ਹਾਂ ਨਹੀਂ,pl tak nie,"
        "ps هو نه,pt sim não,ro da nu,ru да нет,sk áno nie,sl da ne,sq po jo,sr да не,"
        "sv ja nej,sw ndiyo hapana,ta ஆம் இல்லை,te అవును వద్దు,th ใช่ ไม่ใช่,tr evet hayır,uk так ні,"
        "ur ہاں نہیں,vi có không,zh 是 否".split(","),
    )
}
_ALONE: Final = IncrementalPattern(r".[ ]{0,9}(?=[\n|,;.)])", r".[ ]{0,9}", limit=11)

# A face, such as "(´・ω・`)" or "¯\_(ツ)_/¯": a few signs between parentheses, and arms. It has no
# two letters in a row.
_SIGN: Final = r"[^\w\s\"'.,:;!?%+/&#€$£()\U0001f000-\U0001ffff-]"
_ARMS: Final = "ノﾉ╯つっづゞヽ☆♪┛"
_NO_FACE: Final = r"[^()\n]{0,14}(?:[^\W_]{2}|\d)"
_FACE: Final = IncrementalPattern(
    r"¯\\{0,3}_?\(ツ\)\\?_?/¯|ʕ[^ʔ\n]{1,8}ʔ"
    rf"|[ヽヾ٩]?\((?:([TtOo0QqUuXx=;^-])_+\1"
    rf"|(?=[^()\n]{{0,12}}?{_SIGN}[^()\n]{{0,12}}?{_SIGN})(?!{_NO_FACE})[^()\n]{{2,14}})"
    rf"\)(?:[{_ARMS}]|(?=[^{_ARMS}]))",
    r"¯(?:\\{0,3}_?(?:\((?:ツ(?:\)\\?(?:_?/?)?)?)?)?)|ʕ[^ʔ\n]{0,8}|[ヽヾ٩]"
    rf"|[ヽヾ٩]?\((?:[TtOo0QqUuXx=;^-](?:_+[TtOo0QqUuXx=;^-]?\)?)?|(?!{_NO_FACE})[^()\n]{{0,14}}\)?)",
    limit=24,
)

# `:-)`, `;)` and `:smile:` after a space.
_EMOTICON: Final = IncrementalPattern(
    r"[:;](?:['-]?[)(DPp/|\\*]{1,5}(?=[\s.,!?])|(?P<name>[a-z][a-z0-9_+-]{1,30}):)"
    r"|:contentReference\[oaicite:\d{1,4}\](?:\{index=\d{1,4}\}|(?=[^{]))",
    r"[:;](?:['-]?[)(DPp/|\\*]{0,5}|[a-z][a-z0-9_+-]{0,30})|"
    + start_of(":contentReference[")
    + r"(?:[oaicite]{0,7}:?\d{0,4}\]?(?:\{[index]{0,5}=?\d{0,4})?)?",
    limit=60,
)
_ENTITY: Final = IncrementalPattern(
    r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});",
    r"&(?:#(?:\d{0,7}|[xX][0-9A-Fa-f]{0,6})|[A-Za-z][A-Za-z0-9]{0,31})?",
    limit=34,
)


def _emoticon(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    found = _EMOTICON.read(text + " " if complete else text, at, complete=complete)
    if found is NEED_MORE:
        return NEED_MORE
    if found is None:
        state.spoken.mark(text[at])
        return at + 1
    if found[0].startswith(":contentR"):
        state.spoken.removed()
        return found.end()
    state.spoken.gap()
    if found["name"] and state.names_emoji:
        state.spoken.literal(found["name"].replace("_", " "))
        state.spoken.gap()
    return found.end()


def _entity(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    found = _ENTITY.read(text, at, complete=complete)
    if found is NEED_MORE:
        return NEED_MORE
    if found is None:
        state.spoken.mark("&")
        return at + 1
    meant = clean_characters(html.unescape(found[0]), "").replace("\u00a0", " ")
    state.spoken.literal(_EMOJI_RUN.sub(" ", meant))
    return found.end()


def read_face(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    """Leave out the face at ``at``, or stay if there is none."""
    face = _FACE.read(text + " " if complete else text, at, complete=complete)
    if face is NEED_MORE:
        return NEED_MORE
    if face is None:
        return at
    state.spoken.gap()
    return face.end()


def read_symbol(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    """Read an emoji, an arrow or a face."""
    mark = text[at]
    if mark in FACES:
        place = read_face(state, text, at, complete)
        if place == at:
            state.spoken.text(mark)
            return at + 1
        return place
    if mark in _TRENDS:
        return _trend(state, text, at, complete)
    if _ARROW.match(text, at):
        # For example "Settings → Devices".
        state.spoken.separator()
        return at + 1
    run = _EMOJI_RUN.match(text, at)
    if run is None:
        state.spoken.literal(mark)
        return at + 1
    if mark in _ANSWERS and state.spoken.expects_value:
        return _answer(state, text, at, complete)
    if state.names_emoji:
        if run.end() == len(text) and len(run[0]) < MAX_RUN_CHARS and not complete:
            return NEED_MORE
        state.spoken.gap()
        state.spoken.literal(emoji_names(run[0]))
    state.spoken.gap()
    return run.end()


def _trend(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    """Read what says more or less."""
    found = _TREND.read(text + "\n" if complete else text, at, complete=complete)
    if found is NEED_MORE:
        return NEED_MORE
    if found:
        state.spoken.gap()
        state.spoken.text(_TRENDS[text[at]])
        return found.end()
    if text[at] in "↑↓":
        state.spoken.text(text[at])
    else:
        state.spoken.gap()
    return at + 1


def _answer(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    """Read a symbol that means yes or no by itself: `Locked: ✅`."""
    found = _ALONE.read(text + "\n" if complete else text, at, complete=complete)
    if found is NEED_MORE:
        return NEED_MORE
    if found:
        state.spoken.gap()
        answer = _ANSWERS[text[at]]
        state.spoken.word(_YES_AND_NO.get(state.language, {}).get(answer, answer))
    state.spoken.gap()
    return at + 1


HANDLERS: Final[dict[str, Handler]] = {**dict.fromkeys(":;", _emoticon), "&": _entity}
