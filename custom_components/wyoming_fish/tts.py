"""Speech: a text-to-speech entity for each voice."""

import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any, override

from homeassistant.components.tts import (
    ATTR_VOICE,
    TextToSpeechEntity,
    TTSAudioResponse,
    Voice,
)
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import language as language_util

from . import issues
from .const import (
    ATTR_TEXT_FORMAT,
    ATTR_TRUSTED,
    ATTR_VOLUME,
    CONF_BACKEND,
    CONF_LATENCY,
    CONF_SPEED,
    CONF_STYLE,
    CONF_VOICE,
    SIGNAL_REPLY,
)
from .containers import AudioFile
from .coordinator import FishConfigEntry
from .entity import voice_device
from .errors import OptionError, translated, translated_option
from .fish import KEEPALIVE_INTERVAL_S, Backend, FishError, SpeechSettings, TextSettings
from .fish.errors import (
    KeyRefusedError,
    NoAudioError,
    NoCreditError,
    VoiceNotFoundError,
)
from .fish.reply_metrics import ReplyMetrics
from .message_options import OPTIONS, message_options
from .text_options import has_style, text_options, text_settings
from .voices import backend_languages, listed_voices, voice_named
from .warmth import on_awake_satellite

_LOGGER = logging.getLogger(__name__)

# The engine itself waits for the account's limit.
PARALLEL_UPDATES = 0


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
        self._backend = Backend(voice.data[CONF_BACKEND])
        self._attr_unique_id = voice.subentry_id
        self._attr_device_info = voice_device(entry, voice)
        self._attr_supported_languages = backend_languages(self._backend)
        self._attr_supported_options = [str(option) for option in OPTIONS.schema]
        # All that changes the audio: Home Assistant keeps plain messages by it.
        self._defaults = {
            ATTR_VOICE: voice.data[CONF_VOICE],
            CONF_BACKEND: self._backend.value,
            CONF_LATENCY: voice.data[CONF_LATENCY],
            CONF_SPEED: voice.data[CONF_SPEED],
            ATTR_VOLUME: 0.0,
            **text_options(voice.data),
            ATTR_TEXT_FORMAT: "text",
            ATTR_TRUSTED: False,
        }
        self._attr_default_options = self._defaults

    @property
    @override
    def default_language(self) -> str:
        """Return the household's language where the backend speaks it."""
        config = self.hass.config
        known = language_util.matches(config.language, self.supported_languages, config.country)
        return next(iter(known), "en")

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the satellites that may speak with this voice, and the account's voices."""
        await super().async_added_to_hass()
        voices = self._data.voices
        self.async_on_remove(voices.async_add_listener(self.async_write_ha_state))
        self.async_on_remove(on_awake_satellite(self.hass, self._prewarm_if_it_speaks))

    @callback
    def _prewarm_if_it_speaks(self, engine: str) -> None:
        """Open a connection if ``engine`` is this voice."""
        if engine == self.entity_id:
            self._data.fish.prewarm(self._backend)

    @callback
    @override
    def async_get_supported_voices(self, language: str) -> list[Voice]:
        """Return the voices that the account has for a language."""
        return listed_voices(language, self._data.voices.data, self._voice)

    @override
    async def async_stream_tts_audio(self, request: TTSAudioRequest) -> TTSAudioResponse:
        """Speak the message while it is being written, as PCM in WAV or CAF."""
        try:
            options = message_options(request.options)
            file = AudioFile.for_options(options)
            settings = self._speech_settings(options, file.sample_rate)
            text = self._text_settings(options, settings.backend)
        except OptionError as error:
            raise translated_option(error) from error
        # The first text may be a while yet; Home Assistant has to start ffmpeg first, too.
        self._data.fish.prewarm(settings.backend)
        ssml = options[ATTR_TEXT_FORMAT] == "ssml"
        speech = self._speech(request, settings, text, ssml=ssml)
        return TTSAudioResponse(file.extension, file.filled(speech))

    def _speech_settings(self, options: Mapping[str, Any], sample_rate: int) -> SpeechSettings:
        """Return how a message with these options is spoken. Raises OptionError."""
        voice = options[ATTR_VOICE]
        try:
            voice_id = None if voice is None else self._voice_id(voice)
        except VoiceNotFoundError as error:
            raise OptionError("voice_unknown", voice=voice) from error
        return SpeechSettings(
            backend=options[CONF_BACKEND],
            voice=voice_id,
            latency=options[CONF_LATENCY],
            sample_rate=sample_rate,
            speed=options[CONF_SPEED],
            volume=options[ATTR_VOLUME],
        )

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
        if name == self._defaults[ATTR_VOICE]:
            return name
        try:
            return voice_named(name, voices.data)
        except VoiceNotFoundError:
            # A self-hosted server need not list its voices.
            if voices.own_server:
                return name
            raise

    async def _speech(
        self, request: TTSAudioRequest, settings: SpeechSettings, text: TextSettings, *, ssml: bool
    ) -> AsyncGenerator[bytes]:
        metrics = ReplyMetrics()
        message = _Message(request.message_gen)
        try:
            async with self._data.fish.speak(
                message.pieces(),
                settings,
                text,
                ssml=ssml,
                resolve_voice=self._voice_id,
                keepalive_s=KEEPALIVE_INTERVAL_S,
                metrics=metrics,
            ) as reply:
                async for pcm in reply:
                    yield pcm
        except FishError as error:
            self._failed(error, settings)
            # Home Assistant ends a satellite's audio only if the stream ends without an error. But
            # it would keep the audio of a plain message.
            if metrics.heard is None or not message.is_streamed:
                raise translated(HomeAssistantError, error) from error
        finally:
            self._finished(metrics, settings)

    @callback
    def _finished(self, metrics: ReplyMetrics, settings: SpeechSettings) -> None:
        """Tell of a reply of which something was heard.

        The entry may have been set up again, or removed, since the reply began.
        """
        if metrics.first_audio is None:
            return
        voice_id = self._voice.subentry_id
        async_dispatcher_send(
            self.hass, SIGNAL_REPLY.format(voice_id), metrics.first_audio, metrics.billed
        )
        if self._entry.state is ConfigEntryState.LOADED:
            data = self._entry.runtime_data
            data.first_audio[voice_id] = metrics.first_audio
            data.credit.spent()
            if self._is_as_set_up(settings):
                issues.voice_speaks(self.hass, self._entry, self._voice)

    def _is_as_set_up(self, settings: SpeechSettings) -> bool:
        """Return whether the voice and the model that were set up speak, and still are set up."""
        voice = self._entry.subentries.get(self._voice.subentry_id)
        return voice is not None and (settings.voice, settings.backend) == (
            voice.data[CONF_VOICE],
            voice.data[CONF_BACKEND],
        )

    @callback
    def _failed(self, error: FishError, settings: SpeechSettings) -> None:
        """Ask the person for what only a person can change, while the account is set up."""
        # The text that Home Assistant logs is a translation, without Fish Audio's own words.
        _LOGGER.warning("Fish Audio could not speak: %s", error.reason)
        if self._entry.state is not ConfigEntryState.LOADED:
            return
        if isinstance(error, KeyRefusedError):
            self._entry.async_start_reauth(self.hass)
        elif isinstance(error, NoCreditError):
            issues.no_credit(self.hass, self._entry)
        elif self._is_as_set_up(settings) and isinstance(error, VoiceNotFoundError):
            issues.voice_is_gone(self.hass, self._entry, self._voice)
        elif self._is_as_set_up(settings) and isinstance(error, NoAudioError):
            issues.voice_is_silent(self.hass, self._entry, self._voice)


class _Message:
    """The text of a message, as it comes."""

    def __init__(self, pieces: AsyncGenerator[str]) -> None:
        self._pieces = pieces
        self.is_streamed = False
        """Whether it came while it was being written: a plain message is one piece."""

    async def pieces(self) -> AsyncGenerator[str]:
        """Give the text."""
        first = True
        async for piece in self._pieces:
            self.is_streamed = not first
            first = False
            yield piece
