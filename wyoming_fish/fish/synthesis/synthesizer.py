"""Synthesizer: one reply from text to audio, session after session, tried again when they fail."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from dataclasses import replace

from ..connections.limiter import RESUME_TIMEOUT_S, Place
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
from .read_ahead import ReadAhead
from .rest_attempt import RestAttempt
from .retry_policy import RetryPolicy
from .text_chunks import ReplyText

__all__ = ["Synthesizer"]

_LOGGER = logging.getLogger(__name__)


class Synthesizer:
    """Speaks one reply by ``settings``. ``speak`` tells what the other arguments are."""

    def __init__(
        self,
        sockets: ConnectionPool,
        settings: SpeechSettings,
        patience: float | None,
        story: ReplyMetrics,
        spend: Callable[[int], None],
        owner: Owner,
    ) -> None:
        self._sockets = sockets
        self._settings = settings
        self._patience = patience
        self._story = story
        self._spend = spend
        self._owner = owner
        self._attempt: HedgedAttempt | RestAttempt | None = None
        """The one that is under way."""

    def is_pending(self) -> bool:
        """Whether audio is on its way, or nothing more will come."""
        complete = self._story.text_ended is not None
        return complete or (self._attempt is not None and self._attempt.pending)

    async def audio(
        self, script: PreparedText, voice: Callable[[str], VoiceIds]
    ) -> AsyncGenerator[bytes]:
        """The speech of a text; of an SSML document, which has none, that of its parts."""
        settings = self._settings
        written = self._written(script.text(), script.opening(settings.voice))
        async with contextlib.aclosing(self._speech(written, settings)) as speech:
            async for pcm in speech:
                yield pcm
        for chosen, text in runs(script.parts, settings, voice):
            heard = False
            # A voice that Fish does not know loses nothing of the text.
            for voice_ids in (chosen.voice, settings.voice):
                run = replace(chosen, voice=voice_ids)
                written = self._written(in_steps(text), script.opening(voice_ids))
                try:
                    async with contextlib.aclosing(self._speech(written, run)) as speech:
                        async for pcm in speech:
                            heard = True
                            yield pcm
                    break
                except VoiceNotFoundError as error:
                    if heard or voice_ids == settings.voice:
                        raise
                    _LOGGER.warning("Using the default voice, since SSML names another: %s", error)

    def _written(self, text: AsyncIterable[str], opening: RequestPrefix) -> ReplyText:
        return ReplyText(text, self._story, opening, self._spend)

    async def _speech(self, written: ReplyText, settings: SpeechSettings) -> AsyncGenerator[bytes]:
        """The speech of one text. While replies wait in line, it is read ahead of the listener."""
        slots = self._sockets.slots
        audio = ReadAhead(
            self._sockets.read_aheads, settings.sample_rate, lambda: slots.waiting > 0
        )
        speaking = asyncio.create_task(self._speak(audio, written, settings))
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

    async def _speak(self, audio: ReadAhead, written: ReplyText, settings: SpeechSettings) -> None:
        """Speak one text into ``audio``: one session, or several, each tried again if it fails."""
        heard = bool(self._story.audio)
        # What has begun has no other voice to wait for.
        patience = None if heard else self._patience
        retries = RetryPolicy(patience)
        place = Place(self._owner, RESUME_TIMEOUT_S if heard else patience)
        self._sockets.warm(settings.backend)
        try:
            while await written.begins():
                way = RestAttempt if self._sockets.detour.taken else HedgedAttempt
                attempt = self._attempt = way(self._sockets, written, settings)
                try:
                    await self._session(audio, attempt, settings.backend, retries, place)
                    written.skip(attempt.sent)
                    if attempt.heard:
                        heard = True
                        retries.succeeded()
                        place.renew()
                    # Until then others need a session more.
                    await audio.runs_low()
                except FishError as error:
                    heard = heard or attempt.heard
                    error.is_cloud = self._sockets.endpoint.is_cloud
                    error.hide(self._sockets.endpoint.api_key)
                    failure = _broken(error) if heard else error
                    spoken = attempt.spoken()
                    if spoken is None:
                        raise failure from error
                    written.skip(spoken)
                    if attempt.heard:
                        retries.broke(failure)
                        place = Place(self._owner, RESUME_TIMEOUT_S)
                    pause = retries.pause(failure)
                    self._story.retries.append(failure.code)
                    await asyncio.sleep(pause)
        finally:
            await written.close()

    async def _session(
        self,
        audio: ReadAhead,
        attempt: HedgedAttempt | RestAttempt,
        backend: Backend,
        retries: RetryPolicy,
        place: Place,
    ) -> None:
        """Speak one attempt into ``audio``, from the moment there is something to send."""
        slots = self._sockets.slots
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(attempt.close)
            with self._sockets.expect(backend):
                if not await attempt.due():
                    return
                self._spend(0)
                await stack.enter_async_context(slots.one(place))
            stack.enter_context(preemptible(slots, place, attempt, audio))
            speech = await stack.enter_async_context(
                contextlib.aclosing(attempt.audio(retries.begin()))
            )
            is_accepted = False
            async for pcm in speech:
                if not is_accepted:
                    is_accepted = True
                    slots.accepted()
                if self._story.audio > max_audio_s(self._story.billed):
                    raise TooMuchAudioError(
                        f"The server sent {self._story.audio:.0f} s of audio, far more than the "
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
