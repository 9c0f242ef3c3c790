"""Text in, as it is written; speech out, as it is spoken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Final

from .bridge import bridged
from .errors import BrokenStreamError, FishConnectionError, FishError
from .live_reply import LiveReply
from .rest_reply import RestReply
from .retries import Retries
from .settings import SpeechSettings
from .sockets import Sockets
from .written import Written

__all__ = ["BRIDGE", "speak"]

# Seconds without audio after which a little silence is given in its place: satellites give up
# after 5 s without a byte.
BRIDGE: Final = 2.5
# Samples of it: what ffmpeg reads of a WAV at a time (4096 bytes) and a frame of MP3, so that an
# encoder on the way gives something each time; too few to be heard between two sentences.
BRIDGE_SAMPLES: Final = 4096 // 2 + 1152


async def speak(
    sockets: Sockets,
    text: AsyncIterable[str],
    settings: SpeechSettings,
    *,
    bridge: float | None = None,
) -> AsyncGenerator[bytes]:
    """Speak ``text`` while it is being written.

    Takes any pieces of text, cut anywhere; gives s16le mono PCM of ``settings.sample_rate`` in
    whole samples, as it comes. One reply is one session, so the voice stays the same throughout.
    Text without a letter or a number gives nothing and costs nothing. With ``bridge``, once it has
    begun, there is a little silence every ``bridge`` seconds in which nothing came.

    What passes (a dropped connection, a limit, an overload) is tried again while nothing has been
    heard, and after that where it is certain what has been: see Progress, which needs a socket
    with timestamps. Where the websocket cannot be had, speech goes by REST, a sentence at a time.

    Leaving the iterator closes the session's socket: Fish has no other way to be interrupted.
    Close it with ``contextlib.aclosing`` to know when that has happened.

    Raises FishError where not all of the text was spoken, and whatever ``text`` raises.
    """
    speech = _speech(sockets, text, settings)
    if bridge:
        speech = bridged(speech, bridge, bytes(2 * BRIDGE_SAMPLES))
    async with contextlib.aclosing(speech):
        async for pcm in speech:
            yield pcm


async def _speech(
    sockets: Sockets, text: AsyncIterable[str], settings: SpeechSettings
) -> AsyncGenerator[bytes]:
    """The speech, tried again where it fails and may be."""
    sockets.warm(settings.backend)
    written = Written(text)
    retries = Retries()
    heard = False
    try:
        while await written.begins():
            retries.begin()
            way = RestReply if sockets.detour.taken else LiveReply
            reply = way(sockets, written, settings)
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
            await asyncio.sleep(pause)
    finally:
        await written.close()


def _broken(error: FishError) -> FishError:
    """What it means for a reply that has begun; what a person can mend stays as it is."""
    if isinstance(error, FishConnectionError):
        return BrokenStreamError(f"The speech broke off: {error.happened}")
    return error
