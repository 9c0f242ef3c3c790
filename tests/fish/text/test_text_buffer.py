"""A text that grows, and is read from any position in it."""

import asyncio
import sys
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wyoming_fish.fish.cpu_turns import STEP_CHARS
from wyoming_fish.fish.text.text_buffer import TextBuffer, buffered

_TEXTS = st.lists(st.text(max_size=3) | st.integers(0, 3 * STEP_CHARS).map("x".__mul__), max_size=9)


@given(_TEXTS, st.integers(0, 2 * STEP_CHARS), st.integers(0, 2 * STEP_CHARS))
def test_it_is_the_text(texts: list[str], dropped: int, more: int) -> None:
    """However it came, and whatever was dropped of its start, the rest is there in order."""
    buffer, whole = TextBuffer(), "".join(texts)
    for text in texts:
        buffer.write(text)
    assert buffer.length == len(whole)
    buffer.drop(dropped)
    assert buffer.length == len(whole)
    at = dropped + more
    assert "".join(buffer.since(at)) == whole[at:]
    assert all(buffer.since(at))
    # Less than a part of what was dropped is still in memory.
    assert len("".join(buffer.since(0))) < len(whole[dropped:]) + STEP_CHARS


@given(_TEXTS, st.booleans())
def test_it_is_read_once_or_kept(texts: list[str], kept: bool) -> None:
    """What is written is given in parts of bounded length, and only kept if it is needed again."""
    buffer = TextBuffer()
    buffer.is_kept = kept
    reading, read = buffer.read(), ""
    assert next(reading) is None
    for text in texts:
        buffer.write(text)
        while (part := next(reading)) is not None:
            assert 0 < len(part) <= STEP_CHARS
            read += part
    buffer.end()
    assert list(reading) == []
    assert read == "".join(texts)
    assert "".join(buffer.since(0)) == (read if kept else "")


def test_letters_are_joined() -> None:
    """A text that comes letter by letter takes hardly more memory than its letters."""
    buffer = TextBuffer()
    for _ in range(50_000):
        buffer.write("x")
        buffer.write("")
    assert sum(map(sys.getsizeof, buffer.since(0))) < 1.1 * 50_000


async def test_what_ends_a_text_reaches_its_readers() -> None:
    """The whole text is there at its end; what the text raises is raised to all who wait for it."""

    async def text(error: Exception | None) -> AsyncIterator[str]:
        yield "One. "
        await asyncio.sleep(0)
        yield "Two."
        if error is not None:
            raise error

    async with buffered(text(None)) as buffer:
        assert set(await asyncio.gather(buffer.whole(), buffer.whole())) == {"One. Two."}
        assert not buffer.readers
    async with buffered(text(LookupError("It broke."))) as buffer:
        for _ in range(2):
            with pytest.raises(LookupError, match="It broke"):
                await buffer.whole()


@pytest.mark.parametrize("error", [None, LookupError("It broke.")])
async def test_it_is_read_from_its_start_while_it_grows(error: Exception | None) -> None:
    """Each reader gets every piece when it is written, and the end, also after drops."""
    buffer = TextBuffer()
    buffer.write("One. ")
    first, second = buffer.pieces(), buffer.pieces()
    assert await anext(first) == "One. "
    buffer.write("Two.")
    assert await anext(first) == "Two."
    assert await anext(second) == "One. Two."
    buffer.drop(buffer.length)
    buffer.end(error)
    for reader in (first, second, buffer.pieces()):
        with pytest.raises(type(error) if error else StopAsyncIteration):
            await anext(reader)
    assert not buffer.readers


def test_a_text_is_streamed_unless_it_is_whole_from_the_start() -> None:
    """One piece may be only the first of several."""
    buffer = TextBuffer()
    buffer.write("One. ")
    was_streamed = buffer.is_streamed
    buffer.end()
    assert (was_streamed, buffer.is_streamed) == (True, False)
    buffer = TextBuffer()
    for piece in ("One. ", "", "Two."):
        buffer.write(piece)
    buffer.end()
    assert buffer.is_streamed
