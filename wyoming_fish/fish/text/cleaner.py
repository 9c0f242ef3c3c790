"""Written text, as it comes, made into what is to be spoken."""

from __future__ import annotations

from ..settings import Backend
from .characters import clean_characters, join_surrogates
from .cues import Cues, Styler
from .markup.parser import MarkupParser
from .output import SpokenTextBuilder
from .pronunciations import Pronouncer
from .settings import TextSettings

__all__ = ["Cleaner"]


class Cleaner:
    """The text of one reply for ``backend``, cleaned by ``settings``. It never raises.

    The result does not depend on the pieces in which the text came. What is not given at once is
    a mark that may be part of a construct, until that is known, and a space or a cue until a word
    follows it.
    """

    def __init__(self, backend: Backend, settings: TextSettings) -> None:
        cues = Cues(backend, free=settings.cues == "free")
        style = cues.named(settings.style) if settings.style else ""
        self._raw = settings.mode == "raw"
        self._style = f"{style} " if style and self._raw else ""
        self._styler = Styler("" if self._raw else style)
        self._spoken = SpokenTextBuilder()
        self._markup = MarkupParser(settings, cues, self._spoken)
        self._pronouncer = Pronouncer(() if self._raw else settings.pronunciations)
        self._half = ""
        """The first half of a character."""
        self._before = ""

    @property
    def held(self) -> int:
        """How many characters of the text wait for what follows them."""
        return len(self._half) + self._markup.held

    def write(self, text: str) -> str:
        """What is certain by now of ``text`` and of what came before it."""
        text = self._half + text
        self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        text = self._pronouncer.write(self._clean(text.removesuffix(self._half)))
        return self._styler.write(text)

    def end(self) -> str:
        """Return the rest when the text is complete."""
        rest = self._clean(self._half)
        if not self._raw:
            self._markup.write("", complete=True)
            rest += self._spoken.end()
        self._half = ""
        return self._styler.write(self._pronouncer.write(rest, complete=True))

    def _clean(self, text: str) -> str:
        if not text.isascii():
            text = join_surrogates(text)
        if self._raw:
            if self._style and text.strip():
                text, self._style = self._style + text, ""
            return text
        text = clean_characters(text, self._before)
        self._before = text[-1:] or self._before
        self._markup.write(text)
        return self._spoken.take()
