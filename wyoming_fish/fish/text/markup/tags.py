"""What stands in angle brackets: HTML, the tags of models, and the tokens of models and of Fish.

A name in small letters is a tag, whatever it says, and one that thinks or calls hides what it
holds. What begins with a capital or has several words is text that is to be filled in.
"""

from __future__ import annotations

import re
from typing import Final

from ..cues import PAIRED_TAGS
from ..output import SpokenTextBuilder
from ..ssml.phonemes import PHONEME_END, PHONEME_START
from . import addresses
from .hidden import HiddenCall, HiddenText, hidden_by, hides
from .state import NEED_MORE, Handler, IncrementalPattern, NeedMore, ParserState, run_end, start_of

__all__ = ["HANDLERS"]

_NAME: Final = r"[A-Za-z][A-Za-z0-9:_-]{0,40}"
# Spaces within a tag: as deep as a line of it may be indented.
_SPACE: Final = r"[ \n]{1,40}"
_SPACES: Final = r"[ \n]{0,40}"
_ATTRIBUTE_NAME: Final = r"[\w:.@-]{1,40}"
_LONE: Final = "open|disabled|checked|selected|controls|hidden|async|defer|loop|muted|autoplay"
_VALUE: Final = r"(?:=[\w.:-]{0,64})?"
_ATTRIBUTE: Final = (
    rf"{_SPACE}(?:{_ATTRIBUTE_NAME}{_SPACES}={_SPACES}(?:\"[^\"]*\"|'[^']*'|[^\s\"'=<>`]+)"
    rf"|(?:{_LONE})(?=[ \n/>]))"
)
_BEGUN_ATTRIBUTE: Final = (
    rf"{_SPACE}(?:{_ATTRIBUTE_NAME}{_SPACES}(?:={_SPACES}(?:\"[^\"]*|'[^']*|[^\s\"'=<>`]*))?)?"
)

# A tag with its attributes (`<function=get_time>` has none), a declaration, or the span of a
# citation: `<co: 0,1>`.
_TAG: Final = IncrementalPattern(
    rf"<(?P<end>/?)(?P<name>{_NAME}){_VALUE}(?P<attributes>(?:{_ATTRIBUTE})*){_SPACES}[|/]?>"
    r"|<(?P<declared>[!?])[A-Za-z][^<>]*>|</?(?P<span>co): ?[\d, ]{1,20}>",
    rf"<(?:/?(?:{_NAME}{_VALUE}(?:{_ATTRIBUTE})*(?:{_BEGUN_ATTRIBUTE}|{_SPACES}[|/])?)?"
    r"|[!?](?:[A-Za-z][^<>]*)?|/?co: ?[\d, ]{0,20})?",
    limit=500,
)
# Nothing is a tag in which another begins.
_UNNESTED: Final = re.compile(r"<[^<>]{0,499}(?:>|\Z)")

# Words between angle brackets, which may be a tag or a placeholder: `<your name>`.
_PLACEHOLDER: Final = IncrementalPattern(
    r"<([^\W\d_][\w .'+@/-]*)>", r"<(?:[^\W\d_][\w .'+@/-]*)?", limit=50
)
# A token of a model: `<|im_end|>`, `<|turn>`.
_TOKEN: Final = IncrementalPattern(
    r"<[|｜](?:([^<>|｜\n]{1,48})[|｜]|([a-z_]{1,30}))>",
    r"<(?:[|｜](?:[^<>|｜\n]{0,48}[|｜]?)?)?",
    limit=54,
)
_PHONEME: Final = r"[^<>|｜\n\[\]]"
_PHONEMES: Final = IncrementalPattern(
    rf"{re.escape(PHONEME_START)}{_PHONEME}+{re.escape(PHONEME_END)}",
    rf"{re.escape(PHONEME_START)}{_PHONEME}*(?:<(?:\|[a-z_]*\|?)?)?",
    limit=250,
)
_SPEAKER: Final = re.compile(r"speaker:\d{1,3}")

# Tokens of models that think or call, and those that end it.
_HIDING_TOKEN: Final = re.compile(r"think|thought|reason|(tool|function|action|python_tag)|inner")
_NOT_OPENING: Final = re.compile(r"end|suffix|sep|result|^/")
_END_TOKEN: Final = re.compile(
    r"<[|｜](?:/|[^<>|｜\n]{0,30}(?:end|suffix|return|eot|eom|eos)|call[|｜]|start[|｜])"
    r"[^<>|｜\n]{0,30}[|｜]?>|<[a-z_]{1,30}\|>",
    re.IGNORECASE,
)
_END_OF_PYTHON: Final = re.compile(rf"{_END_TOKEN.pattern}|(?=\n)", re.IGNORECASE)

# A channel of a model that is not meant for people.
_CHANNELS: Final = ("<|channel|>analysis", "<|channel|>commentary", "<|channel>thought")
_PRIVATE_CHANNEL: Final = IncrementalPattern(
    "|".join(map(re.escape, _CHANNELS)), "|".join(map(start_of, _CHANNELS)), limit=24
)
# Tokens that are followed by who speaks, and what that is.
_BEFORE_ROLE: Final = frozenset("im_start start start_header_id channel turn from".split())
_ROLE: Final = IncrementalPattern(
    r"[\w.]{1,40}(?: to=[\w.]{1,60})?(?=[\n<])"
    r"|(?:assistant|user|system|model|tool|final)(?=[^\w\n<. ]| [^t]| t[^o]| to[^=])",
    r"[\w.]{0,40}(?: (?:t(?:o(?:=[\w.]{0,60})?)?)?)?",
    limit=110,
)

_SYSTEM: Final = IncrementalPattern(r"<</?SYS>>", r"<<(?:/?(?:S(?:Y(?:S>?)?)?)?)?", limit=9)
_TRIANGLES: Final = IncrementalPattern(r"◁(/?)([a-z_]{1,24})▷", r"◁/?[a-z_]{0,24}", limit=28)
_HEART: Final = re.compile(r"<3(?!\w|[.,]\d)")
_COMMENT: Final = "<!--"
_COMMENT_END: Final = re.compile("-->")
_NEXT_TAG: Final = re.compile("(?=<)")
_AUTOLINK: Final = IncrementalPattern(
    rf"<((?:{addresses.ADDRESS_START.pattern})[^<>\s]*)>",
    rf"<{addresses.POSSIBLE_ADDRESS}[^<>\s]*",
    limit=500,
    flags=re.IGNORECASE,
)

# Tags that end a line, those that end a cell, and those that may stand within a word.
_BREAKS: Final = frozenset(
    "address article aside blockquote br center dd details div dl dt figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section summary table tbody tfoot thead tr "
    "ul".split()
)
_CELLS: Final = frozenset(("td", "th", "option"))
_GAPS: Final = dict.fromkeys(_BREAKS, SpokenTextBuilder.newline) | dict.fromkeys(
    _CELLS, SpokenTextBuilder.separator
)
_WITHIN_WORDS: Final = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i img ins kbd label mark q rp rt "
    "ruby s samp small span strike strong sub sup time tt u var wbr".split()
)
# Models' own, which nobody means as a word to be filled in.
_MODELS: Final = frozenset("unk pad bos eos mask".split())
_KNOWN: Final = _WITHIN_WORDS | _GAPS.keys() | PAIRED_TAGS.keys() | _MODELS
_ALTERNATIVE: Final = re.compile(r"\balt\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)

# The call of a tool without any mark around it.
_CALL_OBJECT: Final = IncrementalPattern(
    r"\{\s{0,8}\"(?:(?:tool|function)(?:_name|_calls?)?|name|action|arguments|parameters)\""
    r"\s{0,4}:",
    r"\{\s{0,8}(?:\"[a-z_]{0,16}(?:\"\s{0,4})?)?",
    limit=40,
)


def _angle(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    after = text[at + 1 : at + 2]
    if not after and not complete:
        return NEED_MORE
    if after == "<":
        system = _SYSTEM.read(text, at, complete=complete)
        if system is None:
            return run_end(text, at, complete=complete)
        return NEED_MORE if system is NEED_MORE else system.end()
    if after in ("|", "｜"):
        return _token(state, text, at, complete)
    if after == "!" and _COMMENT.startswith(text[at : at + 4]):
        return _comment(state, text, at, complete)
    if after == "3":
        return _heart(state, text, at, complete)
    if not _UNNESTED.match(text, at):
        if not addresses.ADDRESS_START.match(text, at + 1):
            state.spoken.mark("<")
        return at + 1
    return (_autolink if after in addresses.FIRST_LETTERS else _tag)(state, text, at, complete)


def _comment(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    if text.startswith(_COMMENT, at):
        state.spoken.gap()
        state.hide(HiddenText(_COMMENT_END, may_be_long=state.spoken.starts_sentence))
        return at + len(_COMMENT)
    return len(text) if complete else NEED_MORE


def _heart(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    if len(text) < at + 4 and not complete:
        return NEED_MORE
    if _HEART.match(text, at):
        state.spoken.gap()
        return at + 2
    state.spoken.mark("<")
    return at + 1


def _autolink(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    link = _AUTOLINK.read(text, at, complete=complete)
    if link is NEED_MORE:
        return NEED_MORE
    if link:
        state.say(link[1])
        return link.end()
    if addresses.ADDRESS_START.match(text, at + 1):
        return at + 1
    return _tag(state, text, at, complete)


def _tag(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    tag = _TAG.read(text, at, complete=complete)
    if tag is NEED_MORE:
        return NEED_MORE
    is_word = tag is not None and _is_word(state, text, tag, complete=complete)
    if is_word is NEED_MORE:
        return NEED_MORE
    if tag and not is_word:
        return _apply(state, text, tag, complete)
    placeholder = _PLACEHOLDER.read(text, at, complete=complete)
    if placeholder is NEED_MORE:
        return NEED_MORE
    if placeholder:
        state.spoken.gap()
        state.say(placeholder[1])
        return placeholder.end()
    if tag:
        return tag.end()
    state.spoken.mark("<")
    return at + 1


def _is_word(
    state: ParserState, text: str, tag: re.Match[str], *, complete: bool
) -> bool | NeedMore:
    """Whether this is a placeholder within a sentence: `call <number> now`."""
    name = tag["name"]
    if not name or tag["end"] or tag["attributes"] or _is_known(name.lower()):
        return False
    if not name.islower():
        return True
    if not (name.isalpha() and _is_within_sentence(state, text, tag.start())):
        return False
    end = tag.end()
    if end == len(text) and not complete:
        return NEED_MORE
    return text[end : end + 1] in " .,;:!?)\n"


def _is_known(name: str) -> bool:
    return name in _KNOWN or hides(name)


def _is_within_sentence(state: ParserState, text: str, at: int) -> bool:
    """Whether what begins at ``at`` follows a word of its sentence and a space."""
    return text[at - 1] == " " and not state.spoken.starts_sentence


def _apply(state: ParserState, text: str, tag: re.Match[str], complete: bool) -> int | NeedMore:
    name, end = (tag["name"] or "").lower(), tag.end()
    opens = not (tag["end"] or tag[0].endswith(("/>", "|>")))
    if gap := _GAPS.get(name):
        gap(state.spoken)
    elif name in PAIRED_TAGS:
        _paired(state, name, opens=opens)
    elif name == "img":
        state.spoken.literal(_alternative(tag["attributes"]))
    elif name in ("rt", "rp"):
        if opens:
            state.hide(HiddenText(_NEXT_TAG))
    elif name == "start_of_turn":
        return _after_role(state, text, end, complete)
    elif name and name not in _WITHIN_WORDS:
        state.spoken.gap()
        closing = f"</{name}[ ]{{0,4}}>"
        is_within_sentence = _is_within_sentence(state, text, tag.start())
        if opens and (hidden := hidden_by(name, closing, is_within_sentence=is_within_sentence)):
            state.hide(hidden)
    return end


def _triangle(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    """Read a tag of the Kimi models: `◁think▷`."""
    tag = _TRIANGLES.read(text, at, complete=complete)
    if tag is NEED_MORE:
        return NEED_MORE
    state.spoken.gap()
    if tag is None:
        return at + 1
    if not tag[1] and (hidden := hidden_by(tag[2], f"◁/{tag[2]}▷", is_within_sentence=False)):
        state.hide(hidden)
    return tag.end()


def _paired(state: ParserState, name: str, *, opens: bool) -> None:
    """Read one of drama's tags, which is a cue for the others."""
    if state.cues.has_paired_tags:
        (state.spoken.open_tag if opens else state.spoken.close_tag)(name)
        return
    state.spoken.gap()
    if opens and (cue := state.cues.named(PAIRED_TAGS[name])):
        state.spoken.cue(cue)
        state.spoken.gap()


def _alternative(attributes: str) -> str:
    """The text that stands for an image, or nothing."""
    match = _ALTERNATIVE.search(attributes)
    return (match[1] or match[2] or "") if match else ""


def _token(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    token = _TOKEN.read(text, at, complete=complete)
    if token is NEED_MORE:
        return NEED_MORE
    if token is None:
        state.spoken.mark("<")
        return at + 1
    name, end = (token[1] or token[2]).lower(), token.end()
    if name == "channel" or token[0] == PHONEME_START:
        place = _long_token(state, text, at, complete)
        if place != at:
            return place
    if name in _BEFORE_ROLE:
        return _after_role(state, text, end, complete)
    if _SPEAKER.fullmatch(name):
        if state.settings.trusted:
            state.spoken.cue(f"<|{name}|>")
        return end
    state.spoken.gap()
    hiding = _HIDING_TOKEN.search(name)
    if hiding and not _NOT_OPENING.search(name):
        closing = _END_OF_PYTHON if name == "python_tag" else _END_TOKEN
        state.hide((HiddenCall if hiding[1] else HiddenText)(closing, may_be_long=True))
    return end


def _after_role(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    """Where the name of who speaks ends, behind the token that ends at ``at``."""
    role = _ROLE.read(text + "\n" if complete else text, at, complete=complete)
    if role is NEED_MORE:
        return NEED_MORE
    state.spoken.gap()
    return role.end() if role else at


def _long_token(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    """Read the phonemes or the thoughts at ``at``, or stay where there are none."""
    phonemes = _PHONEMES.read(text, at, complete=complete)
    thoughts = _PRIVATE_CHANNEL.read(text, at, complete=complete)
    if phonemes is NEED_MORE or thoughts is NEED_MORE:
        return NEED_MORE
    if thoughts:
        state.spoken.gap()
        state.hide(HiddenText(_END_TOKEN, may_be_long=True))
        return thoughts.end()
    if phonemes:
        if state.settings.trusted:
            state.spoken.unit(phonemes[0])
        return phonemes.end()
    return at


def _brace(state: ParserState, text: str, at: int, complete: bool) -> int | NeedMore:
    """Hide an object that calls a tool."""
    call = _CALL_OBJECT.read(text, at, complete=complete)
    if call is NEED_MORE:
        return NEED_MORE
    if call:
        state.spoken.gap()
        state.hide(HiddenCall(_END_TOKEN, said="{", depth=1))
    else:
        state.spoken.mark("{")
    return at + 1


HANDLERS: Final[dict[str, Handler]] = {"<": _angle, "{": _brace, "◁": _triangle}
