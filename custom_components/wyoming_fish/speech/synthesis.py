"""Replies: Fish Audio speaks them, or the fallback voice; what happens is reported."""

import contextlib
import logging
from collections.abc import AsyncGenerator, Callable

from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.dispatcher import async_dispatcher_send

from .. import repairs
from ..const import (
    CONF_BACKEND,
    CONF_FALLBACK_VOICE,
    CONF_PREWARM,
    CONF_VOICE,
    SIGNAL_PROBLEM,
    SIGNAL_REPLY,
    ReplyProblem,
    ReplyTotals,
)
from ..coordinator import FishConfigEntry
from ..errors import error_key, is_free_model_refused, to_ha_exception
from ..fish import (
    FALLBACK_AFTER_S,
    KEEPALIVE_INTERVAL_S,
    USD_PER_MILLION_BYTES,
    Backend,
    FishError,
    ReplyMetrics,
    SpeechSettings,
    TextBuffer,
    buffered,
)
from ..fish.errors import (
    KeyRefusedError,
    NoAudioError,
    NoCreditError,
    TextTimeoutError,
    VoiceNotFoundError,
)
from .fallback import FallbackError, FallbackVoice
from .request import MessageRequest
from .voices import configured_voices

_LOGGER = logging.getLogger(__name__)


class MessageSynthesis:
    """Speaks the messages of one voice."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: FishConfigEntry,
        voice: ConfigSubentry,
        on_kept_fallback: Callable[[], None],
    ) -> None:
        """Take the voice's subentry.

        ``on_kept_fallback`` is called when Home Assistant will keep a message that the fallback
        voice speaks.
        """
        self._hass = hass
        self._entry = entry
        self._voice = voice
        self._on_kept_fallback = on_kept_fallback
        self._data = entry.runtime_data
        self._can_prewarm: bool = entry.options.get(CONF_PREWARM, True)
        fallback = entry.options.get(CONF_FALLBACK_VOICE)
        self._fallback = FallbackVoice(hass, fallback) if fallback else None

    @callback
    def prewarm(self, backend: Backend) -> None:
        """Open a connection before it is needed, unless the account's options forbid it."""
        if self._can_prewarm:
            self._data.fish.prewarm(backend)

    async def speak(self, request: MessageRequest) -> AsyncGenerator[bytes]:
        """Speak a message with Fish Audio, or with the fallback if that fails before its audio."""
        metrics = ReplyMetrics()
        settings = request.settings
        async with buffered(request.tts.message_gen) as text:
            text.is_kept = self._fallback is not None
            if not self._can_prewarm:
                # To speak opens a connection immediately.
                async with contextlib.aclosing(text.pieces()) as pieces:
                    await anext(pieces, None)
            try:
                async with self._data.fish.speak(
                    text,
                    settings,
                    request.text,
                    ssml=request.is_ssml,
                    resolve_voice=request.find_voice,
                    keepalive_s=KEEPALIVE_INTERVAL_S,
                    first_audio_timeout_s=FALLBACK_AFTER_S if self._fallback else None,
                    metrics=metrics,
                ) as speech:
                    async for pcm in speech:
                        yield pcm
                return
            except FishError as error:
                failure = error
                self._request_help(error, settings)
            finally:
                self._finished(metrics, settings)
            if (
                self._fallback is None
                or metrics.heard is not None
                or isinstance(failure, TextTimeoutError)
            ):
                self._report_failure(failure, settings.backend)
                # Home Assistant ends a satellite's audio only if the stream ends without an error.
                # But it would keep the audio of a plain message.
                if metrics.heard is None or not text.is_streamed:
                    raise to_ha_exception(
                        HomeAssistantError, failure, settings.backend
                    ) from failure
                return
            async with contextlib.aclosing(
                self._speak_fallback(self._fallback, request, text, failure, metrics)
            ) as speech:
                async for pcm in speech:
                    yield pcm

    async def _speak_fallback(
        self,
        fallback: FallbackVoice,
        request: MessageRequest,
        text: TextBuffer,
        failure: FishError,
        metrics: ReplyMetrics,
    ) -> AsyncGenerator[bytes]:
        """Speak a message that Fish Audio could not speak."""
        is_heard = False
        settings = request.settings
        try:
            async with contextlib.aclosing(
                self._data.fish.speak_by(
                    lambda plain: fallback.speak(plain, request.tts.language, settings.sample_rate),
                    text.pieces(),
                    request.text,
                    settings.sample_rate,
                    metrics,
                )
            ) as speech:
                async for pcm in speech:
                    if any(pcm) and not is_heard:
                        is_heard = True
                        self._on_fallback(fallback, failure, settings.backend)
                    yield pcm
            if not text.is_streamed:
                self._on_kept_fallback()
        except FallbackError as error:
            _LOGGER.warning("The fallback voice %s could not speak: %s", fallback.engine, error)
            self._report_failure(failure, settings.backend)
            if not (is_heard and text.is_streamed):
                raise to_ha_exception(HomeAssistantError, failure, settings.backend) from failure

    @callback
    def _on_fallback(self, fallback: FallbackVoice, failure: FishError, backend: Backend) -> None:
        """Report that the fallback voice speaks: once in the log, as an event, and as a repair."""
        self._report_problem(ReplyProblem.FALLBACK, failure, backend)
        if self._entry.state is not ConfigEntryState.LOADED:
            return
        data = self._entry.runtime_data
        if not data.is_fallback_active:
            data.is_fallback_active = True
            _LOGGER.warning(
                "Using the fallback voice %s. Fish Audio could not speak: %s",
                fallback.engine,
                failure.reason,
            )
        repairs.create_fallback_issue(self._hass, self._entry, fallback.engine)

    @callback
    def _finished(self, metrics: ReplyMetrics, settings: SpeechSettings) -> None:
        """Report a reply that had audio.

        The entry may have been reloaded or removed since the reply began.
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
        async_dispatcher_send(self._hass, SIGNAL_REPLY.format(voice_id), totals)
        if self._entry.state is ConfigEntryState.LOADED:
            data = self._entry.runtime_data
            data.first_audio[voice_id] = metrics.first_audio
            data.credit.schedule_refresh()
            repairs.delete_fallback_issue(self._hass, self._entry)
            slow_line = data.fish.measurements.slow_line
            repairs.update_slow_line_issue(self._hass, self._entry, slow_line)
            if data.is_fallback_active:
                data.is_fallback_active = False
                _LOGGER.info("Fish Audio can speak again")
            if self._is_as_set_up(settings):
                repairs.delete_voice_issues(self._hass, self._entry, self._voice)

    def _is_as_set_up(self, settings: SpeechSettings) -> bool:
        """Return whether the settings are still those of the voice's subentry."""
        voice = self._entry.subentries.get(self._voice.subentry_id)
        return (
            voice is not None
            and settings.backend == voice.data[CONF_BACKEND]
            and settings.voice in (voice.data[CONF_VOICE], *configured_voices(voice))
        )

    @callback
    def _report_failure(self, error: FishError, backend: Backend) -> None:
        """Report a failed reply in the log and as an event."""
        # The text that Home Assistant logs is a translation, without Fish Audio's own words.
        _LOGGER.warning("Fish Audio could not speak: %s", error.reason)
        self._report_problem(ReplyProblem.FAILED, error, backend)

    @callback
    def _report_problem(self, problem: ReplyProblem, error: FishError, backend: Backend) -> None:
        signal = SIGNAL_PROBLEM.format(self._voice.subentry_id)
        async_dispatcher_send(self._hass, signal, problem, error_key(error, backend))

    @callback
    def _request_help(self, error: FishError, settings: SpeechSettings) -> None:
        """Ask a person for what only a person can change, while the account is set up."""
        if self._entry.state is not ConfigEntryState.LOADED:
            return
        if isinstance(error, KeyRefusedError):
            self._entry.async_start_reauth(self._hass)
        elif is_free_model_refused(error, settings.backend):
            if self._is_as_set_up(settings):
                repairs.create_free_model_issue(self._hass, self._entry, self._voice)
        elif isinstance(error, NoCreditError):
            repairs.create_no_credit_issue(self._hass, self._entry)
        elif self._is_as_set_up(settings) and isinstance(error, VoiceNotFoundError):
            repairs.create_voice_missing_issue(
                self._hass, self._entry, self._voice, str(settings.voice)
            )
        elif self._is_as_set_up(settings) and isinstance(error, NoAudioError):
            repairs.create_voice_silent_issue(
                self._hass, self._entry, self._voice, str(settings.voice)
            )
