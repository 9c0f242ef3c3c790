"""The voices on offer, as Wyoming's Info tells them.

A client asks for Info every 30 seconds and waits a second or so for it: the answer lies ready,
the same bytes until the voices really change, and is renewed in the background.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Iterable
from typing import Final

from wyoming.info import Attribution, Info, TtsProgram, TtsVoice

from . import __version__
from .fish.account import Account, Voice
from .fish.errors import FishError, VoiceNotFoundError
from .fish.settings import HOME_ASSISTANT_CODES, LANGUAGES, VOICE_ID, SpeechSettings
from .wire import encode

__all__ = ["Catalog"]

_LOGGER = logging.getLogger(__name__)

# Seconds between two looks at the account: a new voice is there within five minutes.
REFRESH_INTERVAL: Final = 300.0

# Seconds to the first new try after a failure; each further failure doubles them.
RETRY_DELAY: Final = 5.0

# The name of Fish's own default voice, which has no id.
DEFAULT_NAME: Final = "default"

_ATTRIBUTION: Final = Attribution(name="Fish Audio", url="https://fish.audio")


class Catalog:
    """The configured voice and the account's own."""

    def __init__(self, account: Account, speech: SpeechSettings) -> None:
        self._account = account
        self._speech = speech
        self._listed: list[Voice] = []
        self.info = self._encode()
        """The encoded Info event."""

    def resolve(self, name: str | None) -> str | None:
        """The id (None: Fish's default) of the voice that a client names; no name is the default.

        A name is the id of a voice, listed or not, or the title of a listed one. Raises
        VoiceNotFoundError.
        """
        if name is None or name == self._default_name:
            return self._speech.voice
        if any(voice.id == name for voice in self._listed) or VOICE_ID.fullmatch(name):
            return name
        wanted = name.casefold()
        for voice in self._listed:
            if voice.title.casefold() == wanted:
                return voice.id
        raise VoiceNotFoundError(f"The account has no voice named {name!r}.")

    async def keep_fresh(self) -> None:
        """Follow the account's voices until cancelled."""
        delay = RETRY_DELAY
        while True:
            try:
                await self.refresh()
            except FishError as error:
                # The voices known so far go on being offered.
                _LOGGER.warning("The voices could not be listed: %s", error)
                pause, delay = delay, min(delay * 2, REFRESH_INTERVAL)
            else:
                pause, delay = REFRESH_INTERVAL, RETRY_DELAY
            # Servers that were started together need not ask together.
            await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311

    async def refresh(self) -> None:
        """Look at the account now. Raises FishError."""
        voices = await self._account.voices()
        configured = self._speech.voice
        if configured is not None and all(voice.id != configured for voice in voices):
            try:
                voices.append(await self._account.voice(configured))
            except VoiceNotFoundError as error:
                _LOGGER.warning("The configured voice is not there: %s", error)
        self._listed = voices
        self.info = self._encode()

    @property
    def _default_name(self) -> str:
        return self._speech.voice or DEFAULT_NAME

    def _encode(self) -> bytes:
        everything = _codes(LANGUAGES[self._speech.backend])
        titles = Counter(voice.title.casefold() for voice in self._listed)
        by_id = {voice.id: voice for voice in self._listed}

        def described(voice: Voice) -> str:
            # People see this and not the name: two of one title must not look the same.
            twice = titles[voice.title.casefold()] > 1
            return f"{voice.title} ({voice.id[:8]})" if twice else voice.title

        default = by_id.pop(self._default_name, None)
        # Any voice speaks any language, and the default one has to: nobody else may be there.
        first = _tts_voice(
            self._default_name,
            described(default) if default else _unlisted_title(self._speech.voice),
            everything,
        )
        others = sorted(by_id.values(), key=lambda voice: (voice.title.casefold(), voice.id))
        program = TtsProgram(
            name="wyoming-fish",
            description="Fish Audio",
            attribution=_ATTRIBUTION,
            installed=True,
            version=__version__,
            voices=[
                first,
                *(
                    _tts_voice(voice.id, described(voice), _codes(voice.languages) or everything)
                    for voice in others
                ),
            ],
            supports_synthesize_streaming=True,
        )
        return encode(Info(tts=[program]).event())


def _unlisted_title(voice_id: str | None) -> str:
    return "Fish Audio's default voice" if voice_id is None else f"Voice {voice_id[:8]}"


def _tts_voice(name: str, description: str, languages: list[str]) -> TtsVoice:
    return TtsVoice(
        name=name,
        description=description,
        attribution=_ATTRIBUTION,
        installed=True,
        version=None,
        languages=languages,
    )


def _codes(languages: Iterable[str]) -> list[str]:
    """The codes that Home Assistant has for Fish's, each once, in an order that stays."""
    return sorted({HOME_ASSISTANT_CODES.get(code, code) for code in languages})
