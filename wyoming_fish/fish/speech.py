"""Text in, as it is written; speech out, as it is spoken."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from dataclasses import replace
from typing import Final

from .bridge import bridged
from .errors import BrokenStreamError, FishConnectionError, FishError, VoiceNotFoundError
from .live_reply import LiveReply
from .rest_reply import RestReply
from .retries import Retries
from .script import Script, runs
from .settings import SpeechSettings, VoiceIds
from .sockets import Sockets
from .story import Story
from .text.settings import TextSettings
from .written import Written

__all__ = ["BRIDGE", "speak"]

_LOGGER = logging.getLogger(__name__)

CLEAN: Final = TextSettings()

# Seconds without audio after which a little silence is given in its place: satellites give up
# after 5 s without a byte.
BRIDGE: Final = 2.5
# Samples of it: what ffmpeg reads of a WAV at a time (4096 bytes) and a frame of MP3, so that an
# encoder on the way gives something each time; too few to be heard between two sentences.
BRIDGE_SAMPLES: Final = 4096 // 2 + 1152


async def speak(  # noqa: PLR0913 - by name
    sockets: Sockets,
    text: AsyncIterable[str],
    settings: SpeechSettings,
    text_settings: TextSettings = CLEAN,
    *,
    ssml: bool = False,
    voice: Callable[[str], VoiceIds] = str,
    bridge: float | None = None,
    patience: float | None = None,
    story: Story | None = None,
) -> AsyncGenerator[bytes]:
    """Speak ``text`` while it is being written.

    Takes any pieces of text, cut anywhere; gives s16le mono PCM of ``settings.sample_rate`` in
    whole samples, as it comes. One reply is one session, so the voice stays the same throughout.
    Text without a letter or a number gives nothing and costs nothing. With ``bridge``, once it has
    begun, there is a little silence every ``bridge`` seconds in which nothing came.

    The text is cleaned by ``text_settings`` as it comes. With ``ssml``, or where it begins with
    `<speak`, it is read to its end first (unless it is to be raw), and then has a session for each
    voice, speed and volume in it. ``voice`` gives the id of a voice that it names, and raises
    VoiceNotFoundError where there is none; what has no voice is spoken by that of ``settings``.

    What passes (a dropped connection, a limit, an overload) is tried again while nothing has been
    heard, and after that where it is certain what has been: see Progress, which needs a socket
    with timestamps. Where the websocket cannot be had, speech goes by REST, a sentence at a time.

    With ``patience`` it is given up where nothing has been heard so many seconds after its first
    words: for who has another voice. A server of one's own is given the time that it needs.

    What happens is put down in ``story``, a new one for each reply.

    Leaving the iterator closes the session's socket: Fish has no other way to be interrupted.
    Close it with ``contextlib.aclosing`` to know when that has happened.

    Raises FishError where not all of the text was spoken, and whatever ``text`` raises.
    """
    script = Script(text, settings.backend, text_settings, ssml=ssml)
    speech = _speech(sockets, script, settings, voice, patience, story or Story())
    if bridge:
        speech = bridged(speech, bridge, bytes(2 * BRIDGE_SAMPLES))
    async with contextlib.aclosing(speech):
        async for pcm in speech:
            yield pcm


async def _speech(
    sockets: Sockets,
    script: Script,
    settings: SpeechSettings,
    voice: Callable[[str], VoiceIds],
    patience: float | None,
    story: Story,
) -> AsyncGenerator[bytes]:
    """The speech of a text; of a document, which has none, that of each run of its parts."""
    written = Written(script.text(), story, script.opening(settings.voice))
    async with contextlib.aclosing(_reply(sockets, written, settings, patience)) as speech:
        async for pcm in speech:
            yield pcm
    for chosen, text in runs(script.parts, settings, voice):
        heard = False
        # A voice that Fish does not know loses nothing of the text.
        for voice_ids in (chosen.voice, settings.voice):
            run = replace(chosen, voice=voice_ids)
            written = Written(_whole(text), story, script.opening(voice_ids))
            try:
                async with contextlib.aclosing(_reply(sockets, written, run, patience)) as speech:
                    async for pcm in speech:
                        heard = True
                        yield pcm
                break
            except VoiceNotFoundError as error:
                if heard or voice_ids == settings.voice:
                    raise
                _LOGGER.warning("The default voice speaks, since SSML names another: %s", error)


async def _whole(text: str) -> AsyncIterator[str]:
    yield text


async def _reply(
    sockets: Sockets, written: Written, settings: SpeechSettings, patience: float | None
) -> AsyncGenerator[bytes]:
    """The speech of one session's text, tried again where it fails and may be."""
    heard = bool(written.story.audio)
    # What has begun has no other voice to wait for.
    retries = Retries(None if heard else patience)
    try:
        sockets.warm(settings.backend)
        while await written.begins():
            until = retries.begin()
            way = RestReply if sockets.detour.taken else LiveReply
            reply = way(sockets, written, settings, until)
            try:
                async with contextlib.aclosing(reply.audio()) as audio:
                    async for pcm in audio:
                        heard = True
                        yield pcm
                return
            except FishError as error:
                failure = _broken(error) if heard else error
                spoken = reply.spoken()
                if spoken is None:
                    raise failure from error
                written.skip(spoken)
                if reply.heard:
                    retries.broke(failure)
                pause = retries.pause(failure)
                written.story.retries.append(failure.code)
            await asyncio.sleep(pause)
    finally:
        await written.close()


def _broken(error: FishError) -> FishError:
    """What it means for a reply that has begun; what a person can mend stays as it is."""
    if isinstance(error, FishConnectionError):
        return BrokenStreamError(f"The speech broke off: {error.happened}")
    return error
