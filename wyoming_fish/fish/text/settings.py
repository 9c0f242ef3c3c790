"""What is to be made of written text before it is spoken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import SettingsError
from .pronunciations import Pronunciation

__all__ = ["TextSettings"]


@dataclass(frozen=True, slots=True)
class TextSettings:
    """How text is cleaned. Raises SettingsError for a value that is none of those named."""

    mode: Literal["clean", "raw"] = "clean"
    """Whether anything is cleaned at all. ``raw`` is sent as it came, behind the style."""

    language: str = ""
    """The language of the text by its code («de», «de-AT»), or nothing if it is not known.

    Signs of yes and no are said in it; an emoji is named in English only."""

    cues: Literal["known", "free"] = "known"
    """Whether only words like Fish's own cues are acted in brackets, or any phrase that is no name.

    A reply of a language model has much else in brackets: «[off]»."""

    emoji: Literal["drop", "name"] = "drop"
    """Whether an emoji is left out, or its English name is said unless the text is in another
    language."""

    urls: Literal["host", "drop"] = "host"
    """What is said of a bare address: its host («example.com»), or nothing."""

    code: str = ""
    """What is said in place of a block of code, such as «There is code on the screen.»"""

    trusted: bool = False
    """Whether Fish's own tokens for speakers and phonemes may come in the text."""

    style: str = ""
    """A cue without its brackets, such as «calm» or «whisper», put before each sentence."""

    pronunciations: tuple[Pronunciation, ...] = ()
    """Words that are spoken otherwise than they are written."""

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("text", self.mode, ("clean", "raw")),
            ("cues", self.cues, ("known", "free")),
            ("emoji", self.emoji, ("drop", "name")),
            ("urls", self.urls, ("host", "drop")),
        ):
            if value not in allowed:
                raise SettingsError(f"{name} {value!r} is not one of: {', '.join(allowed)}.")
