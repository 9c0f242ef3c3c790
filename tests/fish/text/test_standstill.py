"""Nothing that reads a text can stand still in it, even where a part of it is wrong."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wyoming_fish.fish.settings import Backend
from wyoming_fish.fish.text import Cleaner, TextSettings
from wyoming_fish.fish.text.markup import blocks, parser
from wyoming_fish.fish.text.markup.hidden import HiddenText
from wyoming_fish.fish.text.markup.parser import MAX_HELD_CHARS
from wyoming_fish.fish.text.markup.state import NEED_MORE, NeedMore, ParserState
from wyoming_fish.fish.text.sentences import Sentences, segmenter, sentence_ends
from wyoming_fish.fish.text.ssml.document import parse_ssml

from .corpus import clean

# A loop that stands still ends here, and not with the whole run.
pytestmark = pytest.mark.timeout(30)

HANDLERS = parser._HANDLERS  # noqa: SLF001 - to put a wrong one in
TEXT = "Go *on* now.\n* Then stop."


class _Still:
    """Hidden text that never ends, and of which nothing is read."""

    def __init__(self, place: Callable[[int], int | NeedMore]) -> None:
        self.open = True
        self.then: HiddenText | None = None
        self._place = place

    def skip(self, _text: str, at: int, *, complete: bool) -> int | NeedMore:
        return self._place(at)


STILL: list[Callable[[int], int | NeedMore]] = [
    lambda at: at,
    lambda at: at - 1,
    lambda _: NEED_MORE,
]


def _cleaner() -> Cleaner:
    return Cleaner(Backend.S2_1_PRO, TextSettings())


@pytest.mark.parametrize("place", STILL, ids=["stays", "goes back", "waits"])
@pytest.mark.parametrize("pieces", [[TEXT], list(TEXT)], ids=["whole", "letters"])
@pytest.mark.parametrize("kind", ["mark", "line", "hidden"])
def test_a_handler_that_stands_still(
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    pieces: list[str],
    place: Callable[[int], int | NeedMore],
) -> None:
    """A mark whose handler reads nothing is text, and the rest of the reply is said."""

    def stand_still(reading: ParserState, _text: str, at: int, _complete: bool) -> int | NeedMore:
        if kind == "hidden":
            reading.skipping = _Still(place)
            return at + 1
        return place(at)

    handlers = blocks.HANDLERS if kind == "line" else HANDLERS
    monkeypatch.setitem(handlers, "*", stand_still)
    heard = clean(_cleaner(), *pieces)
    assert heard.startswith("Go ")
    assert "Then stop." in heard


def test_waiting_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mark that waits for ever holds back so much and no more, and nothing of it is lost."""
    monkeypatch.setitem(HANDLERS, "*", lambda *_: NEED_MORE)
    cleaner = _cleaner()
    said = cleaner.write("Go *")
    for _ in range(2 * MAX_HELD_CHARS):
        said += cleaner.write("on ")
        assert cleaner.held <= MAX_HELD_CHARS
    said += cleaner.end()
    assert said.count("on") == 2 * MAX_HELD_CHARS


@pytest.mark.parametrize("name", ["_PLAIN", "_NOISE"])
def test_a_pattern_that_matches_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A pattern of the parser that matches an empty text does not hold it up."""
    monkeypatch.setattr(parser, name, re.compile(""))
    heard = clean(_cleaner(), "Go on. " + "*_~!" * 10 + " Then stop.")
    assert "Then" in heard.replace(" ", "")


@pytest.mark.parametrize("kind", ["bracket", "free", "clause", "space"])
def test_a_place_of_no_length(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A pattern of the cuts that matches an empty text does not hold them up."""
    kinds = ("bracket", "free", "clause", "space")
    groups = [f"(?P<{name}>{'' if name == kind else 'x^'})" for name in kinds]
    monkeypatch.setattr(segmenter, "PLACE", re.compile("|".join(groups)))
    cuts = Sentences()
    for letter in TEXT:
        cuts.write(letter)
    assert cuts.text == TEXT
    list(sentence_ends(TEXT, 0))


MARKS = st.text(alphabet="[]()<>*_`~$\\|{}:;/#!?&=-+^.,'\"@ \n\u200b13ahwxHW中👍【】", max_size=120)


@given(MARKS)
def test_any_marks(text: str) -> None:
    """Marks in any order sound the same whole, in pieces and letter by letter."""
    whole = clean(_cleaner(), text)
    assert clean(_cleaner(), *text) == whole
    assert clean(_cleaner(), *(text[at : at + 7] for at in range(0, len(text), 7))) == whole
    cuts = Sentences()
    for letter in text:
        cuts.write(letter)
    assert cuts.text == text
    parse_ssml(f"<speak>{text}", Backend.S2_1_PRO, TextSettings())
