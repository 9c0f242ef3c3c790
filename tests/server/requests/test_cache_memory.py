"""What it costs to keep many replies at the same time."""

import asyncio
import contextlib
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

from wyoming_fish.server.requests.cache import Cache


def _sizes(folder: Path) -> list[int]:
    return [file.stat().st_size for file in folder.iterdir()]


async def test_many_at_the_same_time(tmp_path: Path) -> None:
    """Long replies at the same time take 16 MB together; what does not fit is heard, not kept."""
    piece_bytes, pieces = 2**16, 24
    cache = Cache(tmp_path, 2**30, "http://fish")

    async def speech(end: asyncio.Event) -> AsyncIterator[bytes]:
        for _ in range(pieces):
            yield bytes(piece_bytes)
        await end.wait()

    async def hear(key: str, end: asyncio.Event) -> int:
        async with contextlib.aclosing(cache.tee(key, speech(end))) as audio:
            return len([None async for _ in audio])

    async def hear_many(turn: int, *, leave: bool) -> None:
        end = asyncio.Event()
        keys = [cache.key(turn, number) for number in range(60)]
        replies = [asyncio.create_task(hear(key, end)) for key in keys]
        await asyncio.sleep(0)
        for reply in replies if leave else ():
            reply.cancel()
        end.set()
        heard = await asyncio.gather(*replies, return_exceptions=leave)
        assert leave or heard == [pieces] * 60

    tracemalloc.start()
    # What they took is free again when they break off, and when it is written.
    await hear_many(0, leave=True)
    await hear_many(1, leave=False)
    while await cache.load(cache.key(1, 4)) is None:
        pass
    await hear_many(2, leave=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    await cache.close()
    assert peak < 16 * 2**20
    sizes = _sizes(tmp_path)
    # The last of the first five may still have been on its way.
    assert len(sizes) in (9, 10)
    assert set(sizes) == {4 + pieces * piece_bytes}
