"""Silence where speech pauses, for players that give up without a byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

__all__ = ["bridged"]


async def bridged(
    speech: AsyncGenerator[bytes], every: float, silence: bytes
) -> AsyncGenerator[bytes]:
    """``speech`` with ``silence`` in it whenever nothing has come for ``every`` seconds.

    There is none before its first audio. Leaving closes ``speech``.
    """
    heard = False
    coming = asyncio.create_task(_next(speech))
    try:
        while True:
            await asyncio.wait((coming,), timeout=every if heard else None)
            if not coming.done():
                yield silence
                continue
            pcm = coming.result()
            if pcm is None:
                return
            heard = True
            yield pcm
            coming = asyncio.create_task(_next(speech))
    finally:
        coming.cancel()
        await asyncio.wait((coming,))
        if not coming.cancelled():
            # It has been raised above, unless nobody hears it any more.
            coming.exception()
        await speech.aclose()


async def _next(speech: AsyncGenerator[bytes]) -> bytes | None:
    """The next audio, or None at the end."""
    return await anext(speech, None)
