"""Keep-alive: silence where speech pauses, for players and encoders that wait for bytes."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Final

__all__ = ["LEAD_S", "Silence", "with_keepalive"]

# Seconds from the first text, after which silence is given though nothing was heard yet: satellites
# give up after 5 s without a byte. An error before it is told before anything was heard.
LEAD_S: Final = 4.0

# Seconds of one piece of silence, and samples that it has at least. It has to fill what encoders
# wait for: a frame of FLAC is 4,608 samples at 48,000 Hz (96 ms), what ffmpeg reads of a WAV at a
# time is 2,048 samples, a frame of MP3 1,152.
PIECE_S: Final = 0.145
MIN_PIECE_SAMPLES: Final = 2048 + 1152

# When speech pauses and nothing is on its way, encoders hold back the last of it, and ffmpeg the
# first 64 KiB of any WAV (0.74 s). One piece of so many seconds pushes it out: after so many
# seconds without audio, but only when the player has no more than so many left.
FLUSH_S: Final = 0.6
FLUSH_AFTER_S: Final = 0.3
FLUSH_BEFORE_END_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Silence:
    """When silence is given, and of what length; s16le mono PCM of ``rate`` hertz.

    ``every`` is the seconds without audio after which a piece is given. ``is_pending`` tells
    whether audio is on its way, so that no encoder needs to be flushed. ``text_began`` gives the
    loop's time of the first text, None before it.
    """

    every: float
    rate: int
    is_pending: Callable[[], bool]
    text_began: Callable[[], float | None]

    @property
    def piece(self) -> bytes:
        """What is given in a pause."""
        return bytes(2 * max(MIN_PIECE_SAMPLES, round(PIECE_S * self.rate)))

    @property
    def flush(self) -> bytes:
        """What pushes out the end of the speech before a pause."""
        return bytes(2 * round(FLUSH_S * self.rate))


async def with_keepalive(  # noqa: C901 - one loop and its two callbacks
    speech: AsyncGenerator[bytes], silence: Silence, lead_s: float = LEAD_S
) -> AsyncGenerator[bytes]:
    """``speech`` with ``silence`` in its pauses. Leaving closes ``speech``.

    ``lead_s`` is the seconds before the first silence, if nothing is heard until then.
    """
    # One task for all of it, and a timer that is moved only when it rings: a task and a timer for
    # each frame would cost as much as a tenth of all that is done with it.
    loop = asyncio.get_running_loop()
    audio: asyncio.Queue[bytes] = asyncio.Queue(1)
    clock = _Clock(silence, loop.time() + lead_s)
    alarm: asyncio.TimerHandle | None = None
    is_awaited = False

    def offer(pcm: bytes) -> None:
        # If the queue is full, audio is waiting, so no silence is needed.
        with contextlib.suppress(asyncio.QueueFull):
            audio.put_nowait(pcm)

    def ring() -> None:
        nonlocal alarm
        alarm = None
        # Nothing is late while nobody waits for it.
        if not is_awaited or audio.full():
            return
        if pcm := clock.silence(loop.time()):
            offer(pcm)
        else:
            set_alarm()

    def set_alarm() -> None:
        nonlocal alarm
        if alarm is not None and alarm.when() > clock.due:
            alarm.cancel()
            alarm = None
        alarm = alarm or loop.call_at(clock.due, ring)

    listening = asyncio.create_task(_listen(speech, audio, clock))
    listening.add_done_callback(lambda _: offer(b""))
    try:
        while not (listening.done() and audio.empty()):
            set_alarm()
            is_awaited = True
            pcm = await audio.get()
            is_awaited = False
            if pcm:
                yield pcm
                clock.gave(len(pcm), loop.time())
        listening.result()
    finally:
        if alarm is not None:
            alarm.cancel()
        listening.cancel()
        await asyncio.wait((listening,))
        if not listening.cancelled():
            # It has been raised above, unless nobody hears it any more.
            listening.exception()


class _Clock:
    """When silence is due: by what has come, and what a player has of it."""

    def __init__(self, silence: Silence, due: float) -> None:
        self._silence = silence
        self._played_until = self._given_at = -math.inf
        self._is_flushed = True
        self.heard_at: float | None = None
        """When speech came last."""
        self.due = due

    def gave(self, size: int, now: float) -> None:
        """So many bytes of speech or silence have been given."""
        self._given_at = now
        self._played_until = max(self._played_until, now) + size / 2 / self._silence.rate
        self.due = now + self._silence.every
        if not self._is_flushed:
            end = self._played_until - FLUSH_BEFORE_END_S
            self.due = min(self.due, max(now + FLUSH_AFTER_S, end))

    def heard(self, now: float) -> None:
        """Speech has come."""
        self.heard_at = now
        self._is_flushed = False

    def silence(self, now: float) -> bytes:
        """The silence that is to be given now; else ``due`` is set to when that may be."""
        if self.due > now:
            return b""
        if self.heard_at is None:
            began = self._silence.text_began()
            if began is None or now < began + LEAD_S:
                self.due = (now if began is None else began) + LEAD_S
                return b""
            return self._silence.piece
        if not self._is_flushed and not self._silence.is_pending():
            self._is_flushed = True
            return self._silence.flush
        piece_at = self._given_at + self._silence.every
        if now >= piece_at:
            return self._silence.piece
        self.due = min(now + FLUSH_AFTER_S, piece_at)
        return b""


async def _listen(
    speech: AsyncGenerator[bytes], audio: asyncio.Queue[bytes], clock: _Clock
) -> None:
    loop = asyncio.get_running_loop()
    async with contextlib.aclosing(speech):
        async for pcm in speech:
            clock.heard(loop.time())
            await audio.put(pcm)
