"""Speech: a text-to-speech entity for each voice."""

from typing import Final, override

from homeassistant.components.tts import TextToSpeechEntity, TTSAudioResponse, Voice
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.restore_state import RestoredExtraData
from homeassistant.util import language as language_util

from .const import CONF_BACKEND
from .coordinator import FishConfigEntry
from .entity import VoiceEntity
from .errors import OptionError, option_to_ha_exception
from .fish import Backend
from .speech.options import OPTIONS
from .speech.prewarm import prewarm_on_satellite_activity
from .speech.request import MessageOptions
from .speech.synthesis import MessageSynthesis
from .speech.voices import backend_languages, listed_voices

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


class FishTextToSpeech(VoiceEntity, TextToSpeechEntity):
    """A voice that speaks."""

    # The engine's name must not be empty, as that of a device's main entity would be.
    _attr_translation_key = "voice"

    def __init__(self, hass: HomeAssistant, entry: FishConfigEntry, voice: ConfigSubentry) -> None:
        """Initialize the entity of a voice."""
        super().__init__(entry, voice)
        self._voice = voice
        self._data = entry.runtime_data
        self._backend = Backend(voice.data[CONF_BACKEND])
        self._attr_supported_languages = backend_languages(self._backend)
        self._attr_supported_options = [str(option) for option in OPTIONS.schema]
        self._options = MessageOptions(voice, entry.runtime_data.voices)
        self._set_kept_fallbacks(0)
        self._synthesis = MessageSynthesis(hass, entry, voice, self._on_kept_fallback)

    def _set_kept_fallbacks(self, count: int) -> None:
        """Set how many messages of the fallback voice Home Assistant may have kept."""
        self._kept_fallbacks = count
        kept = {ATTR_KEPT_FALLBACKS: count} if count else {}
        self._attr_default_options = {**self._options.defaults, **kept}

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
            message = self._options.request(request)
        except OptionError as error:
            raise option_to_ha_exception(error) from error
        # The first text may come later. Home Assistant also has to start ffmpeg.
        self._synthesis.prewarm(message.settings.backend)
        speech = self._synthesis.speak(message)
        return TTSAudioResponse(message.file.extension, message.file.filled(speech))
