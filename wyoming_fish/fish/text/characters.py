"""Characters that are for the eye or for machines alone, taken out before anything else.

Direction marks go: they order what is seen, and text is spoken in the order in which it is
written. What right-to-left scripts say stays: vowel points, and the joiners that Persian, Urdu and
the scripts of India spell with.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

__all__ = ["EMOJI", "clean_characters", "emoji_names", "has_words", "join_surrogates"]

EMOJI: Final = (
    "\u203c\u2049\u2139\u231a\u231b\u2328\u23cf\u23e9-\u23fa\u24c2\u2500-\u266c\u2670-\u2775\ufe35\ufe36\u2795-\u2797\u27b0\u27bf"
    "\u2800-\u28ff\u2934\u2935\u2b00-\u2bff\u3030\u303d\u3297\u3299"
    "\U0001f000-\U0001f0ff\U0001f10d-\U0001f2ff\U0001f300-\U0001f3fa\U0001f400-\U0001fbff"
)
"""The inside of a character class: emoji, pictographs, boxes, blocks and Braille patterns.

Keycaps and skin tones are not in it: clean_characters removes what follows their character.
Musical accidentals, as in `E♭`, are not in it either.
"""

# A flag is two letters. Boxes, blocks and patterns have names that nobody means.
_EMOJI_PARTS: Final = re.compile("[\U0001f1e6-\U0001f1ff]{2}|[^\u2500-\u25ff\u2800-\u28ff]")

_SURROGATES: Final = re.compile("[\ud800-\udfff]+")

# Control and format characters, variation selectors, skin tones, keycaps, private use, tags,
# the marks of trade, and what stands for a character that was lost.
_SILENT: Final = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u00ae\u034f\u061c\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u20e3\u2120\u2122\u3164"
    "\ue000-\ue1ff\ue202-\uf8ff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U0001f3fb-\U0001f3ff"
    "\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
)
_LINE_ENDS: Final = "\x0b\x0c\x85\u2028\u2029"
# A joiner says something after a letter of Arabic, of India and its neighbours, and of Mongolia.
_JOINED: Final = "\u0600-\u1cff\ua800-\uabff\ufb50-\ufdff\ufe70-\ufefc"
# ChatGPT's marks around a citation. They are replaced by those of its older models: `【4†source】`.
_CITATION_MARKS: Final = {"\ue200": "【0†", "\ue201": "】"}
_STYLED: Final = "\U0001d400-\U0001d7ff"

_CHANGED: Final = re.compile(
    f"(?P<silent>[{_SILENT}]+)|(?P<line>[{_LINE_ENDS}])|(?P<space>[\t\r])|(?P<styled>[{_STYLED}]+)"
    "|(?P<citation>[\ue200\ue201])"
)
_LOOSE_JOINERS: Final = re.compile(f"(?<![{_JOINED}\u200c\u200d])[\u200c\u200d]+")


def has_words(text: str) -> bool:
    """Whether there is anything in it that can be heard: a letter or a number."""
    return any(letter.isalnum() for letter in text)


def join_surrogates(text: str) -> str:
    """``text`` with halves of a character joined, and U+FFFD for those that lack the other."""
    if _SURROGATES.search(text) is None:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def clean_characters(text: str, before: str) -> str:
    """Clean the characters of ``text``; ``before`` is the last character of the previous result.

    All line ends become line feeds, and all spaces become plain spaces. Mathematical letters, which
    imitate bold or italic text without markup, become plain letters.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _CHANGED.sub(_change, text)
    if "\u200c" not in text and "\u200d" not in text:
        return text
    if before in ("\u200c", "\u200d"):
        # It was not loose, and a joiner behind it is not either.
        before = "\u0627"
    return _LOOSE_JOINERS.sub("", before + text)[len(before) :]


def emoji_names(run: str) -> str:
    """The English names, by the Unicode standard, of emoji that stand together, each once."""
    names = [_name(emoji) for emoji in dict.fromkeys(_EMOJI_PARTS.findall(run))]
    return ", ".join(name for name in names if name)


def _name(emoji: str) -> str:
    if emoji >= "\U0001f1e6" and len(emoji) == 2:
        return "flag " + " ".join(chr(ord(letter) - 0x1F1E6 + ord("A")) for letter in emoji)
    return unicodedata.name(emoji, "").lower().replace("-", " ")


def _change(match: re.Match[str]) -> str:
    if match["silent"]:
        return ""
    if match["line"]:
        return "\n"
    if match["space"]:
        return " "
    if match["citation"]:
        return _CITATION_MARKS[match[0]]
    return unicodedata.normalize("NFKC", match[0])
