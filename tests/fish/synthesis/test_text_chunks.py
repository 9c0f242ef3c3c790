"""The text of a reply while it is being written, and its pieces, each when its time has come."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.support.idle_clock import run
from wyoming_fish.fish.errors import TextTimeoutError
from wyoming_fish.fish.reply_metrics import ReplyMetrics
from wyoming_fish.fish.synthesis.flush_scheduler import (
    LONG_TEXT_PAUSE_S,
    TEXT_PAUSE_S,
    FlushScheduler,
)
from wyoming_fish.fish.synthesis.text_chunks import TEXT_TIMEOUT_S, ReplyText, TextChunks, wait
from wyoming_fish.fish.text.request_prefix import RequestPrefix


async def _text(pieces: "asyncio.Queue[str | None]") -> AsyncIterator[str]:
    while (piece := await pieces.get()) is not None:
        yield piece


def _now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_piece_goes_at_a_pause() -> None:
    """Where no more text comes, a sentence goes as soon as the pause is long enough."""
    pieces: asyncio.Queue[str | None] = asyncio.Queue()
    reply_text = ReplyText(_text(pieces), ReplyMetrics())
    reader = TextChunks(reply_text, FlushScheduler())
    began = _now()
    pieces.put_nowait("Let me see.")
    assert await reader.next() == "Let me see."
    assert TEXT_PAUSE_S <= _now() - began < LONG_TEXT_PAUSE_S
    pieces.put_nowait(" It is five.")
    pieces.put_nowait(None)
    assert await reader.next() == " It is five."
    assert await reader.next() == ""
    await reply_text.close()


async def test_what_is_due_stays_until_it_is_taken() -> None:
    """Looking whether it is time for a piece takes nothing of the text."""
    pieces: asyncio.Queue[str | None] = asyncio.Queue()
    reply_text = ReplyText(_text(pieces), ReplyMetrics())
    readers = [TextChunks(reply_text, FlushScheduler()) for _ in range(2)]
    pieces.put_nowait("One. Two")
    for reader in readers:
        assert await reader.due()
        assert await reader.next() == "One. "
    pieces.put_nowait(None)
    # Each attempt reads the text by itself, and each is woken by it.
    for reader in readers:
        assert await reader.next() == "Two"
        assert not await reader.due()
        reader.close()
    assert not reply_text.readers
    await reply_text.close()


async def test_a_pause_ends_the_pieces() -> None:
    """After the pause that is allowed, and after being stopped, no piece comes."""
    reply_text = ReplyText(_text(asyncio.Queue()), ReplyMetrics())
    reader = TextChunks(reply_text, FlushScheduler())
    assert await reader.next(0.01) == ""
    waiting = asyncio.create_task(reader.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    reader.stop()
    assert await waiting == ""
    reader.close()
    await reply_text.close()


async def test_a_wait_that_has_ended_wakes_nobody_later() -> None:
    """Its time passes without news, where something else has ended it, even a cancellation."""
    news = asyncio.Event()
    soon = _now() + 0.01
    for end in ("news", "cancelled"):
        news.clear()
        waiting = asyncio.create_task(wait(news, soon))
        await asyncio.sleep(0)
        if end == "news":
            news.set()
        else:
            waiting.cancel()
        await asyncio.wait((waiting,))
    news.clear()
    await asyncio.sleep(0.02)
    assert not news.is_set()


def test_the_wait_for_text_begins_when_all_is_said() -> None:
    """However long the audio of what came first lasts, the text has its minutes after that."""

    async def goes_on() -> bool:
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        reply_text = ReplyText(_text(pieces), ReplyMetrics())
        pieces.put_nowait("Once upon a time. ")
        assert await reply_text.begins()
        await asyncio.sleep(TEXT_TIMEOUT_S + 60.0)
        reply_text.skip(len("Once upon a time. "))
        asyncio.get_running_loop().call_later(60.0, pieces.put_nowait, "And then.")
        try:
            return await reply_text.begins()
        finally:
            await reply_text.close()

    assert run(goes_on())


async def test_what_was_not_spoken_changes_no_speaker() -> None:
    """The last speaker goes on with the rest of a text, not one that comes later in it."""
    pieces: asyncio.Queue[str | None] = asyncio.Queue()
    reply_text = ReplyText(_text(pieces), ReplyMetrics(), RequestPrefix(speaker="<|speaker:0|>"))
    pieces.put_nowait("One, and more. <|speaker:1|>Two. Three.")
    assert await reply_text.begins()
    for spoken, left in (
        ("One, ", "<|speaker:0|>and more. <|speaker:1|>Two. Three."),
        ("and more. <|speaker:1|>Two. ", "<|speaker:1|>Three."),
    ):
        reply_text.skip(len(spoken))
        assert reply_text.prefix.open("".join(reply_text.text.since(0))) == left
    await reply_text.close()


@pytest.mark.parametrize("text", ["", "Just a", " … "])
def test_a_text_that_is_never_ended(text: str) -> None:
    """After minutes without text, what waits for it gets an error."""

    async def pieces() -> AsyncIterator[str]:
        yield text
        await asyncio.Event().wait()

    async def wait_for_it() -> float:
        reply_text = ReplyText(pieces(), ReplyMetrics())
        reader = TextChunks(reply_text, FlushScheduler())
        try:
            with pytest.raises(TextTimeoutError):
                assert not (await reply_text.begins() and await reader.due())
        finally:
            reader.close()
            await reply_text.close()
        return _now()

    assert run(wait_for_it()) == pytest.approx(TEXT_TIMEOUT_S)


async def test_many_small_parts() -> None:
    """A text that came letter by letter is handed on, and skipped, as fast as one that did not."""
    pieces: asyncio.Queue[str | None] = asyncio.Queue()
    for letter in [*("One. " * 30_000), None]:
        pieces.put_nowait(letter)
    reply_text = ReplyText(_text(pieces), ReplyMetrics())
    assert await reply_text.begins()
    started = time.process_time()
    assert await TextChunks(reply_text, FlushScheduler()).next()
    reply_text.skip(149_995)
    assert time.process_time() - started < 0.25
    assert reply_text.text.take(reply_text.text.length) == "One. "
    await reply_text.close()
