"""Synthesizer: one reply from text to audio, session after session, tried again when they fail."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from dataclasses import replace

from .errors import (
    BrokenStreamError,
    FishConnectionError,
    FishError,
    TooMuchAudioError,
    VoiceNotFoundError,
)
from .hedged_reply import HedgedReply
from .opening import Opening
from .preemption import preemptible
from .read_ahead import ReadAhead
from .rest_reply import RestReply
from .retries import Retries
from .script import Script, in_steps, runs
from .settings import Backend, SpeechSettings, VoiceIds
from .slots import Place
from .sockets import Sockets
from .story import Story, max_audio_s
from .written import Written

__all__ = ["Synthesizer"]

_LOGGER = logging.getLogger(__name__)


class Synthesizer:
    """Speaks one reply by ``settings``. ``speak`` tells what the other arguments are."""

    def __init__(
        self,
        sockets: Sockets,
        settings: SpeechSettings,
        patience: float | None,
        story: Story,
        spend: Callable[[int], None],
        owner: str,
    ) -> None:
        self._sockets = sockets
        self._settings = settings
        self._patience = patience
        self._story = story
        self._spend = spend
        self._owner = owner
        self._attempt: HedgedReply | RestReply | None = None
        """The one that is under way."""

    def is_pending(self) -> bool:
        """Whether audio is on its way, or nothing more will come."""
        complete = self._story.text_ended is not None
        return complete or (self._attempt is not None and self._attempt.pending)

    async def audio(
        self, script: Script, voice: Callable[[str], VoiceIds]
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

    def _written(self, text: AsyncIterable[str], opening: Opening) -> Written:
        return Written(text, self._story, opening, self._spend)

    async def _speech(self, written: Written, settings: SpeechSettings) -> AsyncGenerator[bytes]:
        """The speech of one text: one session, or several, each tried again if it fails."""
        heard = bool(self._story.audio)
        # What has begun has no other voice to wait for.
        patience = None if heard else self._patience
        retries, place = Retries(patience), Place(self._owner, patience)
        self._sockets.warm(settings.backend)
        try:
            while await written.begins():
                way = RestReply if self._sockets.detour.taken else HedgedReply
                attempt = self._attempt = way(self._sockets, written, settings)
                try:
                    session = self._session(attempt, settings.backend, retries, place)
                    async with contextlib.aclosing(session) as audio:
                        async for pcm in audio:
                            heard = True
                            yield pcm
                    written.skip(attempt.sent)
                    if attempt.heard:
                        retries.succeeded()
                        place.renew()
                except FishError as error:
                    error.is_fish = self._sockets.endpoint.is_fish
                    error.hide(self._sockets.endpoint.api_key)
                    failure = _broken(error) if heard else error
                    spoken = attempt.spoken()
                    if spoken is None:
                        raise failure from error
                    written.skip(spoken)
                    if attempt.heard:
                        retries.broke(failure)
                        place = Place(self._owner)
                    pause = retries.pause(failure)
                    self._story.retries.append(failure.code)
                    await asyncio.sleep(pause)
        finally:
            await written.close()

    async def _session(
        self,
        attempt: HedgedReply | RestReply,
        backend: Backend,
        retries: Retries,
        place: Place,
    ) -> AsyncGenerator[bytes]:
        """The audio of one attempt, from the moment there is something to send.

        While replies wait in line, the session does not wait for a slow listener.
        """
        slots, rate = self._sockets.slots, self._settings.sample_rate
        audio = ReadAhead(self._sockets.read_aheads, self._owner, rate, lambda: slots.waiting > 0)
        writing = asyncio.create_task(self._write(audio, attempt, backend, retries, place))
        writing.add_done_callback(lambda _: audio.end())
        try:
            while pcm := await audio.read():
                yield pcm
            writing.result()
        finally:
            audio.close()
            writing.cancel()
            await asyncio.wait((writing,))
            if not writing.cancelled():
                # It has been raised above, unless nobody listens any more.
                writing.exception()

    async def _write(
        self,
        audio: ReadAhead,
        attempt: HedgedReply | RestReply,
        backend: Backend,
        retries: Retries,
        place: Place,
    ) -> None:
        """Speak one attempt into ``audio``. The session is given back at the end of this."""
        slots = self._sockets.slots
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(attempt.close)
            with self._sockets.expect(backend):
                if not await attempt.due():
                    return
                self._spend(0)
                await stack.enter_async_context(slots.one(place))
            stack.enter_context(preemptible(slots, place, attempt))
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
                if not await audio.write(pcm):
                    return


def _broken(error: FishError) -> FishError:
    """What it means for a reply that has begun; what a person can mend stays as it is."""
    if isinstance(error, FishConnectionError):
        broken = BrokenStreamError(f"The speech broke off: {error.happened}")
        broken.is_fish = error.is_fish
        return broken
    return error
