"""Speech: a text-to-speech entity for each voice."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, override

from homeassistant.components.tts import (
    ATTR_VOICE,
    TextToSpeechEntity,
    TTSAudioResponse,
    Voice,
)
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.restore_state import RestoredExtraData
from homeassistant.util import language as language_util

from .const import (
    ATTR_TEXT_FORMAT,
    ATTR_TRUSTED,
    CONF_BACKEND,
    CONF_STYLE,
    CONF_VOICE,
)
from .coordinator import FishConfigEntry
from .entity import voice_device
from .errors import OptionError, option_to_ha_exception
from .fish import Backend, SpeechSettings, TextSettings, has_style
from .fish.errors import VoiceNotFoundError
from .speech.audio import AudioFile
from .speech.options import OPTIONS, message_options, speech_settings, voice_options
from .speech.prewarm import prewarm_on_satellite_activity
from .speech.synthesis import MessageRequest, MessageSynthesis
from .speech.text_options import text_settings
from .speech.voices import (
    backend_languages,
    configured_voices,
    language_voices,
    listed_voices,
    voice_for,
    voice_named,
)

# The default option that changes when Home Assistant keeps a message of the fallback voice.
ATTR_KEPT_FALLBACKS: Final = "kept_fallbacks"

# The engine itself waits for the account's limit.
PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FishConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add an entity for each voice."""
    for voice in entry.subentries.values():
        async_add_entities(
            [FishTextToSpeech(hass, entry, voice)], config_subentry_id=voice.subentry_id
        )


class FishTextToSpeech(TextToSpeechEntity):
    """A voice that speaks."""

    _attr_has_entity_name = True
    # The engine's name must not be empty, as that of a device's main entity would be.
    _attr_translation_key = "voice"

    def __init__(self, hass: HomeAssistant, entry: FishConfigEntry, voice: ConfigSubentry) -> None:
        """Initialize the entity of a voice."""
        self._entry = entry
        self._voice = voice
        self._data = entry.runtime_data
        self._backend = Backend(voice.data[CONF_BACKEND])
        self._attr_unique_id = voice.subentry_id
        self._attr_device_info = voice_device(entry, voice)
        self._attr_supported_languages = backend_languages(self._backend)
        self._attr_supported_options = [str(option) for option in OPTIONS.schema]
        # All that changes the audio: Home Assistant keeps plain messages by it.
        self._defaults = {
            ATTR_VOICE: _default_voice(voice),
            CONF_BACKEND: self._backend.value,
            **voice_options(voice.data),
            ATTR_TEXT_FORMAT: "text",
            ATTR_TRUSTED: False,
        }
        self._set_kept_fallbacks(0)
        self._synthesis = MessageSynthesis(hass, entry, voice, self._on_kept_fallback)

    def _set_kept_fallbacks(self, count: int) -> None:
        """Set how many messages of the fallback voice Home Assistant may have kept."""
        self._kept_fallbacks = count
        kept = {ATTR_KEPT_FALLBACKS: count} if count else {}
        self._attr_default_options = self._defaults | kept

    @callback
    def _on_kept_fallback(self) -> None:
        """Change the options that Home Assistant keeps messages by.

        So the fallback voice does not speak a message again when Fish Audio is available.
        """
        self._set_kept_fallbacks(self._kept_fallbacks + 1)

    @property
    @override
    def extra_restore_state_data(self) -> RestoredExtraData:
        """Return what must survive a restart."""
        return RestoredExtraData({ATTR_KEPT_FALLBACKS: self._kept_fallbacks})

    @property
    @override
    def default_language(self) -> str:
        """Return the household's language where the backend speaks it."""
        config = self.hass.config
        known = language_util.matches(config.language, self.supported_languages, config.country)
        return next(iter(known), "en")

    @override
    async def async_added_to_hass(self) -> None:
        """Subscribe to the account's voices and to satellites that may use this entity."""
        await super().async_added_to_hass()
        if (last := await self.async_get_last_extra_data()) is not None:
            self._set_kept_fallbacks(int(last.as_dict().get(ATTR_KEPT_FALLBACKS, 0)))
        voices = self._data.voices
        self.async_on_remove(voices.async_add_listener(self.async_write_ha_state))
        self.async_on_remove(prewarm_on_satellite_activity(self.hass, self._on_active_satellite))

    @callback
    def _on_active_satellite(self, engine: str) -> None:
        """Open a connection if the satellite's pipeline uses this entity."""
        if engine == self.entity_id:
            self._synthesis.prewarm(self._backend)

    @callback
    @override
    def async_get_supported_voices(self, language: str) -> list[Voice]:
        """Return the voices that the account has for a language."""
        return listed_voices(language, self._data.voices.data, self._voice)

    @override
    async def async_stream_tts_audio(self, request: TTSAudioRequest) -> TTSAudioResponse:
        """Speak the message while it is being written, as PCM in WAV or CAF."""
        try:
            options = message_options(self._with_voice(request))
            file = AudioFile.for_options(options)
            settings = self._speech_settings(options, file.sample_rate)
            text = self._text_settings(options, settings.backend)
            text = replace(text, language=request.language)
        except OptionError as error:
            raise option_to_ha_exception(error) from error
        # The first text may come later. Home Assistant also has to start ffmpeg.
        self._synthesis.prewarm(settings.backend)
        message = MessageRequest(
            request,
            settings,
            text,
            is_ssml=options[ATTR_TEXT_FORMAT] == "ssml",
            find_voice=self._voice_id,
        )
        speech = self._synthesis.speak(message)
        return TTSAudioResponse(file.extension, file.filled(speech))

    def _with_voice(self, request: TTSAudioRequest) -> dict[str, Any]:
        """Return the options with the voice of the language, unless they name a voice."""
        options = dict(request.options)
        if options[ATTR_VOICE] == self._defaults[ATTR_VOICE]:
            options[ATTR_VOICE] = voice_for(request.language, self._voice)
        return options

    def _speech_settings(self, options: Mapping[str, Any], sample_rate: int) -> SpeechSettings:
        """Return the speech settings of a message with these options. Raises OptionError."""
        voice = options[ATTR_VOICE]
        try:
            voice_id = None if voice is None else self._voice_id(voice)
        except VoiceNotFoundError as error:
            raise OptionError("voice_unknown", voice=voice) from error
        return speech_settings(options, voice_id, sample_rate)

    def _text_settings(self, options: Mapping[str, Any], backend: Backend) -> TextSettings:
        """Return what is made of the text of a message with these options. Raises OptionError."""
        own_style = self._defaults[CONF_STYLE]
        if options[CONF_STYLE] == own_style and not has_style(backend, own_style):
            # The message names another model, and not this style, which is the voice's own.
            options = {**options, CONF_STYLE: ""}
        return text_settings(options, backend)

    def _voice_id(self, name: str) -> str:
        """Return the id of the voice that a message or SSML names. Raises VoiceNotFoundError."""
        voices = self._data.voices
        if name in configured_voices(self._voice):
            return name
        try:
            return voice_named(name, voices.data)
        except VoiceNotFoundError:
            if voices.has_account:
                raise
            # The server need not list its voices.
            return name


def _default_voice(voice: ConfigSubentry) -> str | None:
    """Return the option that stands for the voices of a subentry.

    Home Assistant keeps plain messages by their options, so a change of any voice must change it.
    """
    voice_id: str | None = voice.data[CONF_VOICE]
    others = [f"{language}={other}" for language, other in sorted(language_voices(voice).items())]
    return " ".join([voice_id or "default", *others]) if others else voice_id
