"""Synthesizer: one reply from text to audio, session after session, tried again when they fail."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from ..connections.limiter import RESUME_TIMEOUT_S, SlotRequest
from ..connections.pool import ConnectionPool
from ..cpu_turns import steps
from ..errors import (
    BrokenStreamError,
    FishConnectionError,
    FishError,
    TooMuchAudioError,
    VoiceNotFoundError,
)
from ..owner import Owner
from ..reply_metrics import ReplyMetrics, max_audio_s
from ..settings import TIMESTAMP_ONLY_BACKENDS, Backend, SpeechSettings, VoiceIds
from ..text.prepared_text import PreparedText, runs
from ..text.settings import TextSettings
from ..text.text_buffer import TextBuffer
from .attempt import Attempt
from .hedging import first_to_answer
from .keepalive import KeepAlive, silent_pcm
from .live_attempt import LiveAttempt
from .preemption import preemptible
from .read_ahead import ReadAhead, ReadAheads, read_ahead
from .rest.attempt import RestAttempt
from .retry_policy import RetryPolicy
from .text_chunks import ReplyText

__all__ = ["Synthesizer"]

_LOGGER = logging.getLogger(__name__)

# Seconds of silence that are given at a time, as much as Fish's own frames have.
PAUSE_PIECE_S: Final = 0.1


class Synthesizer:
    """Speaks one reply by ``settings``. ``speak`` tells what the other arguments are."""

    def __init__(  # noqa: PLR0913, PLR0917 - only `FishClient.speak` makes one
        self,
        pool: ConnectionPool,
        read_aheads: ReadAheads,
        settings: SpeechSettings,
        first_audio_timeout_s: float | None,
        metrics: ReplyMetrics,
        spend: Callable[[int], None],
        owner: Owner,
    ) -> None:
        self._pool = pool
        self._read_aheads = read_aheads
        self._settings = settings
        self._first_audio_timeout_s = first_audio_timeout_s
        self._metrics = metrics
        self._spend = spend
        self._owner = owner
        self._attempt: Attempt | None = None
        """The one that is under way."""
        self._is_pause_due = False
        """Whether a sentence has been spoken to its end, and no silence follows it yet."""

    def audio(
        self,
        text: TextBuffer,
        text_settings: TextSettings,
        voice: Callable[[str], VoiceIds],
        *,
        ssml: bool = False,
        keepalive_s: float | None = None,
    ) -> AsyncGenerator[bytes]:
        """The speech of a text; of an SSML document, that of its parts.

        While replies wait for a slot, it is made ahead of the listener.
        """
        limiter, rate = self._pool.limiter, self._settings.sample_rate

        def is_pending() -> bool:
            # After the end of the text, nothing waits for what an encoder holds.
            return text.is_complete or (self._attempt is not None and self._attempt.pending)

        keepalive = KeepAlive(keepalive_s, rate, is_pending, self._metrics) if keepalive_s else None
        return read_ahead(
            self._read_aheads,
            self._owner,
            rate,
            lambda: limiter.waiting > 0,
            partial(self._speak_all, text, text_settings, voice, ssml),
            keepalive,
        )

    async def _speak_all(
        self,
        source: TextBuffer,
        text_settings: TextSettings,
        voice: Callable[[str], VoiceIds],
        ssml: bool,
        audio: ReadAhead,
    ) -> None:
        settings = self._settings
        prepared = PreparedText(source, settings.backend, text_settings, ssml=ssml)

        def reply_text(text: Iterator[str | None], voice: VoiceIds) -> ReplyText:
            return ReplyText(
                *(source, text, self._metrics, prepared.prefix(voice), self._spend),
                by_sentence=settings.sentence_pause_s > 0,
            )

        await self._speak(audio, reply_text(prepared.steps(), settings.voice), settings)
        for chosen, text in runs(prepared.parts, settings, voice):
            before_s = self._metrics.audio
            # A voice that Fish does not know loses nothing of the text.
            for voice_ids in (chosen.voice, settings.voice):
                run = replace(chosen, voice=voice_ids)
                try:
                    await self._speak(audio, reply_text(iter(steps(text)), voice_ids), run)
                    break
                except VoiceNotFoundError as error:
                    if self._metrics.audio > before_s or voice_ids == settings.voice:
                        raise
                    _LOGGER.warning(
                        "Using the default voice instead of the one in the SSML: %s", error
                    )

    async def _speak(
        self, audio: ReadAhead, reply_text: ReplyText, settings: SpeechSettings
    ) -> None:
        """Speak one text into ``audio``: one session, or several, each tried again if it fails."""
        heard = bool(self._metrics.audio)
        # What has begun has no other voice to wait for.
        first_audio_timeout_s = None if heard else self._first_audio_timeout_s
        retries = RetryPolicy(first_audio_timeout_s)
        request = SlotRequest(self._owner, RESUME_TIMEOUT_S if heard else first_audio_timeout_s)
        self._pool.prewarm(settings.backend)
        while await reply_text.begins():
            if self._is_pause_due:
                self._is_pause_due = False
                await self._pause(audio, settings)
            has_rest = settings.backend not in TIMESTAMP_ONLY_BACKENDS
            use_rest = has_rest and self._pool.breaker.use_rest
            attempt_class = RestAttempt if use_rest else LiveAttempt
            self._attempt = attempt_class(self._pool, reply_text, settings)
            try:
                await self._session(audio, self._attempt, settings.backend, retries, request)
                reply_text.skip(self._attempt.sent)
                if self._attempt.heard:
                    heard = True
                    self._is_pause_due = reply_text.is_between_sentences
                    retries.on_audio()
                    request.renew()
                # Until then others need a slot more.
                await audio.runs_low()
            except FishError as error:
                heard = heard or self._attempt.heard
                error.is_cloud = self._pool.endpoint.is_cloud
                error.hide(self._pool.endpoint.api_key)
                failure = _broken(error) if heard else error
                spoken = self._attempt.spoken()
                if spoken is None:
                    raise failure from error
                reply_text.skip(spoken)
                if self._attempt.heard:
                    self._is_pause_due = reply_text.is_between_sentences
                    retries.on_interruption(failure)
                    request = SlotRequest(self._owner, RESUME_TIMEOUT_S)
                delay = retries.next_delay(failure)
                self._metrics.retries.append(failure.code)
                await asyncio.sleep(delay)

    async def _pause(self, audio: ReadAhead, settings: SpeechSettings) -> None:
        """Write the silence between two sentences into ``audio``."""
        left = round(settings.sentence_pause_s * settings.sample_rate)
        while left > 0:
            samples = min(left, round(PAUSE_PIECE_S * settings.sample_rate))
            left -= samples
            await audio.write(silent_pcm(samples), is_ending=False)

    async def _session(
        self,
        audio: ReadAhead,
        first: Attempt,
        backend: Backend,
        retries: RetryPolicy,
        request: SlotRequest,
    ) -> None:
        """Speak one attempt into ``audio``, from the moment there is something to send."""
        limiter, attempt = self._pool.limiter, first
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(first.close)
            with self._pool.expect(backend):
                if not await first.due():
                    return
                self._spend(0)
                await stack.enter_async_context(limiter.acquire(request))
            stack.enter_context(preemptible(limiter, request, lambda: attempt, audio))
            until = retries.begin()
            if isinstance(first, LiveAttempt):
                attempt, pcm, speech = await first_to_answer(first, until, limiter, stack)
                self._attempt = attempt
            else:
                speech = await stack.enter_async_context(contextlib.aclosing(first.audio(until)))
                pcm = await anext(speech, b"")
            if pcm:
                limiter.on_accepted()
            while pcm:
                self._metrics.hear(len(pcm) / 2 / self._settings.sample_rate)
                came_s = self._metrics.audio + attempt.cut_s
                if came_s > max_audio_s(self._metrics.billed):
                    raise TooMuchAudioError(
                        f"The server sent {came_s:.0f} s of audio, far too much for the text."
                    )
                await audio.write(pcm, is_ending=attempt.is_ending)
                pcm = await anext(speech, b"")


def _broken(error: FishError) -> FishError:
    """The error of a reply that has begun. An error that a person can fix stays as it is."""
    if isinstance(error, FishConnectionError):
        broken = BrokenStreamError(f"The speech was interrupted: {error.reason}")
        broken.is_cloud = error.is_cloud
        return broken
    return error
