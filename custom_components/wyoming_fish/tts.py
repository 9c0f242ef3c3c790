"""Speech: a text-to-speech entity for each voice."""

import contextlib
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

from . import repairs
from .const import (
    ATTR_TEXT_FORMAT,
    ATTR_TRUSTED,
    ATTR_VOLUME,
    CONF_BACKEND,
    CONF_LATENCY,
    CONF_PREWARM,
    CONF_SPEED,
    CONF_STYLE,
    CONF_VOICE,
    SIGNAL_PROBLEM,
    SIGNAL_REPLY,
    USD_PER_MILLION_BYTES,
    ReplyProblem,
    ReplyTotals,
)
from .coordinator import FishConfigEntry
from .entity import voice_device
from .errors import OptionError, error_key, option_to_ha_exception, to_ha_exception
from .fish import Backend, FishError, SpeechSettings, TextSettings, speak
from .fish.client import KEEPALIVE_INTERVAL_S
from .fish.errors import (
    KeyRefusedError,
    NoAudioError,
    NoCreditError,
    VoiceNotFoundError,
)
from .fish.reply_metrics import ReplyMetrics
from .speech.audio import AudioFile
from .speech.message import Message
from .speech.options import OPTIONS, message_options
from .speech.prewarm import prewarm_on_satellite_activity
from .speech.text_options import has_style, text_options, text_settings
from .speech.voices import (
    backend_languages,
    configured_voices,
    language_voices,
    listed_voices,
    voice_for,
    voice_named,
)

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
        self._can_prewarm: bool = entry.options.get(CONF_PREWARM, True)
        self._backend = Backend(voice.data[CONF_BACKEND])
        self._attr_unique_id = voice.subentry_id
        self._attr_device_info = voice_device(entry, voice)
        self._attr_supported_languages = backend_languages(self._backend)
        self._attr_supported_options = [str(option) for option in OPTIONS.schema]
        # All that changes the audio: Home Assistant keeps plain messages by it.
        self._defaults = {
            ATTR_VOICE: _default_voice(voice),
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
        """Subscribe to the account's voices and to satellites that may use this entity."""
        await super().async_added_to_hass()
        voices = self._data.voices
        self.async_on_remove(voices.async_add_listener(self.async_write_ha_state))
        self.async_on_remove(prewarm_on_satellite_activity(self.hass, self._on_active_satellite))

    @callback
    def _on_active_satellite(self, engine: str) -> None:
        """Open a connection if the satellite's pipeline uses this entity."""
        if engine == self.entity_id:
            self._prewarm(self._backend)

    @callback
    def _prewarm(self, backend: Backend) -> None:
        """Open a connection before it is needed."""
        if self._can_prewarm:
            self._data.pool.prewarm(backend)

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
        except OptionError as error:
            raise option_to_ha_exception(error) from error
        # The first text may come later. Home Assistant also has to start ffmpeg.
        self._prewarm(settings.backend)
        ssml = options[ATTR_TEXT_FORMAT] == "ssml"
        speech = self._speech(request, settings, text, ssml=ssml)
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
        if name in configured_voices(self._voice):
            return name
        try:
            return voice_named(name, voices.data)
        except VoiceNotFoundError:
            # A self-hosted server need not list its voices.
            if voices.is_self_hosted:
                return name
            raise

    async def _speech(
        self, request: TTSAudioRequest, settings: SpeechSettings, text: TextSettings, *, ssml: bool
    ) -> AsyncGenerator[bytes]:
        metrics = ReplyMetrics()
        async with Message(request.message_gen) as message:
            if not self._can_prewarm:
                await message.wait_for_text()
            try:
                async with contextlib.aclosing(
                    speak(
                        self._data.pool,
                        message.pieces(),
                        settings,
                        text,
                        ssml=ssml,
                        voice=self._voice_id,
                        bridge=KEEPALIVE_INTERVAL_S,
                        metrics=metrics,
                    )
                ) as speech:
                    async for pcm in speech:
                        yield pcm
            except FishError as error:
                self._failed(error, settings)
                # Home Assistant ends a satellite's audio only if the stream ends without an error.
                # But it would keep the audio of a plain message.
                if metrics.heard is None or not message.is_streamed:
                    raise to_ha_exception(HomeAssistantError, error) from error
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
        price = USD_PER_MILLION_BYTES.get(settings.backend, 0)
        totals = ReplyTotals(
            first_audio=metrics.first_audio,
            text_bytes=metrics.billed,
            audio=metrics.audio,
            cost=metrics.billed * price / 1_000_000,
        )
        async_dispatcher_send(self.hass, SIGNAL_REPLY.format(voice_id), totals)
        if self._entry.state is ConfigEntryState.LOADED:
            data = self._entry.runtime_data
            data.first_audio[voice_id] = metrics.first_audio
            data.credit.schedule_refresh()
            if self._is_as_set_up(settings):
                repairs.delete_voice_issues(self.hass, self._entry, self._voice)

    def _is_as_set_up(self, settings: SpeechSettings) -> bool:
        """Return whether the voice and the model that were set up speak, and still are set up."""
        voice = self._entry.subentries.get(self._voice.subentry_id)
        return (
            voice is not None
            and settings.backend == voice.data[CONF_BACKEND]
            and settings.voice in (voice.data[CONF_VOICE], *configured_voices(voice))
        )

    @callback
    def _failed(self, error: FishError, settings: SpeechSettings) -> None:
        """Ask the person for what only a person can change, while the account is set up."""
        # The text that Home Assistant logs is a translation, without Fish Audio's own words.
        _LOGGER.warning("Fish Audio could not speak: %s", error.reason)
        async_dispatcher_send(
            self.hass,
            SIGNAL_PROBLEM.format(self._voice.subentry_id),
            ReplyProblem.FAILED,
            error_key(error),
        )
        if self._entry.state is not ConfigEntryState.LOADED:
            return
        if isinstance(error, KeyRefusedError):
            self._entry.async_start_reauth(self.hass)
        elif isinstance(error, NoCreditError):
            repairs.create_no_credit_issue(self.hass, self._entry)
        elif self._is_as_set_up(settings) and isinstance(error, VoiceNotFoundError):
            repairs.create_voice_missing_issue(
                self.hass, self._entry, self._voice, str(settings.voice)
            )
        elif self._is_as_set_up(settings) and isinstance(error, NoAudioError):
            repairs.create_voice_silent_issue(
                self.hass, self._entry, self._voice, str(settings.voice)
            )


def _default_voice(voice: ConfigSubentry) -> str | None:
    """Return the option that stands for the voices of a subentry.

    Home Assistant keeps plain messages by their options, so a change of any voice must change it.
    """
    voice_id: str | None = voice.data[CONF_VOICE]
    others = [f"{language}={other}" for language, other in sorted(language_voices(voice).items())]
    return " ".join([voice_id or "default", *others]) if others else voice_id
