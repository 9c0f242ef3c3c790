"""Speech: a text-to-speech entity for each voice."""

import contextlib
from collections.abc import AsyncGenerator
from typing import override

import voluptuous as vol
from homeassistant.components.tts import (
    ATTR_PREFERRED_FORMAT,
    ATTR_PREFERRED_SAMPLE_BYTES,
    ATTR_PREFERRED_SAMPLE_CHANNELS,
    ATTR_PREFERRED_SAMPLE_RATE,
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
from .const import (
    ATTR_TEXT_FORMAT,
    ATTR_TRUSTED,
    ATTR_VOLUME,
    CONF_BACKEND,
    CONF_LATENCY,
    CONF_SPEED,
    CONF_VOICE,
)
from .containers import AudioFile
from .coordinator import FishConfigEntry
from .entity import voice_device
from .errors import translated
from .fish import Backend, FishError, SpeechSettings, TextSettings, speak
from .fish.errors import (
    KeyRefusedError,
    NoAudioError,
    NoCreditError,
    SettingsError,
    VoiceNotFoundError,
)
from .fish.speech import BRIDGE
from .fish.story import Story
from .text_options import DEFAULTS, text_options, text_settings
from .voices import backend_languages, listed_voices, voice_named
from .warmth import on_awake_satellite

# The engine itself waits for the account's limit.
PARALLEL_UPDATES = 0

# A message's options are written by hand.
_OPTIONS = vol.Schema(
    {
        ATTR_PREFERRED_FORMAT: cv.string,
        ATTR_PREFERRED_SAMPLE_RATE: vol.Any(None, vol.Coerce(int)),
        ATTR_PREFERRED_SAMPLE_CHANNELS: vol.Any(None, vol.Coerce(int)),
        ATTR_PREFERRED_SAMPLE_BYTES: vol.Any(None, vol.Coerce(int)),
        ATTR_VOICE: vol.Any(None, cv.string),
        CONF_BACKEND: cv.string,
        CONF_LATENCY: cv.string,
        CONF_SPEED: vol.Coerce(float),
        ATTR_VOLUME: vol.Coerce(float),
        **dict.fromkeys(DEFAULTS, cv.string),
        ATTR_TEXT_FORMAT: vol.In(("text", "ssml")),
        ATTR_TRUSTED: cv.boolean,
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
        self._attr_default_options = {
            ATTR_VOICE: voice.data[CONF_VOICE],
            CONF_BACKEND: self._backend.value,
            CONF_LATENCY: voice.data[CONF_LATENCY],
            CONF_SPEED: voice.data[CONF_SPEED],
            ATTR_VOLUME: 0.0,
            **text_options(voice.data),
            ATTR_TEXT_FORMAT: "text",
            ATTR_TRUSTED: False,
        }

    @property
    @override
    def default_language(self) -> str:
        """Return the household's language where the backend speaks it."""
        language = self.hass.config.language
        return language if language in self.supported_languages else "en"

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the satellites that may speak with this voice."""
        await super().async_added_to_hass()
        self.async_on_remove(on_awake_satellite(self.hass, self._prewarm_if_it_speaks))

    @callback
    def _prewarm_if_it_speaks(self, engine: str) -> None:
        """Open a connection if ``engine`` is this voice."""
        if engine == self.entity_id:
            self._data.sockets.warm(self._backend)

    @callback
    @override
    def async_get_supported_voices(self, language: str) -> list[Voice]:
        """Return the voices that the account has for a language."""
        return listed_voices(language, self._data.voices.data, self._voice)

    @override
    async def async_stream_tts_audio(self, request: TTSAudioRequest) -> TTSAudioResponse:
        """Speak the message while it is being written, as PCM in WAV or CAF."""
        try:
            options = _OPTIONS(request.options)
            file = AudioFile.for_options(options)
            settings = SpeechSettings(
                backend=options[CONF_BACKEND],
                voice=options[ATTR_VOICE],
                latency=options[CONF_LATENCY],
                speed=options[CONF_SPEED],
                volume=options[ATTR_VOLUME],
                sample_rate=file.sample_rate,
            )
            text = text_settings(options, settings.backend)
        except vol.Invalid as error:
            raise translated(ServiceValidationError, SettingsError(f"{error}.")) from error
        except SettingsError as error:
            raise translated(ServiceValidationError, error) from error
        # The first text may be a while yet; Home Assistant has to start ffmpeg first, too.
        self._data.sockets.warm(settings.backend)
        ssml = options[ATTR_TEXT_FORMAT] == "ssml"
        speech = self._speech(request, settings, text, ssml=ssml)
        return TTSAudioResponse(file.extension, file.filled(speech))

    async def _speech(
        self, request: TTSAudioRequest, settings: SpeechSettings, text: TextSettings, *, ssml: bool
    ) -> AsyncGenerator[bytes]:
        story = Story()
        try:
            async with contextlib.aclosing(
                speak(
                    self._data.sockets,
                    request.message_gen,
                    settings,
                    text,
                    ssml=ssml,
                    voice=lambda name: voice_named(name, self._data.voices.data),
                    bridge=BRIDGE,
                    story=story,
                )
            ) as speech:
                async for pcm in speech:
                    yield pcm
        except FishError as error:
            self._failed(error, settings)
            raise translated(HomeAssistantError, error) from error
        finally:
            if story.first_audio is not None:
                self._meter.reply(story.first_audio, story.billed)
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
