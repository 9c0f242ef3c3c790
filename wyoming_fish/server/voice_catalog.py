"""Voice catalog: the voices of the server, as a Wyoming Info event.

Home Assistant requests the Info every 30 seconds, and waits about a second for it. So the encoded
event is ready, and is refreshed in the background.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Iterable
from typing import Final

from wyoming.info import Attribution, Info, TtsProgram, TtsVoice, TtsVoiceSpeaker

from .. import __version__
from ..fish import FishClient, Voice
from ..fish.errors import FishError, VoiceNameError, VoiceNotFoundError
from ..fish.settings import (
    HOME_ASSISTANT_CODES,
    LANGUAGES,
    VOICE_ID,
    SpeechSettings,
    VoiceIds,
    voice_id_in,
)
from .events import encode

__all__ = ["VoiceCatalog"]

_LOGGER = logging.getLogger(__name__)

# Seconds between two requests for the account's voices: a new voice is listed within five minutes.
REFRESH_INTERVAL_S: Final = 300.0

# Seconds to the first retry after a failure; each further failure doubles them.
RETRY_DELAY_S: Final = 5.0

# The name of Fish Audio's default voice, which has no ID.
DEFAULT_NAME: Final = "default"

# Regional tags of the most spoken languages. Clients that were set up for another service request
# these, and Home Assistant refuses a tag that is not listed. A voice speaks all tags of its
# language alike.
REGIONS: Final = {
    "ar": ("AE", "EG", "SA"),
    "de": ("AT", "CH", "DE"),
    "en": ("AU", "CA", "GB", "IE", "IN", "NZ", "US", "ZA"),
    "es": ("AR", "ES", "MX", "US"),
    "fr": ("BE", "CA", "CH", "FR"),
    "it": ("IT",),
    "ja": ("JP",),
    "ko": ("KR",),
    "nl": ("BE", "NL"),
    "pl": ("PL",),
    "pt": ("BR", "PT"),
    "ru": ("RU",),
    "zh": ("CN", "HK", "TW"),
}

_ATTRIBUTION: Final = Attribution(name="Fish Audio", url="https://fish.audio")


class VoiceCatalog:
    """The configured voices and the voices of the account."""

    def __init__(self, fish: FishClient, speech: SpeechSettings) -> None:
        self._fish = fish
        self._speech = speech
        voice = speech.voice
        self._configured = voice if isinstance(voice, tuple) else () if voice is None else (voice,)
        self.voices: tuple[Voice, ...] = ()
        """The known voices. The same object until they change."""
        self.info = self._encode()
        """The encoded Info event."""

    def resolve(self, name: str | None, speaker: str | None = None) -> VoiceIds:
        """Return the ID of the voice that a client names; without a name, the configured voice.

        A name is a voice ID, listed or not, the address of its page, or the title of a listed
        voice. If the configured voice has several speakers, ``speaker`` selects one of them. Raises
        VoiceNotFoundError.
        """
        if name is None or name == self._default_name:
            if speaker and len(self._configured) > 1:
                return self._speaker(speaker)
            return self._speech.voice
        if any(voice.id == name for voice in self.voices) or VOICE_ID.fullmatch(name):
            return name
        wanted = name.casefold()
        for voice in self.voices:
            if voice.title.casefold() == wanted:
                return voice.id
        # The address of the voice's page.
        if voice_id := voice_id_in(name):
            return voice_id
        raise VoiceNameError(name)

    async def refresh_periodically(self) -> None:
        """Refresh the voices of the account until cancelled."""
        delay = RETRY_DELAY_S
        while True:
            # After a failure, the known voices remain.
            try:
                await self.refresh()
                pause, delay = REFRESH_INTERVAL_S, RETRY_DELAY_S
            except Exception as error:
                if isinstance(error, FishError):
                    _LOGGER.warning("Cannot list the voices: %s", error)
                else:
                    _LOGGER.exception("Cannot list the voices. Report this error.")
                pause, delay = delay, min(delay * 2, REFRESH_INTERVAL_S)
            # Servers that were started together do not send their requests together.
            await asyncio.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311

    async def refresh(self) -> None:
        """Refresh the voices of the account now. Raises FishError."""
        voices = await self._fish.voices()
        known = {voice.id for voice in voices}
        for voice_id in self._configured:
            if voice_id in known:
                continue
            try:
                voices.append(await self._fish.voice(voice_id))
            except VoiceNotFoundError as error:
                _LOGGER.warning("Cannot find the configured voice: %s", error)
        if (listed := tuple(voices)) != self.voices:
            self.voices = listed
            self.info = self._encode()

    @property
    def _default_name(self) -> str:
        return ",".join(self._configured) or DEFAULT_NAME

    def _speaker(self, name: str) -> str:
        if name in self._configured:
            return name
        labels = self._labels()
        for voice_id in self._configured:
            if labels[voice_id].casefold() == name.casefold():
                return voice_id
        known = ", ".join(labels[voice_id] for voice_id in self._configured)
        raise VoiceNotFoundError(f'Speaker not found: "{name}". The speakers are: {known}.')

    def _labels(self) -> dict[str, str]:
        """Return a unique label for each voice, by its ID."""
        labels = {voice_id: f"Voice {voice_id[:8]}" for voice_id in self._configured}
        titles = Counter(voice.title.casefold() for voice in self.voices)
        for voice in self.voices:
            is_ambiguous = titles[voice.title.casefold()] > 1
            labels[voice.id] = f"{voice.title} ({voice.id[:8]})" if is_ambiguous else voice.title
        return labels

    def _encode(self) -> bytes:
        all_codes = _codes(LANGUAGES[self._speech.backend])
        labels = self._labels()
        speakers = [labels[voice_id] for voice_id in self._configured]
        # Any voice speaks any language. The default voice must list all: it can be the only one.
        first = _tts_voice(
            self._default_name, ", ".join(speakers) or "Fish Audio's default voice", all_codes
        )
        if len(speakers) > 1:
            first.speakers = [TtsVoiceSpeaker(name) for name in speakers]
        others = sorted(
            (voice for voice in self.voices if voice.id != self._default_name),
            key=lambda voice: (voice.title.casefold(), voice.id),
        )
        program = TtsProgram(
            name="wyoming-fish",
            description="Fish Audio",
            attribution=_ATTRIBUTION,
            installed=True,
            version=__version__,
            voices=[
                first,
                *(
                    _tts_voice(voice.id, labels[voice.id], _codes(voice.languages) or all_codes)
                    for voice in others
                ),
            ],
            supports_synthesize_streaming=True,
        )
        return encode(Info(tts=[program]).event())


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
    """Return Home Assistant's codes for Fish's, and their regional tags, in a stable order."""
    codes = {HOME_ASSISTANT_CODES.get(code, code) for code in languages}
    tags = {f"{code}-{region}" for code in codes for region in REGIONS.get(code, ())}
    return sorted(codes | tags)
