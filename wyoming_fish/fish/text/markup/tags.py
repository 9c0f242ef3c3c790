"""HTML tags, and the tokens by which models and Fish mark their own text."""

from __future__ import annotations

import re
from typing import Final

from .construct import NEED_MORE, IncrementalPattern, NeedMore

__all__ = [
    "BREAKS",
    "CELLS",
    "HIDDEN",
    "HIDDEN_AFTER",
    "LINE_END",
    "PHONEMES",
    "PLACEHOLDER",
    "SPEAKER",
    "TAG",
    "THOUGHTS",
    "TOKEN",
    "Hidden",
    "alternative",
    "is_known",
]

_NAME: Final = r"[A-Za-z][A-Za-z0-9:_-]{0,30}"
# Spaces within a tag: as deep as a line of it may be indented.
_SPACE: Final = r"[ \n]{1,40}"
_SPACES: Final = r"[ \n]{0,40}"
_ATTRIBUTE_NAME: Final = r"[\w:.@-]{1,40}"
_LONE: Final = "open|disabled|checked|selected|controls|hidden|async|defer|loop|muted|autoplay"
_ATTRIBUTE: Final = (
    rf"{_SPACE}(?:{_ATTRIBUTE_NAME}{_SPACES}={_SPACES}(?:\"[^\"]*\"|'[^']*'|[^\s\"'=<>`]+)"
    rf"|(?:{_LONE})(?=[ \n/>]))"
)
_BEGUN_ATTRIBUTE: Final = (
    rf"{_SPACE}(?:{_ATTRIBUTE_NAME}{_SPACES}(?:={_SPACES}(?:\"[^\"]*|'[^']*|[^\s\"'=<>`]*))?)?"
)

TAG: Final = IncrementalPattern(
    rf"<(?P<end>/?)(?P<name>{_NAME})(?P<attributes>(?:{_ATTRIBUTE})*){_SPACES}/?>"
    r"|<(?P<declared>[!?])[A-Za-z][^<>]*>",
    rf"<(?:/?(?:{_NAME}(?:{_ATTRIBUTE})*(?:{_BEGUN_ATTRIBUTE}|{_SPACES}/)?)?"
    r"|[!?](?:[A-Za-z][^<>]*)?)?",
    limit=500,
)
"""A tag with its attributes, or a declaration."""

PLACEHOLDER: Final = IncrementalPattern(
    r"<([^\W\d_][\w .'+@/-]*)>", r"<(?:[^\W\d_][\w .'+@/-]*)?", limit=50
)
"""Words between angle brackets, of which nobody knows whether they are a tag: «<your name>»."""

TOKEN: Final = IncrementalPattern(
    r"<[|｜]([^<>|｜\n]{1,48})[|｜]>", r"<(?:[|｜](?:[^<>|｜\n]{0,48}[|｜]?)?)?", limit=54
)
"""A token of a model: «<|im_end|>»."""

_PHONEME: Final = r"[^<>|｜\n\[\]]"
PHONEMES: Final = IncrementalPattern(
    rf"<\|phoneme_start\|>{_PHONEME}+<\|phoneme_end\|>",
    rf"<\|phoneme_start\|>{_PHONEME}*(?:<(?:\|[a-z_]*\|?)?)?",
    limit=250,
)
SPEAKER: Final = re.compile(r"speaker:\d{1,3}")


class Hidden:
    """Text up to what ``closing`` matches; nothing of it is kept."""

    def __init__(self, closing: re.Pattern[str]) -> None:
        self._closing = closing
        self.open = True
        """Whether there is more of it."""

    def skip(self, text: str, at: int, *, complete: bool) -> int | NeedMore:
        """Where the next part begins, or where all of it ends and ``open`` is unset."""
        if match := self._closing.search(text, at):
            self.open = False
            return match.end()
        place = len(text) if complete else len(text) - MAX_CLOSING_CHARS
        return place if place > at else NEED_MORE


# Characters of the longest of what closes them.
MAX_CLOSING_CHARS: Final = 24

# What is thought, called or run, and never said, by the tag that opens it.
HIDDEN: Final = {
    name: re.compile(rf"</{name}[ ]{{0,4}}>", re.IGNORECASE)
    for name in (
        *("think", "thinking", "thought", "reasoning", "reflection", "scratchpad"),
        *("tool_call", "function_call", "tool_response", "script", "style"),
    )
} | {"!--": re.compile("-->"), "[THINK]": re.compile(r"\[/THINK\]")}

# The same of those that are marked by tokens: the names of roles, and thoughts.
_END_OF_THOUGHTS: Final = re.compile(r"<\|(?:end|return|call|start)\|>")
_ROLE: Final = re.compile(r"(?=\n)|(?=<)")
HIDDEN_AFTER: Final = dict.fromkeys(("im_start", "start", "start_header_id"), _ROLE) | {
    "channel": _ROLE,
    "thoughts": _END_OF_THOUGHTS,
}
THOUGHTS: Final = IncrementalPattern(
    r"<\|channel\|>(?:analysis|commentary)",
    r"<\|channel\|>(?:a(?:n(?:a(?:l(?:y(?:si?)?)?)?)?)?|c(?:o(?:m(?:m(?:e(?:n(?:t(?:ar?)?)?)?)?)?)?)?)?",
    limit=24,
)
"""A channel of a model that is not meant for people."""

LINE_END: Final = re.compile(r"(?=\n)")

# Tags that end a line, and those that end a cell.
BREAKS: Final = frozenset(
    "address article aside blockquote br center dd details div dl dt figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section summary table tbody tfoot thead tr "
    "ul".split()
)
CELLS: Final = frozenset(("td", "th", "option"))
_INLINE: Final = frozenset(
    "a abbr acronym area audio b base bdi bdo big body button canvas caption cite code col "
    "colgroup data datalist del dfn dialog em embed fieldset font frame head html i iframe img "
    "input ins kbd label legend link map mark meta meter noscript object output param picture "
    "progress q rp rt ruby s samp select slot small source span strike strong sub sup svg path "
    "template textarea time title track tt u var video wbr speak break emphasis prosody voice "
    "say-as phoneme lang audio desc sentence answer output response reply speech final".split()
)
_ALTERNATIVE: Final = re.compile(r"\balt\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)


def is_known(name: str) -> bool:
    """Whether ``name``, in small letters, is a tag's and not a word that is to be filled in."""
    return name in _INLINE or name in BREAKS or name in CELLS or name in HIDDEN or ":" in name


def alternative(attributes: str) -> str:
    """The text that stands for an image, or nothing."""
    match = _ALTERNATIVE.search(attributes)
    return (match[1] or match[2] or "") if match else ""
