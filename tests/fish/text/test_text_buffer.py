"""A text that grows, and is read from any place in it."""

import sys

from hypothesis import given
from hypothesis import strategies as st

from wyoming_fish.fish.text.text_buffer import MIN_PART_CHARS, TextBuffer

_TEXTS = st.lists(
    st.text(max_size=3) | st.integers(0, 3 * MIN_PART_CHARS).map("x".__mul__), max_size=9
)


@given(_TEXTS, st.integers(0, 2 * MIN_PART_CHARS), st.integers(0, 2 * MIN_PART_CHARS))
def test_it_is_the_text(texts: list[str], taken: int, at: int) -> None:
    """However it came, and whatever was taken from its start, the rest is there in order."""
    buffer, whole = TextBuffer(), "".join(texts)
    for text in texts:
        buffer.write(text)
    assert buffer.length == len(whole)
    assert buffer.take(taken) == whole[:taken]
    assert buffer.length == len(whole[taken:])
    assert "".join(buffer.since(at)) == whole[taken:][at:]
    assert all(buffer.since(at))


def test_letters_are_joined() -> None:
    """A text that comes letter by letter takes hardly more memory than its letters."""
    buffer = TextBuffer()
    for _ in range(50_000):
        buffer.write("x")
        buffer.write("")
    assert sum(map(sys.getsizeof, buffer.since(0))) < 1.1 * 50_000
