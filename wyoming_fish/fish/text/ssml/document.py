"""SSML, as far as Fish can do what it asks for.

Fish knows none. A break and an emphasis become cues, phonemes Fish's own; voice, speed and volume
are settings of a request, so what differs in them is a part of its own. What is unknown is read as
its text, and SSML that is broken as its text without the tags.

The parser is the standard library's expat, which reads no files. Entities are where it could be
hurt (one that stands for millions), and they need a declaration of the document type, which is
refused; so `defusedxml`, which Home Assistant does not ship, would add nothing.

A document is read in steps of bounded length, so that the event loop can run between them. The
result does not depend on where the steps lie.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final
from xml.parsers import expat

from ...cpu_turns import steps
from ...settings import Backend
from ..characters import clean_characters, join_surrogates
from ..cues import Cues, Styler
from ..output import SpokenTextBuilder
from ..pronunciations import Pronouncer
from ..settings import TextSettings
from .character_references import as_text, as_xml, split_reference
from .phonemes import fish_phonemes

__all__ = ["MAX_SSML_CHARS", "SsmlPart", "begins_ssml", "parse_ssml", "ssml_steps"]

# Characters of a document, elements within elements, and parts with settings of their own, each
# of which is a request: more than any speech needs.
MAX_SSML_CHARS: Final = 200_000
MAX_SSML_DEPTH: Final = 50
MAX_PARTS: Final = 100

# Bytes of one tag, which has to be held until it is closed. With a longer one, a text is read
# without its tags.
MAX_TAG_BYTES: Final = 4096

# What Fish allows.
_SPEEDS: Final = (0.5, 2.0)
_VOLUMES: Final = (-20.0, 20.0)

_START: Final = "<speak"
# What may come before the tag that a document begins with, if it declares the document's type.
_PROLOG: Final = re.compile(
    r"[\s\ufeff]{0,100}(?:<\?xml[^<>]{0,200}>\s{0,100})?"
    r"<!DOCTYPE[^<>\[\]]{0,500}\[[^\]]{0,5000}\]\s{0,100}>"
)
_TAG: Final = re.compile(r"<[^<>]*>")
_TIME: Final = re.compile(r"\+?(\d{1,6}(?:\.\d{0,6})?|\.\d{1,6})(ms|s)")
_NUMBER: Final = re.compile(r"([+-]?)(\d{1,4}(?:\.\d{0,4})?)(%|dB|)", re.IGNORECASE)

_RATES: Final = {"x-slow": 0.5, "slow": 0.75, "medium": 1.0, "fast": 1.3, "x-fast": 1.75}
_LOUDNESS: Final = {"x-soft": -12.0, "soft": -6.0, "medium": 0.0, "loud": 6.0, "x-loud": 12.0}
_STRENGTHS: Final = {"none": 0.0, "x-weak": 0.0, "weak": 0.25, "medium": 0.5, "strong": 1.0}
# Seconds that a longer pause is worth; Fish names no lengths.
_LONG_BREAK: Final = 1.0
_MAX_BREAKS: Final = 4

_LINES: Final = frozenset(("p", "s", "paragraph", "sentence"))
_SILENT: Final = frozenset(("desc", "metadata", "lexicon", "style", "script"))
_STYLES: Final = {"amazon:effect": "name", "amazon:emotion": "name", "mstts:express-as": "style"}


@dataclass(frozen=True, slots=True)
class SsmlPart:
    """Text that is spoken with the same settings."""

    text: str
    """As Fish is to be sent it: nothing is to be cleaned."""
    voice: str = ""
    """The name of a voice, or nothing for the one that speaks anyway."""
    language: str = ""
    """A language by its code, or nothing."""
    speed: float = 1.0
    """A factor of 0.5 to 2, upon the request's own."""
    volume: float = 0.0
    """Decibels, from 20 below to 20 above, added to the request's own."""


def begins_ssml(text: str) -> bool | None:
    """Whether a text that begins with ``text`` is SSML; None while that is not known."""
    text = text.lstrip("\ufeff \t\r\n")
    if text.startswith("<?xml"):
        text = text.partition("?>")[2].lstrip() if "?>" in text[:200] else ""
        return begins_ssml(text) if text else None
    if len(text) > len(_START):
        return text.startswith(_START) and text[len(_START)] in " >/\t\r\n"
    return None if _START.startswith(text) or "<?xml".startswith(text) else False


def parse_ssml(text: str, backend: Backend, settings: TextSettings) -> list[SsmlPart]:
    """The parts of ``text``, in their order; none where there is nothing to say. Never raises."""
    parts: list[SsmlPart] = []
    for _ in ssml_steps(text, backend, settings, parts):
        pass
    return parts


def ssml_steps(
    text: str, backend: Backend, settings: TextSettings, parts: list[SsmlPart]
) -> Iterator[None]:
    """Parse ``text`` into ``parts`` as ``parse_ssml`` does, one step with each item."""
    text = join_surrogates(text)
    if len(text) <= MAX_SSML_CHARS:
        try:
            yield from _Document(backend, settings, parts).parse(text)
            return
        except (expat.ExpatError, _RefusedError):
            parts.clear()
    yield from _Document(backend, settings, parts).plain(text)


class _RefusedError(Exception):
    """What a document may not have."""


@dataclass(slots=True)
class _Element:
    name: str
    part: SsmlPart
    """The settings of what stands in it, without a text."""
    silent: bool = False
    """Whether its text is not said, since something else is in its place."""
    spelled: str = ""
    """How the text is to be read: SSML's `interpret-as`."""


class _Document:
    """Reads one document into ``parts``."""

    def __init__(self, backend: Backend, settings: TextSettings, parts: list[SsmlPart]) -> None:
        self._settings = settings
        self._cues = Cues(backend)
        self._style = self._cues.named(settings.style) if settings.style else ""
        self._parts = parts
        self._elements = [_Element("", SsmlPart(""))]
        self._breaks: list[str] = []
        self._before = ""
        """The last character of the text so far."""
        self._begin_part(self._elements[0].part)

    def parse(self, text: str) -> Iterator[None]:
        """Read ``text`` in steps. Raises ExpatError or _RefusedError if it is not a document."""
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        before = held = ""
        fed_bytes = 0
        for step in steps(text):
            piece = clean_characters(step, before)
            before = piece[-1:] or before
            piece, held = split_reference(held + piece)
            if not fed_bytes:
                piece = piece.lstrip()
            data = as_xml(piece).encode()
            fed_bytes += len(data)
            parser.Parse(data, False)
            if fed_bytes - parser.CurrentByteIndex > MAX_TAG_BYTES:
                raise _RefusedError("a long tag")
            self._take()
            yield
        parser.Parse(as_xml(held).encode(), True)
        self._end_part()

    def plain(self, text: str) -> Iterator[None]:
        """Read ``text`` without its tags, in steps, as one part."""
        declared = _PROLOG.match(text)
        before = held = ""
        for step in steps(text[declared.end() :] if declared else text):
            piece = clean_characters(step, before)
            before = piece[-1:] or before
            piece, held = _split_tag(held + piece)
            if len(held) > MAX_TAG_BYTES:
                # Nothing of it is said, if it is closed.
                held = "<"
            self._say(as_text(_TAG.sub(" ", piece)))
            self._take()
            yield
        if not held.startswith("<"):
            self._say(as_text(held))
        self._end_part()

    def _refuse(self, *_: object) -> None:
        raise _RefusedError("a document type")

    def _begin_part(self, part: SsmlPart) -> None:
        self._part = part
        self._texts: list[str] = []
        """What has been read of it."""
        self._spoken = SpokenTextBuilder()
        self._pronouncer = Pronouncer(self._settings.pronunciations)
        self._styler = Styler(self._style)

    def _take(self) -> None:
        """Finish what is certain by now of the part's text."""
        self._texts.append(self._styler.write(self._pronouncer.write(self._spoken.take())))

    def _end_part(self) -> None:
        rest = self._pronouncer.write(self._spoken.end(), complete=True)
        self._texts.append(self._styler.write(rest))
        if text := "".join(self._texts).strip():
            self._parts.append(replace(self._part, text=text))
        if len(self._parts) > MAX_PARTS:
            raise _RefusedError("too many parts")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._elements) > MAX_SSML_DEPTH:
            raise _RefusedError("too deep")
        outer = self._elements[-1]
        element = _Element(name, outer.part, silent=outer.silent, spelled=outer.spelled)
        self._elements.append(element)
        if outer.silent:
            return
        if language := attributes.get("xml:lang"):
            element.part = replace(element.part, language=language)
        if name in _LINES:
            self._spoken.newline()
        elif name == "voice":
            element.part = replace(element.part, voice=attributes.get("name", ""))
        elif name == "prosody":
            element.part = _prosody(element.part, attributes)
            element.silent = attributes.get("volume") == "silent"
        elif name == "say-as":
            element.spelled = attributes.get("interpret-as", "")
            element.silent = element.spelled in ("expletive", "bleep")
        else:
            self._start_cue(name, attributes, element)

    def _start_cue(self, name: str, attributes: dict[str, str], element: _Element) -> None:
        if name == "break":
            self._breaks += _breaks(attributes)
        elif name == "emphasis":
            if attributes.get("level", "") not in ("none", "reduced"):
                self._cue("emphasis")
        elif name == "sub" and "alias" in attributes:
            self._characters(attributes["alias"])
            element.silent = True
        elif name == "phoneme":
            token = fish_phonemes(attributes.get("alphabet", "ipa"), attributes.get("ph", ""))
            if token:
                self._settle(element.part)
                self._spoken.unit(token)
                element.silent = True
        elif name in _STYLES:
            style = attributes.get(_STYLES[name], "")
            self._cue({"whispered": "whispering"}.get(style, style))
        elif name in _SILENT:
            element.silent = True

    def _end(self, name: str) -> None:
        self._elements.pop()
        if name in _LINES and not self._elements[-1].silent:
            self._spoken.newline()

    def _characters(self, text: str) -> None:
        element = self._elements[-1]
        if element.silent:
            return
        if text.strip():
            self._settle(element.part)
        if element.spelled in ("characters", "spell-out", "verbatim", "digits", "telephone"):
            text = "".join(f" {character}" for character in text if not character.isspace())
        self._say(text)

    def _say(self, text: str) -> None:
        """Say a text in which a line end is a space."""
        text = clean_characters(text, self._before).replace("\n", " ")
        self._before = text[-1:] or self._before
        self._spoken.literal(text)

    def _cue(self, name: str) -> None:
        if cue := self._cues.named(name):
            self._settle(self._elements[-1].part)
            self._spoken.cue(f"{cue} ")

    def _settle(self, part: SsmlPart) -> None:
        """What comes is spoken as ``part`` says, after the pauses before it."""
        if part != self._part:
            self._end_part()
            self._begin_part(part)
        if self._breaks:
            self._spoken.gap()
        for name in self._breaks[:_MAX_BREAKS]:
            self._spoken.cue(f"{self._cues.named(name)} ")
        self._breaks.clear()


def _split_tag(text: str) -> tuple[str, str]:
    """``text``, and what at its end may be the beginning of a tag or of a reference."""
    at = text.rfind("<")
    if at < 0 or ">" in text[at:]:
        return split_reference(text)
    return text[:at], text[at:]


def _breaks(attributes: dict[str, str]) -> list[str]:
    """The cues that make up a pause."""
    match = _TIME.fullmatch(attributes.get("time", "").strip())
    if match:
        seconds = float(match[1]) / (1000 if match[2] == "ms" else 1)
    else:
        seconds = _STRENGTHS.get(attributes.get("strength", "medium"), 2.0)
    if seconds < 0.1:
        return []
    if seconds < _LONG_BREAK:
        return ["break"]
    return ["long-break"] * min(_MAX_BREAKS, round(seconds / _LONG_BREAK))


def _prosody(part: SsmlPart, attributes: dict[str, str]) -> SsmlPart:
    """``part`` with the speed and volume of a `prosody`; its pitch is the voice's own."""
    speed, volume = part.speed, part.volume
    rate = attributes.get("rate", "").strip()
    if rate in _RATES:
        speed *= _RATES[rate]
    elif match := _NUMBER.fullmatch(rate):
        number = float(match[2]) / (100 if match[3] == "%" else 1)
        speed *= 1 + number * (1 if match[1] == "+" else -1) if match[1] else number
    loudness = attributes.get("volume", "").strip()
    if loudness in _LOUDNESS:
        volume += _LOUDNESS[loudness]
    elif (match := _NUMBER.fullmatch(loudness)) and match[3].lower() == "db":
        volume += float(match[1] + match[2])
    speed = min(max(speed, _SPEEDS[0]), _SPEEDS[1])
    return replace(part, speed=speed, volume=min(max(volume, _VOLUMES[0]), _VOLUMES[1]))
