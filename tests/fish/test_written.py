"""The text of a reply while it is being written, and its pieces, each when its time has come."""

import asyncio
from collections.abc import AsyncIterator

from wyoming_fish.fish.schedule import LONG_PAUSE, PAUSE, Schedule
from wyoming_fish.fish.story import Story
from wyoming_fish.fish.written import Pieces, Written


async def _text(pieces: "asyncio.Queue[str | None]") -> AsyncIterator[str]:
    while (piece := await pieces.get()) is not None:
        yield piece


def _now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_piece_goes_at_a_pause() -> None:
    """Where no more text comes, a sentence goes as soon as the pause is long enough."""
    pieces: asyncio.Queue[str | None] = asyncio.Queue()
    written = Written(_text(pieces), Story())
    reader = Pieces(written, Schedule())
    began = _now()
    pieces.put_nowait("Let me see.")
    assert await reader.next() == "Let me see."
    assert PAUSE <= _now() - began < LONG_PAUSE
    pieces.put_nowait(" It is five.")
    pieces.put_nowait(None)
    assert await reader.next() == " It is five."
    assert await reader.next() == ""
    await written.close()


async def test_news_ends_a_wait() -> None:
    """What is written is known at once, however long the wait was to be."""
    pieces: asyncio.Queue[str | None] = asyncio.Queue()
    written = Written(_text(pieces), Story())
    async with asyncio.timeout(10):
        for text in ("One", " two"):
            written.news.clear()
            waiting = asyncio.create_task(written.wait(_now() + 600))
            pieces.put_nowait(text)
            await waiting
        pieces.put_nowait(None)
        while not written.complete:
            written.news.clear()
            await written.wait(_now() + 600)
    assert written.parts == ["One", " two"]
    await written.close()


async def test_a_wait_that_has_ended_wakes_nobody_later() -> None:
    """Its time passes without news, where something else has ended it, even a cancellation."""
    written = Written(_text(asyncio.Queue()), Story())
    soon = _now() + 0.01
    for end in ("news", "cancelled"):
        written.news.clear()
        waiting = asyncio.create_task(written.wait(soon))
        await asyncio.sleep(0)
        if end == "news":
            written.news.set()
        else:
            waiting.cancel()
        await asyncio.wait((waiting,))
    written.news.clear()
    await asyncio.sleep(0.02)
    assert not written.news.is_set()
    await written.close()
