"""What a text that comes letter by letter takes while its end is awaited."""

import tracemalloc
from collections.abc import Awaitable, Callable, Iterator

import pytest

from wyoming_fish.fish.settings import Backend
from wyoming_fish.fish.text import TextSettings
from wyoming_fish.fish.text.prepared_text import PreparedText, plain
from wyoming_fish.fish.text.sentences import Sentences
from wyoming_fish.fish.text.text_buffer import TextBuffer

LETTER = "\U0001f600"
LETTERS = 20_000

# Bytes of a letter: four in a string, twice while the string grows.
LETTER_BYTES = 8


async def _prepared(text: Iterator[str]) -> None:
    buffer = TextBuffer()
    prepared = PreparedText(buffer, Backend.S2_1_PRO, TextSettings()).steps()
    for letter in text:
        buffer.write(letter)
        while next(prepared) is not None:
            pass


async def _plain(text: Iterator[str]) -> None:
    buffer = TextBuffer()
    for letter in text:
        buffer.write(letter)
    buffer.end()
    await plain(buffer, TextSettings(mode="raw"))


async def _cut(text: Iterator[str]) -> None:
    sentences = Sentences()
    for letter in text:
        sentences.write(letter)


@pytest.mark.parametrize("read", [_prepared, _plain, _cut])
async def test_letters_take_no_more_than_a_text(
    read: Callable[[Iterator[str]], Awaitable[None]],
) -> None:
    """Of a document, of a text for a voice that takes it whole, and of one to be cut."""
    taken = 0

    def text() -> Iterator[str]:
        nonlocal taken
        yield "<speak>"
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(LETTERS):
            # A string of its own, as it comes out of an event.
            yield LETTER.encode().decode()
        taken = tracemalloc.get_traced_memory()[0] - before

    tracemalloc.start()
    try:
        await read(text())
    finally:
        tracemalloc.stop()
    assert 0 < taken <= LETTER_BYTES * LETTERS
