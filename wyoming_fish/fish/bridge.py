"""Silence where speech pauses, for players that give up without a byte."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

__all__ = ["bridged"]


async def bridged(
    speech: AsyncGenerator[bytes], every: float, silence: bytes
) -> AsyncGenerator[bytes]:
    """``speech`` with ``silence`` in it whenever nothing has come for ``every`` seconds.

    There is none before its first audio. Leaving closes ``speech``.
    """
    # One task for all of it: a task and a timeout for each frame would cost as much as a tenth of
    # all that is done with it.
    audio: asyncio.Queue[bytes] = asyncio.Queue(1)

    def offer(pcm: bytes) -> None:
        # Where there is something to hear, nothing is to be bridged.
        with contextlib.suppress(asyncio.QueueFull):
            audio.put_nowait(pcm)

    listening = asyncio.create_task(_listen(speech, audio))
    listening.add_done_callback(lambda _: offer(b""))
    alarm: asyncio.TimerHandle | None = None
    try:
        while not (listening.done() and audio.empty()):
            pcm = await audio.get()
            if alarm is not None:
                alarm.cancel()
            if pcm:
                yield pcm
                alarm = asyncio.get_running_loop().call_later(every, offer, silence)
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
