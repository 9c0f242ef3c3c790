"""The product's regular expressions: the same on every Python, and quick on any text."""

import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice, product

import pytest

from tests.support.bombs import bombs
from tests.support.patterns import Pattern, all_patterns

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
    assert {"state.py", "inline.py", "output.py", "cache.py", "voice_steps.py"} <= places
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


# Characters of a text that is looked at first, and of one that shows how the time grows.
SHORT, LONG = 2_000, 16_000

# How many times as long as a single pass over a text a pattern may take. Those of the product take
# up to 160, and several times that on a busy machine; what grows with the square of the length
# takes thousands.
SUSPECT, MOST = 120, 500

PASS = re.compile(r"(?:[b-y]|\d|a)*\Z")


@pytest.mark.timeout(300)  # all of it is the processor's time
def test_each_is_linear(patterns: list[Pattern], pass_s: float) -> None:
    """No pattern takes longer than MOST passes over a text that is made to slow it down."""
    found = {(pattern.text, pattern.flags): pattern for pattern in patterns}.values()
    assert [(pattern, slow) for pattern in found if (slow := _slow_text(pattern, pass_s))] == []


DOCUMENT_TYPES = r"<!DOCTYPE[^<>\[]*\[[^\]]{0,60000}\]\s*>|<[^<>]*(?:>|$)"


@pytest.mark.parametrize(
    ("text", "is_searched"),
    [(DOCUMENT_TYPES, True), ("a*a*b", False), (r"\S+$", True)],
)
def test_slow_ones_are_known(text: str, is_searched: bool, pass_s: float) -> None:
    """Patterns whose time grows faster than the length are noticed, in their own texts alone."""
    assert _slow_text(Pattern("here", text, 0, False, is_searched), pass_s, own=True)


@pytest.fixture(scope="module")
def pass_s() -> float:
    """Seconds that a pass takes for each character."""
    text = "a" * LONG
    return min(_timed(lambda: PASS.match(text)) for _ in range(200)) / LONG


def _slow_text(pattern: Pattern, pass_s: float, *, own: bool = False) -> str:
    """The beginning of a text on which the pattern is slow, or nothing."""
    for number, short in enumerate(_texts(pattern, SHORT, own=own)):
        if _passes(pattern, short, pass_s) > SUSPECT:
            long = next(islice(_texts(pattern, LONG, own=own), number, None))
            if _passes(pattern, long, pass_s) > MOST:
                return long[:40]
    return ""


def _texts(pattern: Pattern, length: int, *, own: bool) -> Iterator[str]:
    yield from bombs(pattern.text, pattern.flags, length)
    if not own:
        yield from _common_texts(length)


@cache
def _common_texts(length: int) -> list[str]:
    return [
        (opening + repeated * length)[:length] for opening, repeated in product(OPENINGS, REPEATED)
    ]


def _passes(pattern: Pattern, text: str, pass_s: float) -> float:
    """How many passes over ``text`` one use takes: the least of ten, unless one of them decides."""
    compiled = re.compile(pattern.text, pattern.flags)

    def use() -> object:
        if pattern.is_searched:
            return deque(compiled.finditer(text), maxlen=0)
        return (compiled.fullmatch if pattern.is_for_whole_texts else compiled.match)(text)

    least = float("inf")
    for _ in range(10):
        least = min(least, _timed(use) / (pass_s * max(len(text), 1)))
        if not SUSPECT < least <= 4 * MOST:
            break
    return least


def _timed(use: Callable[[], object]) -> float:
    """Seconds of the processor that ``use`` takes."""
    started = time.process_time()
    use()
    return time.process_time() - started
