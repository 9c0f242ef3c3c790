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
    """The language code of the text (`de`, `de-AT`), or empty if it is not known.

    Symbols for yes and no are spoken in this language. Emoji have names only in English."""

    cues: Literal["known", "free"] = "known"
    """Which phrases in brackets are cues: only words like Fish Audio's own, or any but a name.

    The reply of a language model has other words in brackets, too: `[off]`."""

    emoji: Literal["drop", "name"] = "drop"
    """Whether an emoji is left out, or its English name is said unless the text is in another
    language."""

    urls: Literal["host", "drop"] = "host"
    """Spoken form of a bare address: its host (`example.com`), or nothing."""

    code: str = ""
    """Text that is spoken instead of a code block, such as `There is code on the screen.`"""

    trusted: bool = False
    """Whether Fish's own tokens for speakers and phonemes may come in the text."""

    style: str = ""
    """A cue without its brackets, such as `calm` or `whisper`. It is put before each sentence."""

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
                raise SettingsError(f'{name} "{value}" is not one of: {", ".join(allowed)}.')
