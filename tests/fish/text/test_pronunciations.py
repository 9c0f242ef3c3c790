"""Words that are spoken otherwise than they are written."""

import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wyoming_fish.fish.errors import SettingsError
from wyoming_fish.fish.text.pronunciations import (
    MAX_WORDS,
    Pronouncer,
    Pronunciation,
    parse_pronunciations,
)

LIST = """\
# Names
HACS: hacks
Home Assistant: the house

home: hoam
C++: see plus plus
北京: /bei3 jing1/
happy: glad
i: eye
"""


def _spoken(*pieces: str) -> str:
    pronouncer = Pronouncer(parse_pronunciations(LIST))
    said = [pronouncer.write(piece) for piece in pieces]
    return "".join([*said, pronouncer.write("", complete=True)])


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("HACS, hacs and Hacs.", "hacks, hacks and hacks."),
        ("HACSes and aHACS and HACS_2", "HACSes and aHACS and hacks_2"),
        ("Home Assistant is home.", "the house is hoam."),
        ("home assistants", "hoam assistants"),
        ("I use C++!", "eye use see plus plus!"),
        ("在北京吃", "在<|phoneme_start|>bei3 jing1<|phoneme_end|>吃"),
        ("[happy] I am happy", "[happy] eye am glad"),
        ("<|phoneme_start|>HACS<|phoneme_end|>", "<|phoneme_start|>HACS<|phoneme_end|>"),
        ("ıK ſ İ", "ıK ſ İ"),
        ("HACSé, éHACS, HACS京, 京HACS", "HACSé, éHACS, HACS京, 京HACS"),
        (
            "北京a北京",
            "<|phoneme_start|>bei3 jing1<|phoneme_end|>a<|phoneme_start|>bei3 jing1<|phoneme_end|>",
        ),
        ("", ""),
    ],
)
def test_words(text: str, spoken: str) -> None:
    """Listed words are spoken as listed, the longer first, at the edges of words alone."""
    assert _spoken(text) == spoken


WORDS = ["HACS", "Home", " ", "Assist", "ant", "home", "C", "+", "北", "京", "happy", ".", "i", "ı"]


@given(st.lists(st.sampled_from(WORDS), max_size=20).map("".join), st.lists(st.integers(0, 60)))
def test_pieces_do_not_matter(text: str, places: list[int]) -> None:
    """Whatever the pieces in which it came, the same is spoken."""
    at = [0, *sorted({place for place in places if place < len(text)}), len(text)]
    assert _spoken(*(text[a:b] for a, b in pairwise(at))) == _spoken(text)


def test_nothing_certain_waits() -> None:
    """Only what may become a listed word waits."""
    pronouncer = Pronouncer(parse_pronunciations(LIST))
    assert pronouncer.write("A house and H") == "A house and "
    assert pronouncer.write("e") == "He"
    assert pronouncer.write(" likes Home") == " likes "
    assert pronouncer.write(" Ass") == ""
    assert pronouncer.write("e") == "hoam Asse"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ok: fine\nnothing", "Line 2 .* no colon"),
        ("word:", "Line 1 .* empty"),
        ("-: dash", "Line 1 .* not a word"),
        ("a: b [c]", "bracket"),
        (f"{'a' * 300}: b", "not a word"),
        (f"a: {'b' * 2000}", "too long"),
        ("\n".join(f"w{n}: x" for n in range(MAX_WORDS + 1)), "more than"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    """A mistake is told with its line."""
    with pytest.raises(SettingsError, match=message):
        parse_pronunciations(text)


def test_phonemes() -> None:
    """Between slashes there are phonemes."""
    assert parse_pronunciations("live: /L AY1 V/") == (Pronunciation("live", "L AY1 V", True),)


def test_a_long_list_costs_little() -> None:
    """What a word costs does not grow with the list, nor does a second reply begin later."""
    listed = parse_pronunciations("\n".join(f"word{n}: x" for n in range(MAX_WORDS)))
    pronouncer = Pronouncer(listed)
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    text = "A word, word4999 and other words. " * 100
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        said = Pronouncer(listed).write(text)
    finally:
        sys.setprofile(before)
    assert said.count("x and") == 100
    # With 5000 alternatives it would be thousands.
    assert calls < 10 * len(text)
    assert pronouncer.write("word1 ") == "x "
