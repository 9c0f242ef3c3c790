"""What cleaning costs for each byte of text that is written to hurt it, beside replies as they are.

Typical are the replies of `tests/fish/text/corpus.txt`, one after the other. Hostile is any mark,
any two of them, and a thousand texts that were put together at random, each repeated. Both come in
pieces of four characters, as language models write, letter by letter, and whole; processor time is
for a byte of UTF-8, the least of several turns, and is compared among those that come alike.
"""

import gc
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from typing import Final

from tests.fish.text.corpus import typical_text
from wyoming_fish.fish.settings import Backend
from wyoming_fish.fish.text import Cleaner, TextSettings

from .table import Verdict, print_table, print_verdicts, verdict

# How many times as much as a typical byte any byte may cost, in pieces as models write.
MOST: Final = 2.0

# Characters of each text, turns of which the least counts, and texts that are made at random.
LENGTH: Final = 20_000
TURNS: Final = 3
RANDOM: Final = 1000
QUICK_RANDOM: Final = 50

# The costliest of all, by one short turn each, that are measured properly.
_SCREENED: Final = 2_000
_FINALISTS: Final = 25

_MARKS: Final = [*"*_~=`[](){}<>&|#\\!:;•·【-+^.,?'\"/@$%", *"ahw5 \n", "👍", "é", "中"]
_CONSTRUCTS: Final = (
    "http:// www. <b> <a x=' </ <think> [a](b) [a]( [1] ![ (sad) [laugh] *s _sighs_ :a: &amp; "
    "&#x41; $x^2 \\frac{ \\( \\[ <| |> <!-- ``` ~~~ --> [x]: 【1† <3 ;) " + "a" * 30
).split()

# Characters of a piece, as many as a language model's token has on average.
_PIECE: Final = 4

CUTS: Final[dict[str, Callable[[str], list[str]]]] = {
    "in pieces": lambda text: [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)],
    "letter by letter": list,
    "whole": lambda text: [text],
}


def run(*, quick: bool = False) -> list[Verdict]:
    """Measure, print the table and give the verdict."""
    typical = typical_text()
    hostile = patterns(QUICK_RANDOM if quick else RANDOM)
    rows, worst = [], {}
    for name, cut in CUTS.items():
        usual = cost(cut, typical)
        screened = sorted(hostile, key=lambda text: -cost(cut, text, _SCREENED, 1))
        costs = {text: cost(cut, text) / usual for text in screened[:_FINALISTS]}
        costliest = sorted(costs, key=costs.__getitem__, reverse=True)[:5]
        worst[name] = costs[costliest[0]]
        rows.append(
            [
                name,
                f"{usual:.2f} µs",
                f"{worst[name]:.1f} ×",
                "  ".join(map(repr, costliest)),
            ]
        )
    print_table(
        f"Cleaning: processor time for a byte, {len(hostile)} hostile texts beside typical ones",
        ["text comes", "typical", "worst", "which"],
        rows,
    )
    verdicts = [verdict("worst hostile byte in pieces", worst["in pieces"], MOST, "×")]
    print_verdicts(verdicts)
    return verdicts


def patterns(number: int) -> list[str]:
    """Marks, pairs of them, and ``number`` that are put together at random; always the same."""
    chance = random.Random(6)  # noqa: S311 - no secret
    parts = _MARKS + _CONSTRUCTS
    mixed = {"".join(chance.choices(parts, k=chance.randint(2, 6))) for _ in range(number)}
    return sorted({*parts, *map("".join, product(_MARKS, repeat=2)), *mixed})


def cost(
    cut: Callable[[str], list[str]], text: str, length: int = LENGTH, turns: int = TURNS
) -> float:
    """Microseconds of the processor for a byte of ``text``, repeated up to ``length``."""
    text = (text * (length // len(text) + 1))[:length]
    pieces = cut(text)
    with no_collections():
        least = min(_turn(pieces) for _ in range(turns))
    return 1e6 * least / len(text.encode("utf-8", "surrogatepass"))


@contextmanager
def no_collections() -> Iterator[None]:
    """Keep the garbage collector out: a collection takes longer than a short text."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _turn(pieces: list[str]) -> float:
    cleaner = _cleaner()
    started = time.process_time()
    for piece in pieces:
        cleaner.write(piece)
    cleaner.end()
    return time.process_time() - started


def _cleaner() -> Cleaner:
    return Cleaner(Backend.S2_1_PRO, TextSettings())


if __name__ == "__main__":
    run()
