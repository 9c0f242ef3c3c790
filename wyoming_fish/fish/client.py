"""Text in, as it is written; speech out, as it is spoken."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import Final

from .connections.pool import ConnectionPool
from .owner import NO_OWNER, Owner
from .reply_metrics import ReplyMetrics
from .settings import SpeechSettings, VoiceIds
from .synthesis.synthesizer import Synthesizer
from .synthesis.text_chunks import without_limit
from .text.settings import TextSettings
from .text.text_buffer import TextBuffer, buffered

__all__ = ["KEEPALIVE_INTERVAL_S", "speak"]

CLEAN: Final = TextSettings()

# Seconds without audio after which a little silence is given in its place: satellites give up
# after 5 s without a byte.
KEEPALIVE_INTERVAL_S: Final = 2.5


async def speak(  # noqa: PLR0913 - by name
    pool: ConnectionPool,
    text: AsyncIterable[str] | TextBuffer,
    settings: SpeechSettings,
    text_settings: TextSettings = CLEAN,
    *,
    ssml: bool = False,
    voice: Callable[[str], VoiceIds] = str,
    bridge: float | None = None,
    first_audio_timeout_s: float | None = None,
    spend: Callable[[int], None] = without_limit,
    metrics: ReplyMetrics | None = None,
    owner: Owner = NO_OWNER,
) -> AsyncGenerator[bytes]:
    """Speak ``text`` while it is being written.

    Takes any pieces of text, cut anywhere; gives s16le mono PCM of ``settings.sample_rate`` in
    whole samples, as it comes. One reply is one session, so the voice stays the same throughout,
    unless the text pauses for long. Text without a letter or a number gives nothing and costs
    nothing. With ``bridge`` there is a little silence every ``bridge`` seconds in which nothing
    came, and where an encoder has to be flushed: see KeepAlive.

    The text is cleaned by ``text_settings`` as it comes. With ``ssml``, or where it begins with
    `<speak`, it is read to its end first (unless it is to be raw), and then has a session for each
    voice, speed and volume in it. ``voice`` gives the id of a voice that it names, and raises
    VoiceNotFoundError where there is none; what has no voice is spoken by that of ``settings``.

    What passes (a dropped connection, a limit, an overload) is tried again while nothing has been
    heard, and after that where it is certain what has been: see SpokenTextTracker,
    which needs a socket with timestamps. If there is no websocket, speech goes by REST, a sentence
    at a time.

    ``first_audio_timeout_s`` is for a caller that has another voice: the seconds after which it is
    an error that nothing has been heard. They begin as the first words are sent; a wait for one of
    the account's sessions has as many of its own.
    A server of one's own is given the time that it needs.

    However long the text is, no more than some half a minute of it is sent before the listener has
    taken the audio. ``spend`` is told the characters of each piece before it is sent, and 0 before
    a session; less than 0 if Fish refused what was sent. It raises a FishError if there may be no
    more: what was sent is spoken, and then the error is raised.

    What happens is put down in ``metrics``, a new one for each reply.

    ``owner`` is the party that the reply is for. While replies wait for the account's sessions,
    owners have equal shares of them: a session may then end early, and the text goes on in a later
    one. Replies without an owner share one.

    Leaving the iterator closes the session's socket: Fish has no other way to be interrupted.
    Close it with ``contextlib.aclosing`` to know when that has happened.

    Raises FishError where not all of the text was spoken, and whatever ``text`` raises.
    """
    synthesizer = Synthesizer(
        pool,
        pool.read_aheads,
        settings,
        first_audio_timeout_s,
        metrics or ReplyMetrics(),
        spend,
        owner,
    )
    async with buffered(text) as source:
        speech = synthesizer.audio(source, text_settings, voice, ssml=ssml, keepalive_s=bridge)
        async with contextlib.aclosing(speech):
            async for pcm in speech:
                yield pcm
