"""Synthesizer: one reply from text to audio, session after session, tried again when they fail."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from dataclasses import replace

from ..connections.limiter import RESUME_TIMEOUT_S, SlotRequest
from ..connections.pool import ConnectionPool
from ..errors import (
    BrokenStreamError,
    FishConnectionError,
    FishError,
    TooMuchAudioError,
    VoiceNotFoundError,
)
from ..owner import Owner
from ..reply_metrics import ReplyMetrics, max_audio_s
from ..settings import Backend, SpeechSettings, VoiceIds
from ..text.prepared_text import PreparedText, in_steps, runs
from ..text.request_prefix import RequestPrefix
from .hedged_attempt import HedgedAttempt
from .preemption import preemptible
from .read_ahead import ReadAhead, ReadAheads
from .rest_attempt import RestAttempt
from .retry_policy import RetryPolicy
from .text_chunks import ReplyText

__all__ = ["Synthesizer"]

_LOGGER = logging.getLogger(__name__)


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
        self._attempt: HedgedAttempt | RestAttempt | None = None
        """The one that is under way."""

    def is_pending(self) -> bool:
        """Whether audio is on its way, or nothing more will come."""
        complete = self._metrics.text_ended is not None
        return complete or (self._attempt is not None and self._attempt.pending)

    async def audio(
        self, prepared: PreparedText, voice: Callable[[str], VoiceIds]
    ) -> AsyncGenerator[bytes]:
        """The speech of a text; of an SSML document, which has none, that of its parts."""
        settings = self._settings
        reply_text = self._reply_text(prepared.text(), prepared.prefix(settings.voice))
        async with contextlib.aclosing(self._speech(reply_text, settings)) as speech:
            async for pcm in speech:
                yield pcm
        for chosen, text in runs(prepared.parts, settings, voice):
            heard = False
            # A voice that Fish does not know loses nothing of the text.
            for voice_ids in (chosen.voice, settings.voice):
                run = replace(chosen, voice=voice_ids)
                reply_text = self._reply_text(in_steps(text), prepared.prefix(voice_ids))
                try:
                    async with contextlib.aclosing(self._speech(reply_text, run)) as speech:
                        async for pcm in speech:
                            heard = True
                            yield pcm
                    break
                except VoiceNotFoundError as error:
                    if heard or voice_ids == settings.voice:
                        raise
                    _LOGGER.warning("Using the default voice, since SSML names another: %s", error)

    def _reply_text(self, text: AsyncIterable[str], prefix: RequestPrefix) -> ReplyText:
        return ReplyText(text, self._metrics, prefix, self._spend)

    async def _speech(
        self, reply_text: ReplyText, settings: SpeechSettings
    ) -> AsyncGenerator[bytes]:
        """The speech of one text. While replies wait in line, it is read ahead of the listener."""
        limiter = self._pool.limiter
        audio = ReadAhead(self._read_aheads, settings.sample_rate, lambda: limiter.waiting > 0)
        speaking = asyncio.create_task(self._speak(audio, reply_text, settings))
        speaking.add_done_callback(lambda _: audio.end())
        try:
            while pcm := await audio.read():
                yield pcm
            speaking.result()
        finally:
            audio.close()
            speaking.cancel()
            await asyncio.wait((speaking,))
            if not speaking.cancelled():
                # It has been raised above, unless nobody listens any more.
                speaking.exception()

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
        try:
            while await reply_text.begins():
                attempt_class = RestAttempt if self._pool.breaker.use_rest else HedgedAttempt
                attempt = self._attempt = attempt_class(self._pool, reply_text, settings)
                try:
                    await self._session(audio, attempt, settings.backend, retries, request)
                    reply_text.skip(attempt.sent)
                    if attempt.heard:
                        heard = True
                        retries.on_audio()
                        request.renew()
                    # Until then others need a session more.
                    await audio.runs_low()
                except FishError as error:
                    heard = heard or attempt.heard
                    error.is_cloud = self._pool.endpoint.is_cloud
                    error.hide(self._pool.endpoint.api_key)
                    failure = _broken(error) if heard else error
                    spoken = attempt.spoken()
                    if spoken is None:
                        raise failure from error
                    reply_text.skip(spoken)
                    if attempt.heard:
                        retries.on_interruption(failure)
                        request = SlotRequest(self._owner, RESUME_TIMEOUT_S)
                    pause = retries.pause(failure)
                    self._metrics.retries.append(failure.code)
                    await asyncio.sleep(pause)
        finally:
            await reply_text.close()

    async def _session(
        self,
        audio: ReadAhead,
        attempt: HedgedAttempt | RestAttempt,
        backend: Backend,
        retries: RetryPolicy,
        request: SlotRequest,
    ) -> None:
        """Speak one attempt into ``audio``, from the moment there is something to send."""
        limiter = self._pool.limiter
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(attempt.close)
            with self._pool.expect(backend):
                if not await attempt.due():
                    return
                self._spend(0)
                await stack.enter_async_context(limiter.acquire(request))
            stack.enter_context(preemptible(limiter, request, attempt, audio))
            speech = await stack.enter_async_context(
                contextlib.aclosing(attempt.audio(retries.begin()))
            )
            is_accepted = False
            async for pcm in speech:
                if not is_accepted:
                    is_accepted = True
                    limiter.on_accepted()
                if self._metrics.audio > max_audio_s(self._metrics.billed):
                    raise TooMuchAudioError(
                        f"The server sent {self._metrics.audio:.0f} s of audio, far more than the "
                        "text can become."
                    )
                await audio.write(pcm, ends=attempt.is_ending)


def _broken(error: FishError) -> FishError:
    """What it means for a reply that has begun; what a person can mend stays as it is."""
    if isinstance(error, FishConnectionError):
        broken = BrokenStreamError(f"The speech broke off: {error.reason}")
        broken.is_cloud = error.is_cloud
        return broken
    return error
