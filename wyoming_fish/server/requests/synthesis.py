"""Synthesis: speaks a reply by Fish Audio, from the cache, or by the fallback voice."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace
from functools import partial
from typing import ClassVar

from ...fish import FALLBACK_AFTER_S, FishClient, SpeechSettings, clock, owner_at
from ...fish.errors import FishError, SettingsError, VoiceNotFoundError
from ...fish.synthesis.keepalive import KeepAlive
from ..options import ServerOptions
from ..voice_catalog import VoiceCatalog
from .cache import Cache
from .fallback import WyomingFallbackError
from .fallback_voice import WyomingFallback
from .log import ReplyRecord, RequestLog
from .quota import Quota
from .request import SynthesisRequest

__all__ = ["InternalError", "Synthesis"]

_LOGGER = logging.getLogger(__name__)


class InternalError(FishError):
    """A bug in this server."""

    code: ClassVar[str] = "internal-error"
    default_advice: ClassVar[str] = "See the log of the server, and report the error."

    def __init__(self) -> None:
        super().__init__("An internal error occurred.")


class Synthesis:
    """Speaks the replies of all clients."""

    def __init__(
        self,
        fish: FishClient,
        catalog: VoiceCatalog,
        options: ServerOptions,
        request_log: RequestLog,
        cache: Cache | None,
    ) -> None:
        self._fish = fish
        self._catalog = catalog
        self._options = options
        self._request_log = request_log
        self._cache = cache
        self._fallback = options.fallback_uri and WyomingFallback(
            options.fallback_uri,
            options.text_settings,
            options.speech.sample_rate,
            fish.read_aheads,
        )
        self.quota = Quota(
            options.max_characters_per_hour, options.max_characters_per_hour_per_address
        )

    def prewarm(self) -> None:
        """A reply is to be expected."""
        self._fish.prewarm(self._options.speech.backend)

    async def speak(self, reply: SynthesisRequest) -> AsyncGenerator[bytes]:
        """Give s16le mono PCM of the options' sample rate, as it comes. Raises FishError.

        If Fish fails before its first audio, the fallback voice speaks. If that fails, too, Fish's
        error is raised.
        """
        fallback, record = self._fallback, reply.record
        reply.text.is_kept = bool(fallback)
        asked_at = clock.now()
        with self._request_log.track(record):
            if fallback and reply.fallback_of == fallback.server_id:
                raise SettingsError(
                    "The fallback voice leads back to this server. Set --fallback-uri to another "
                    "Wyoming voice."
                )
            failure: FishError
            try:
                async with self._speech(reply) as audio:
                    async for pcm in audio:
                        yield pcm
                return
            except FishError as error:
                failure = error
            except Exception as error:
                _LOGGER.error("Cannot speak a reply. Report this error.", exc_info=error)
                failure = InternalError()
            # Two servers that are each other's fallback voice would never end.
            if record.audio or not fallback or reply.fallback_of:
                raise failure
            _LOGGER.warning("Using the fallback voice: %s", failure)
            record.source = "fallback"
            record.spoken_by = f"fallback voice at {fallback.uri}"
            try:
                async with contextlib.aclosing(self._speak_by(fallback, reply, asked_at)) as audio:
                    async for pcm in audio:
                        yield pcm
            except WyomingFallbackError as error:
                _LOGGER.error(
                    "The fallback voice at %s failed: %s. Check that it runs, and --fallback-uri.",
                    *(fallback.uri, error),
                )
                raise failure from error

    def _speak_by(
        self, fallback: WyomingFallback, reply: SynthesisRequest, asked_at: float
    ) -> AsyncGenerator[bytes]:
        """The reply by the fallback voice. Silence in its pauses goes on from that of Fish."""
        record = reply.record
        keepalive = None
        if self._options.keepalive_interval_s and reply.streamed:
            keepalive = KeepAlive(
                self._options.keepalive_interval_s,
                self._options.speech.sample_rate,
                # It speaks when the text is complete: nothing is flushed before.
                lambda: True,
                record,
                asked_at,
            )
        return fallback.speak(reply.text, owner_at(record.host), record, keepalive)

    @contextlib.asynccontextmanager
    async def _speech(self, reply: SynthesisRequest) -> AsyncIterator[AsyncIterator[bytes]]:
        """The reply by Fish Audio, or from the cache."""
        try:
            voice = self._catalog.resolve(reply.voice.name, reply.voice.speaker)
        except VoiceNotFoundError as error:
            if not self._options.ignore_unknown_voices:
                raise
            _LOGGER.warning("Using --voice for an unknown voice: %s", error)
            voice = self._options.speech.voice
        settings = replace(self._options.speech, voice=voice)
        text_settings = replace(self._options.text_settings, language=reply.voice.language or "")
        name = ",".join(voice) if isinstance(voice, tuple) else voice or "default"
        reply.record.spoken_by = f"voice {name}, backend {settings.backend}"
        key = ""
        if self._cache is not None and not reply.streamed:
            text = await reply.text.whole()
            key = self._cache.key(settings, text_settings, reply.ssml, text)
            if (kept := await self._cache.load(key)) is not None:
                async with contextlib.aclosing(_heard(kept, reply.record, settings)) as audio:
                    yield audio
                return
            if "<voice" in text:
                # The voice of a name in the text may change.
                key = ""
        owner = owner_at(reply.record.host)
        async with self._fish.speak(
            reply.text,
            settings,
            text_settings,
            ssml=reply.ssml,
            resolve_voice=self._catalog.resolve,
            # A plain reply is there whole: it has no pauses, and is kept and played again.
            keepalive_s=self._options.keepalive_interval_s if reply.streamed else None,
            first_audio_timeout_s=FALLBACK_AFTER_S if self._options.fallback_uri else None,
            spend=partial(self.quota.spend, owner),
            metrics=reply.record,
            owner=owner,
        ) as speech:
            if self._cache is None or not key:
                yield aiter(speech)
                return
            async with contextlib.aclosing(self._cache.tee(key, speech)) as audio:
                yield audio


async def _heard(
    kept: AsyncGenerator[bytes], record: ReplyRecord, settings: SpeechSettings
) -> AsyncGenerator[bytes]:
    """Pass audio of the cache on, and record it."""
    record.source = "cached"
    record.spoken_by = f"cache, {record.spoken_by}"
    async with contextlib.aclosing(kept):
        async for pcm in kept:
            record.hear(len(pcm) / 2 / settings.sample_rate)
            yield pcm
