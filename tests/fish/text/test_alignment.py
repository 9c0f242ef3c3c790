"""Words that were written and words that were said."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wyoming_fish.fish.text.alignment import words, words_covered


def _seconds(text: str) -> float:
    began = time.process_time()
    words(text)
    return time.process_time() - began


def test_marks_on_one_letter_take_no_longer_than_letters() -> None:
    """Unicode sorts the marks of a letter, in a time that grows with the square of their number."""
    count = 50_000
    assert _seconds("a" + "\u0301\u0323" * count) < 100 * _seconds("a " * count)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Good night, you all!", ["good", "night", "you", "all"]),
        ("It’s «Ümläut» — isn't it?", ["its", "ümläut", "isnt", "it"]),
        ("19.5 °C at 7:30", ["19", "5", "c", "at", "7", "30"]),
        ("[whisper] Sleep <|speaker:1|>well. [clear throat]", ["sleep", "well"]),
        ("約三分。 OK", ["約", "三", "分", "ok"]),
        ("สวัสดี ครับ", [*"สวัสดี", *"ครับ"]),
        ("안녕 하세요", ["안녕", "하세요"]),
        ("𝐁old ﬁne", ["bold", "fine"]),
        ("— … »", []),
        ("", []),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    """Words are compared without case, marks and apostrophes; cues are none."""
    assert words(text) == found


@pytest.mark.parametrize(
    ("written", "said", "at"),
    [
        ("good night you all", "good night", 2),
        ("good night you all", "", 0),
        ("it is 19 5 degrees outside now", "it is nineteen point five degrees outside", 6),
        ("it is 19 5 degrees", "it is nineteen point five degrees", 5),
        ("it is 19 5 degrees", "it is nineteen point", None),
        ("it is 19 5 degrees", "it is nineteen point five", None),
        ("dr no is here", "doctor no is here", 4),
        ("yes 5 yes 5 yes", "yes five yes", 3),
        ("yes yes yes", "yes yes", 2),
        ("well then", "uh well then", 2),
        ("one two", "three four", None),
        ("one two", "one two three", None),
        ("5 yes 5 yes yes", "five yes five yes", 4),
        ("one two", "two " * 200 + "two", None),
    ],
)
def test_read(written: str, said: str, at: int | None) -> None:
    """What was said is followed through numbers, abbreviations and additions to its last word."""
    assert words_covered(written.split(), said.split()) == at


@given(st.text(max_size=60))
def test_what_is_said_as_written_is_found(text: str) -> None:
    """Any text that is said as it was written has been said whole."""
    written = words(text)
    assert words_covered(written, words(" ".join(written))) in (len(written), len(words(text)))


@given(st.lists(st.sampled_from(["a", "b", "c"])), st.lists(st.sampled_from(["a", "b", "c"])))
def test_it_never_goes_beyond_what_was_written(written: list[str], said: list[str]) -> None:
    """However the two differ, the answer lies within what was written, or there is none."""
    at = words_covered(written, said)
    assert at is None or 0 <= at <= len(written)
    if at:
        assert written[at - 1] == said[-1]
