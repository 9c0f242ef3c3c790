"""The product's regular expressions: the same on every Python, and quick on any text."""

import re
import time
from collections.abc import Iterator

import pytest

from tests.patterns import Pattern, all_patterns

# What a text may begin with, and what may follow again and again.
OPENINGS = [
    "",
    "<",
    "<a ",
    "<a x=",
    '<a x="',
    "[",
    "[a](",
    "(",
    "$x^",
    "\\(",
    "\\[",
    "\\frac{",
    "`",
]
OPENINGS += ["https://", "<|", "&#", ":a", "*", "<!DOCTYPE[", "【1†", "a"]
REPEATED = [
    *OPENINGS[1:],
    *"a1 \n.,:;!?'\"|\\/]})>-=~_^中é👍",
    "a ",
    "a=b ",
    ' a="b"',
    "\\a",
    "[b]",
]
REPEATED += ["a, ", "{a}", "checked ", "1,", "a.", "https://a ", "word word "]


@pytest.fixture(scope="module")
def patterns() -> list[Pattern]:
    """All of them."""
    return all_patterns()


def test_they_are_found(patterns: list[Pattern]) -> None:
    """None of the rooms that have some is forgotten."""
    places = {pattern.place.partition(":")[0] for pattern in patterns}
    assert {"grammar.py", "markup.py", "spoken.py", "cache.py", "voice_form.py"} <= places
    assert {"pronunciations.py", "timeline.py"} <= places
    assert len(patterns) > 60


def _operations(tree: object) -> Iterator[str]:
    """The names of all that a parsed pattern does."""
    if isinstance(tree, (list, tuple)) or type(tree).__name__ == "SubPattern":
        for part in tree:  # type: ignore[attr-defined]
            yield from _operations(part)
    elif type(tree).__name__ == "_NamedIntConstant":
        yield str(tree)


def _is_portable(pattern: str, flags: int = 0) -> bool:
    parsed = re._parser.parse(pattern, flags)  # type: ignore[attr-defined] # noqa: SLF001
    return not {"POSSESSIVE_REPEAT", "ATOMIC_GROUP"} & set(_operations(parsed))


def test_none_is_possessive(patterns: list[Pattern]) -> None:
    """Possessive repeats and atomic groups match wrongly before Python 3.11.5."""
    assert [pattern for pattern in patterns if not _is_portable(pattern.text, pattern.flags)] == []


@pytest.mark.parametrize("pattern", ["a*+", "a++", "(?:ab|[c-d]?+)", "x(?:a{2,3}+y)*", "(?>a)"])
def test_possessive_ones_are_known(pattern: str) -> None:
    """Each of their forms is noticed, however deep it lies."""
    assert not _is_portable(pattern)


TEXTS = [
    [(opening + repeated * length)[:length] for length in (2_000, 4_000)]
    for opening in OPENINGS
    for repeated in REPEATED
]


def test_each_is_linear(patterns: list[Pattern]) -> None:
    """A text that is twice as long takes no pattern more than three times as long."""
    assert [(pattern.place, slow) for pattern in patterns if (slow := _slow_text(pattern))] == []


def test_slow_ones_are_known() -> None:
    """A pattern whose time grows with the square of the length is noticed."""
    assert _slow_text(Pattern("here", "a*a*b", 0, is_for_whole_texts=False))


def _slow_text(pattern: Pattern) -> str:
    """The beginning of a text on which the pattern is slow, or nothing."""
    for half, text in TEXTS:
        # What takes less than this does not grow with the square of the length.
        if _seconds(pattern, text) > 2e-3:
            once, twice = (min(_seconds(pattern, text) for _ in range(3)) for text in (half, text))
            if twice > max(3 * once, 2e-3):
                return str(text[:20])
    return ""


def _seconds(pattern: Pattern, text: str) -> float:
    """Seconds of the processor that one use takes."""
    compiled = re.compile(pattern.text, pattern.flags)
    started = time.process_time()
    (compiled.fullmatch if pattern.is_for_whole_texts else compiled.match)(text)
    return time.process_time() - started
