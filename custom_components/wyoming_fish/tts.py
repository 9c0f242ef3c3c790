"""Speech: a text-to-speech entity for each voice."""

import contextlib
from collections.abc import AsyncGenerator, Mapping
from time import monotonic
from typing import Any, override

import voluptuous as vol
from homeassistant.components.tts import (
    ATTR_VOICE,
    TextToSpeechEntity,
    TTSAudioResponse,
    Voice,
)
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from . import issues
from .const import ATTR_STYLE, ATTR_VOLUME, CONF_BACKEND, CONF_LATENCY, CONF_SPEED, CONF_VOICE
from .coordinator import FishConfigEntry
from .entity import voice_device
from .errors import translated
from .fish import Backend, FishError, SpeechSettings, speak
from .fish.errors import (
    KeyRefusedError,
    NoAudioError,
    NoCreditError,
    SettingsError,
    VoiceNotFoundError,
)
from .fish.speech import BRIDGE
from .reply import ReplyText, style_cue, wav_header
from .voices import backend_languages, listed_voices

# The engine itself waits for the account's limit.
PARALLEL_UPDATES = 0

# A message's options are written by hand.
_OPTIONS = vol.Schema(
    {
        ATTR_VOICE: vol.Any(None, cv.string),
        CONF_BACKEND: cv.string,
        CONF_LATENCY: cv.string,
        CONF_SPEED: vol.Coerce(float),
        ATTR_VOLUME: vol.Coerce(float),
        ATTR_STYLE: cv.string,
    },
    extra=vol.REMOVE_EXTRA,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FishConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add an entity for each voice."""
    for voice in entry.subentries.values():
        async_add_entities([FishTextToSpeech(entry, voice)], config_subentry_id=voice.subentry_id)


class FishTextToSpeech(TextToSpeechEntity):
    """A voice that speaks."""

    _attr_has_entity_name = True
    # The engine's name must not be empty, as that of a device's main entity would be.
    _attr_translation_key = "voice"

    def __init__(self, entry: FishConfigEntry, voice: ConfigSubentry) -> None:
        """Take the voice's subentry."""
        self._entry = entry
        self._voice = voice
        self._data = entry.runtime_data
        self._meter = self._data.meters[voice.subentry_id]
        self._backend = Backend(voice.data[CONF_BACKEND])
        self._attr_unique_id = voice.subentry_id
        self._attr_device_info = voice_device(voice)
        self._attr_supported_languages = backend_languages(self._backend)
        self._attr_supported_options = [str(option) for option in _OPTIONS.schema]
        # All that changes the audio: Home Assistant keeps plain messages by it.
        self._defaults = {
            ATTR_VOICE: voice.data[CONF_VOICE],
            CONF_BACKEND: self._backend.value,
            CONF_LATENCY: voice.data[CONF_LATENCY],
            CONF_SPEED: voice.data[CONF_SPEED],
            ATTR_VOLUME: 0.0,
            ATTR_STYLE: "",
        }

    @property
    @override
    def default_language(self) -> str:
        """Return the household's language where the backend speaks it."""
        language = self.hass.config.language
        return language if language in self.supported_languages else "en"

    @property
    @override
    def default_options(self) -> Mapping[str, Any]:
        """Return what holds where a message says nothing else.

        Home Assistant asks for it as soon as something may have to be spoken: when a pipeline
        starts and when a message arrives. So a socket is opened now.
        """
        self._data.sockets.warm(self._backend)
        return self._defaults

    @callback
    @override
    def async_get_supported_voices(self, language: str) -> list[Voice]:
        """Return the voices that the account has for a language."""
        return listed_voices(language, self._data.voices.data, self._voice)

    @override
    async def async_stream_tts_audio(self, request: TTSAudioRequest) -> TTSAudioResponse:
        """Speak the message while it is being written, as PCM in WAV."""
        try:
            options = _OPTIONS(request.options)
            settings = SpeechSettings(
                backend=options[CONF_BACKEND],
                voice=options[ATTR_VOICE],
                latency=options[CONF_LATENCY],
                speed=options[CONF_SPEED],
                volume=options[ATTR_VOLUME],
            )
            cue = style_cue(options[ATTR_STYLE], settings.backend)
        except vol.Invalid as error:
            raise translated(ServiceValidationError, SettingsError(f"{error}.")) from error
        except SettingsError as error:
            raise translated(ServiceValidationError, error) from error
        return TTSAudioResponse("wav", self._speech(ReplyText(request.message_gen, cue), settings))

    async def _speech(self, text: ReplyText, settings: SpeechSettings) -> AsyncGenerator[bytes]:
        # At once: it starts the conversion that most players ask for.
        yield wav_header(settings.sample_rate)
        first_audio: float | None = None
        try:
            async with contextlib.aclosing(
                speak(self._data.sockets, text, settings, bridge=BRIDGE)
            ) as speech:
                async for pcm in speech:
                    if first_audio is None and text.began is not None:
                        first_audio = monotonic() - text.began
                    yield pcm
        except FishError as error:
            self._failed(error, settings)
            raise translated(HomeAssistantError, error) from error
        finally:
            if first_audio is not None:
                self._meter.reply(first_audio, text.size)
                self._data.credit.spent()
                if self._is_as_chosen(settings):
                    issues.voice_speaks(self.hass, self._entry, self._voice)

    def _is_as_chosen(self, settings: SpeechSettings) -> bool:
        """Whether it is the voice and the backend that were set up that speak."""
        chosen = self._voice.data
        return (settings.voice, settings.backend) == (chosen[CONF_VOICE], self._backend)

    @callback
    def _failed(self, error: FishError, settings: SpeechSettings) -> None:
        """Ask the person for what only a person can mend."""
        if isinstance(error, KeyRefusedError):
            self._entry.async_start_reauth(self.hass)
        elif isinstance(error, NoCreditError):
            issues.no_credit(self.hass, self._entry)
        elif self._is_as_chosen(settings) and isinstance(error, VoiceNotFoundError):
            issues.voice_is_gone(self.hass, self._entry, self._voice)
        elif self._is_as_chosen(settings) and isinstance(error, NoAudioError):
            issues.voice_is_silent(self.hass, self._entry, self._voice)
