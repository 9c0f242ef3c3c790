"""What is to be said of a text: cleaned while it is being written, or the parts of its SSML."""

from __future__ import annotations

import contextlib
import re
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
)
from dataclasses import replace
from itertools import groupby
from typing import Final

from ..cpu_turns import cpu_turn, steps
from ..errors import VoiceNotFoundError
from ..settings import SPEEDS, VOLUMES, Backend, SpeechSettings, VoiceIds
from .cleaner import Cleaner
from .cues import Cues
from .request_prefix import RequestPrefix
from .settings import TextSettings
from .ssml.document import MAX_SSML_CHARS, SsmlPart, begins_ssml, ssml_steps
from .text_buffer import TextBuffer

__all__ = ["PreparedText", "plain", "plain_pieces", "runs"]

# Characters within which it is known whether a text is SSML.
MAX_PROLOGUE_CHARS: Final = 1000

_CUE: Final = re.compile(r"\[[^\[\]]*\] ?")


class PreparedText:
    """What is to be said by ``backend`` of one text; with ``ssml``, the text is said to be SSML."""

    def __init__(
        self, source: TextBuffer, backend: Backend, settings: TextSettings, *, ssml: bool = False
    ) -> None:
        self._source = source
        self._backend = backend
        self._settings = settings
        self._ssml = ssml
        self.parts: list[SsmlPart] = []
        """Those of a document, once ``steps`` has come to its end."""

    def steps(self) -> Iterator[str | None]:
        """The text, cleaned as it is written; None when the next part is not written yet.

        Each step takes STEP_CHARS of the text, and may give nothing. A document is read to its end,
        and gives ``parts``. One that is too long for that is a text with tags.
        """
        cleaner = Cleaner(self._backend, self._settings)
        # None while it is not known.
        is_ssml = False if self._settings.mode == "raw" else self._ssml or None
        # What may be a document.
        held = ""
        for part in self._source.read():
            if part is None:
                yield None
                continue
            held += part
            if is_ssml is None:
                is_ssml = _is_ssml(held)
            if is_ssml and len(held) > MAX_SSML_CHARS:
                is_ssml = False
            if is_ssml is False:
                for step in steps(held):
                    yield cleaner.write(step)
                held = ""
            else:
                yield ""
        if is_ssml:
            for _ in ssml_steps(held, self._backend, self._settings, self.parts):
                yield ""
        else:
            yield cleaner.write(held) + cleaner.end()

    def prefix(self, voice: VoiceIds) -> RequestPrefix:
        """What each request by ``voice`` begins with: of several speakers, the first begins."""
        several = isinstance(voice, tuple) and self._settings.mode != "raw"
        style = self._settings.style and Cues(self._backend).named(self._settings.style)
        return RequestPrefix(style, "<|speaker:0|>" if several else "")


def _is_ssml(text: str) -> bool | None:
    """Whether a text that begins with ``text`` is read as SSML; None while that is not known."""
    known = begins_ssml(text[:MAX_PROLOGUE_CHARS])
    return False if known is None and len(text) >= MAX_PROLOGUE_CHARS else known


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


async def plain(text: TextBuffer, settings: TextSettings) -> str:
    """``text``, once complete, for another voice than Fish's: cleaned, no cues or phonemes."""
    # Not a list: a letter by itself would take 80 bytes.
    cleaned = TextBuffer()
    async for piece in plain_pieces(_once(await text.whole()), settings):
        cleaned.write(piece)
    return "".join(cleaned.since(0))


async def _once(text: str) -> AsyncIterator[str]:
    yield text


async def plain_pieces(text: AsyncIterable[str], settings: TextSettings) -> AsyncGenerator[str]:
    """The same, while the text is being written."""
    words = tuple(item for item in settings.pronunciations if not item.is_phonemes)
    cleaner = Cleaner(
        Backend.S2_1_PRO, replace(settings, style="", trusted=False, pronunciations=words)
    )
    is_raw = settings.mode == "raw"
    async for piece in text:
        for step in steps(piece):
            await cpu_turn()
            # A cue is never cut in two.
            if plain_text := step if is_raw else _CUE.sub("", cleaner.write(step)):
                yield plain_text
    if rest := _CUE.sub("", cleaner.end()):
        yield rest
