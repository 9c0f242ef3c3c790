"""The text of a reply while it is being written, and its pieces, each when its time has come."""

import asyncio
import time

import pytest

from tests.support.idle_clock import pass_time, run
from wyoming_fish.fish import clock
from wyoming_fish.fish.errors import TextTimeoutError
from wyoming_fish.fish.reply_metrics import ReplyMetrics
from wyoming_fish.fish.synthesis.flush_scheduler import (
    LONG_TEXT_PAUSE_S,
    TEXT_PAUSE_S,
    FlushScheduler,
)
from wyoming_fish.fish.synthesis.text_chunks import TEXT_TIMEOUT_S, ReplyText, TextChunks
from wyoming_fish.fish.text.request_prefix import RequestPrefix
from wyoming_fish.fish.text.text_buffer import TextBuffer


def _reply_text(
    text: str = "", prefix: RequestPrefix | None = None
) -> tuple[TextBuffer, ReplyText]:
    """A text of which ``text`` is written, and what is said of it."""
    source = TextBuffer()
    source.write(text)
    return source, ReplyText(source, source.read(), ReplyMetrics(), prefix)


async def test_a_piece_goes_at_a_pause() -> None:
    """Where no more text comes, a sentence goes as soon as the pause is long enough."""
    source, reply_text = _reply_text("Let me see.")
    reader = TextChunks(reply_text, FlushScheduler())
    began = clock.now()
    assert await reader.next() == "Let me see."
    assert TEXT_PAUSE_S <= clock.now() - began < LONG_TEXT_PAUSE_S
    source.write(" It is five.")
    source.end()
    assert await reader.next() == " It is five."
    assert await reader.next() == ""


async def test_what_is_due_stays_until_it_is_taken() -> None:
    """Looking whether it is time for a piece takes nothing of the text."""
    source, reply_text = _reply_text("One. Two")
    readers = [TextChunks(reply_text, FlushScheduler()) for _ in range(2)]
    for reader in readers:
        assert await reader.due()
        assert await reader.next() == "One. "
    source.end()
    # Each attempt reads the text by itself, and each is woken by it.
    for reader in readers:
        assert await reader.next() == "Two"
        assert not await reader.due()
        reader.close()
    assert not source.readers


async def test_a_pause_ends_the_pieces() -> None:
    """After the pause that is allowed, and after being stopped, no piece comes."""
    _, reply_text = _reply_text()
    reader = TextChunks(reply_text, FlushScheduler())
    assert await reader.next(0.01) == ""
    waiting = asyncio.create_task(reader.next())
    await asyncio.sleep(0)
    assert not waiting.done()
    reader.stop()
    assert await waiting == ""
    reader.close()


async def test_a_wait_that_has_ended_wakes_nobody_later() -> None:
    """Its time passes without news, where something else has ended it, even a cancellation."""
    news = asyncio.Event()
    soon = clock.now() + 0.01
    for end in ("news", "cancelled"):
        news.clear()
        waiting = asyncio.create_task(clock.wait(news, soon))
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
        source, reply_text = _reply_text("Once upon a time. ")
        assert await reply_text.begins()
        await pass_time(TEXT_TIMEOUT_S + 60.0)
        reply_text.skip(len("Once upon a time. "))
        asyncio.get_running_loop().call_later(60.0, source.write, "And then.")
        return await reply_text.begins()

    assert run(goes_on())


async def test_what_was_not_spoken_changes_no_speaker() -> None:
    """The last speaker goes on with the rest of a text, not one that comes later in it."""
    text = "One, and more. <|speaker:1|>Two. Three."
    _, reply_text = _reply_text(text, RequestPrefix(speaker="<|speaker:0|>"))
    assert await reply_text.begins()
    for spoken, left in (
        ("One, ", "<|speaker:0|>and more. <|speaker:1|>Two. Three."),
        ("and more. <|speaker:1|>Two. ", "<|speaker:1|>Three."),
    ):
        reply_text.skip(len(spoken))
        rest = "".join(reply_text.buffer.since(reply_text.skipped))
        assert reply_text.request(rest, opens=True, begun=False) == left


@pytest.mark.parametrize("text", ["", "Just a", " … "])
def test_a_text_that_is_never_ended(text: str) -> None:
    """After minutes without text, what waits for it gets an error."""

    async def wait_for_it() -> float:
        _, reply_text = _reply_text(text)
        reader = TextChunks(reply_text, FlushScheduler())
        try:
            with pytest.raises(TextTimeoutError):
                assert not (await reply_text.begins() and await reader.due())
        finally:
            reader.close()
        return clock.now()

    assert run(wait_for_it()) == pytest.approx(TEXT_TIMEOUT_S)


async def test_many_small_parts() -> None:
    """A text that came letter by letter is handed on, and skipped, as fast as one that did not."""
    source, reply_text = _reply_text()
    for letter in "One. " * 30_000:
        source.write(letter)
    source.end()
    assert await reply_text.begins()
    started = time.process_time()
    while await reply_text.prepare():
        pass
    assert await TextChunks(reply_text, FlushScheduler()).next()
    reply_text.skip(149_995)
    assert time.process_time() - started < 0.25
    assert "".join(reply_text.buffer.since(reply_text.skipped)) == "One. "


async def test_a_text_is_prepared_by_those_who_wait_for_it() -> None:
    """Each step is done once, whichever of two readers is there to do it, and nothing is lost."""
    source, reply_text = _reply_text()
    readers = [TextChunks(reply_text, FlushScheduler()) for _ in range(2)]
    waiting = [asyncio.create_task(reader.next()) for reader in readers]
    await asyncio.sleep(0)
    source.write("One. ")
    waiting[0].cancel()
    source.write("Two")
    assert await waiting[1] == "One. "
    source.end()
    assert await readers[1].next() == "Two"
    assert await TextChunks(reply_text, FlushScheduler()).next() == "One. "


async def test_a_long_text_begins_before_all_of_it_is_prepared() -> None:
    """The first chunk of a text that is there whole does not wait for the end to be cleaned."""
    source, reply_text = _reply_text("One. " + "Two and three. " * 10_000)
    source.end()
    assert await reply_text.begins()
    assert await TextChunks(reply_text, FlushScheduler()).next() == "One. "
    assert reply_text.buffer.length < 10_000
