"""What is to be said of a text: cleaned while it is being written, or the parts of its SSML."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Final

from .errors import VoiceNotFoundError
from .opening import Opening
from .settings import SPEEDS, VOLUMES, Backend, SpeechSettings, VoiceIds
from .text.cleaner import Cleaner
from .text.cues import Cues
from .text.settings import TextSettings
from .text.ssml import LONGEST_SSML, SsmlPart, begins_ssml, parse_ssml

__all__ = ["Script", "plain", "runs"]

# Characters within which it is known whether a text is SSML.
LONGEST_PROLOGUE: Final = 1000

# Characters that are cleaned at once, in about 4 ms.
AT_ONCE: Final = 4096

_CUE: Final = re.compile(r"\[[^\[\]]*\] ?")


class Script:
    """What is to be said by ``backend`` of one text; with ``ssml``, the text is said to be SSML."""

    def __init__(
        self,
        text: AsyncIterable[str],
        backend: Backend,
        settings: TextSettings,
        *,
        ssml: bool = False,
    ) -> None:
        self._text = text
        self._backend = backend
        self._settings = settings
        self._ssml = ssml
        self.parts: list[SsmlPart] = []
        """Those of a document, once ``text`` has come to its end."""

    async def text(self) -> AsyncIterator[str]:
        """The text, cleaned as it comes. A document is read to its end, and gives ``parts``.

        One that is too long for that is a text with tags.
        """
        cleaner = Cleaner(self._backend, self._settings)
        document = ""
        """What may be one."""
        # None while it is not known.
        is_ssml = False if self._settings.mode == "raw" else self._ssml or None
        async for piece in self._text:
            document += piece
            if is_ssml is not False:
                is_ssml = _is_ssml(document, is_ssml)
            if is_ssml is False:
                for at in range(0, len(document), AT_ONCE):
                    if at:
                        # Others have their turn.
                        await asyncio.sleep(0)
                    if text := cleaner.write(document[at : at + AT_ONCE]):
                        yield text
                document = ""
        if is_ssml:
            self.parts = await asyncio.to_thread(
                parse_ssml, document, self._backend, self._settings
            )
        elif rest := cleaner.write(document) + cleaner.end():
            yield rest

    def opening(self, voice: VoiceIds) -> Opening:
        """What each request by ``voice`` begins with: of several speakers, the first begins."""
        several = isinstance(voice, tuple) and self._settings.mode != "raw"
        style = self._settings.style and Cues(self._backend).named(self._settings.style)
        return Opening(style, "<|speaker:0|>" if several else "")


def _is_ssml(text: str, known: bool | None) -> bool | None:
    """Whether a text that begins with ``text`` is read as SSML; None while that is not known."""
    if known is None:
        known = begins_ssml(text[:LONGEST_PROLOGUE])
        if known is None and len(text) < LONGEST_PROLOGUE:
            return None
    return known is True and len(text) <= LONGEST_SSML


def runs(
    parts: Iterable[SsmlPart], settings: SpeechSettings, voice: Callable[[str], VoiceIds]
) -> Iterator[tuple[SpeechSettings, str]]:
    """The texts of ``parts`` with the settings of each, in as few runs as these allow.

    ``voice`` gives the voice of a name, or raises VoiceNotFoundError: then the voice of
    ``settings`` speaks.
    """
    for chosen, run in groupby(parts, lambda part: _chosen(part, settings, voice)):
        yield chosen, " ".join(part.text for part in run)


def _chosen(
    part: SsmlPart, settings: SpeechSettings, voice: Callable[[str], VoiceIds]
) -> SpeechSettings:
    voice_ids = settings.voice
    if part.voice:
        with contextlib.suppress(VoiceNotFoundError):
            voice_ids = voice(part.voice)
    return replace(
        settings,
        voice=voice_ids,
        speed=_within(settings.speed * part.speed, SPEEDS),
        volume=_within(settings.volume + part.volume, VOLUMES),
    )


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])


def plain(text: str, settings: TextSettings) -> str:
    """``text`` for a voice that is not Fish's: cleaned, without cues and phonemes."""
    if settings.mode == "raw":
        return text
    words = tuple(item for item in settings.pronunciations if not item.is_phonemes)
    cleaner = Cleaner(
        Backend.S2_1_PRO, replace(settings, style="", trusted=False, pronunciations=words)
    )
    return _CUE.sub("", cleaner.write(text) + cleaner.end())
