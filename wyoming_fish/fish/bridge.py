"""Silence where speech pauses, for players that give up without a byte."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator

__all__ = ["bridged"]


async def bridged(
    speech: AsyncGenerator[bytes], every: float, silence: bytes
) -> AsyncGenerator[bytes]:
    """``speech`` with ``silence`` in it whenever nothing has come for ``every`` seconds.

    There is none before its first audio. Leaving closes ``speech``.
    """
    # One task for all of it, and a timer that is moved only when it rings: a task and a timer for
    # each frame would cost as much as a tenth of all that is done with it.
    loop = asyncio.get_running_loop()
    audio: asyncio.Queue[bytes] = asyncio.Queue(1)
    alarm: asyncio.TimerHandle | None = None
    # Nothing is late while nobody waits for it.
    due = math.inf

    def offer(pcm: bytes) -> None:
        # Where there is something to hear, nothing is to be bridged.
        with contextlib.suppress(asyncio.QueueFull):
            audio.put_nowait(pcm)

    def ring() -> None:
        nonlocal alarm
        alarm = None
        if due <= loop.time():
            offer(silence)
        elif due < math.inf:
            alarm = loop.call_at(due, ring)

    listening = asyncio.create_task(_listen(speech, audio))
    listening.add_done_callback(lambda _: offer(b""))
    try:
        while not (listening.done() and audio.empty()):
            pcm = await audio.get()
            due = math.inf
            if pcm:
                yield pcm
                due = loop.time() + every
                alarm = alarm or loop.call_at(due, ring)
        listening.result()
    finally:
        if alarm is not None:
            alarm.cancel()
        listening.cancel()
        await asyncio.wait((listening,))
        if not listening.cancelled():
            # It has been raised above, unless nobody hears it any more.
            listening.exception()


async def _listen(speech: AsyncGenerator[bytes], audio: asyncio.Queue[bytes]) -> None:
    async with contextlib.aclosing(speech):
        async for pcm in speech:
            await audio.put(pcm)
