from hypothesis import given
from hypothesis import strategies as st

from wyoming_fish.emulator.api.chunks import UnspokenText
from wyoming_fish.emulator.settings import Split


def chunks(*texts: str, length: int = 100, least: int = 10, split: Split = "length") -> list[str]:
    """What is spoken unasked of texts that come one after the other."""
    buffer = UnspokenText(length, least, split)
    return [chunk for text in texts for chunk in buffer.add(text)]


def test_text_short_of_a_chunk_waits() -> None:
    """Without a flush nothing is spoken before there are chunk_length characters."""
    assert chunks("One sentence. ", "Another. ", "x" * 70) == []


def test_a_full_chunk_is_cut_at_the_last_word_boundary() -> None:
    """A chunk ends before the word that would not fit in it."""
    words = "seven77 " * 13
    assert chunks(words[:99]) == []
    assert chunks(words[:100]) == ["seven77 " * 12]


def test_a_word_longer_than_a_chunk_is_cut() -> None:
    """Text without a space is cut at chunk_length."""
    assert chunks("字" * 250) == ["字" * 100, "字" * 100]


def test_sentences_are_spoken_once_long_enough() -> None:
    """With split "sentence" a chunk ends at the first sentence end at or after the minimum."""
    assert chunks("Yes. It is. Now", split="sentence") == ["Yes. It is. "]


def test_a_sentence_end_is_known_by_what_follows() -> None:
    """A full stop ends nothing before the space after it has come."""
    buffer = UnspokenText(100, 10, "sentence")
    assert list(buffer.add("It is 22.")) == []
    assert list(buffer.add("5 degrees.")) == []
    assert list(buffer.add(' "Good." ')) == ["It is 22.5 degrees. "]
    assert buffer.take() == '"Good." '


def test_sentences_in_chinese_need_no_space() -> None:
    """An ideographic full stop ends a sentence by itself."""
    assert chunks("今天天气很好。我们去吧", least=3, split="sentence") == ["今天天气很好。"]


def test_blank_text_is_kept_for_what_follows() -> None:
    """A flush of blank text speaks nothing and loses nothing."""
    buffer = UnspokenText(100, 10, "length")
    assert list(buffer.add(" \n")) == []
    assert buffer.take() is None
    assert list(buffer.add("word")) == []
    assert buffer.take() == " \nword"


@given(
    st.lists(st.text(st.sampled_from("ab .!。\n"), max_size=260), max_size=6),
    st.sampled_from(["length", "sentence"]),
)
def test_chunks_joined_are_the_text(texts: list[str], split: Split) -> None:
    """Nothing is lost or moved, no chunk is blank, and none is longer than chunk_length."""
    buffer = UnspokenText(100, 10, split)
    cut = [chunk for text in texts for chunk in buffer.add(text)]
    assert all(len(chunk) <= 100 and not chunk.isspace() for chunk in cut)
    rest = buffer.take() or ""
    assert len(rest) < 100 or not rest
    assert "".join([*cut, rest]).rstrip() == "".join(texts).rstrip()
