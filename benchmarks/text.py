"""What is heard of the corpus, and where its sentences are cut, beside other segmenters.

A false cut is one where no sentence ends: it is heard as an end in the middle of a sentence. A
missed one costs time, and nothing else. A reply is exact when it is heard to the letter as the
corpus says, and equal when its words are. The last end of a text does not count: nothing follows.
"""

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple
from unicodedata import category

from tests.fish.text.corpus import (
    Reply,
    failures,
    known_failures,
    marked,
    replies,
    sentence_cases,
    sentence_ends_found,
    typical_text,
    visible_ends,
    write_known_failures,
)
from wyoming_fish.fish.synthesis.flush_scheduler import MAX_CHUNK_CHARS
from wyoming_fish.fish.text.sentences import CutKind, Sentences

from . import text_cost
from .table import Verdict, print_table, print_verdicts, verdict
from .text_peers import Case, cut, install, suites

# Characters of a text whose cost is measured, and of a piece, as language models write.
_LENGTH: Final = 20_000
_PIECE: Final = 4
_TURNS: Final = 3

# Texts that are put together at random, of those that may be costly.
_RANDOM: Final = 200
_QUICK_RANDOM: Final = 20
_FINALISTS: Final = 10
_SCREENED: Final = 2_000

_OURS: Final = "ours"


class Score(NamedTuple):
    """What is wrong with the cuts of texts."""

    false: int = 0
    missed: int = 0

    def __str__(self) -> str:
        """As the tables have it."""
        return f"{self.false}/{self.missed}"


class Scores(NamedTuple):
    """Of one text: of all ends, and of the first one."""

    all: Score
    first: Score


def run(*, quick: bool = False) -> list[Verdict]:
    """Measure, print the tables and give the verdict."""
    peers, missing = install()
    for name in missing:
        print(f"Not installed: {name}")
    own = [Case(case.language, case.text, case.sentences) for case in sentence_cases()]
    _compare(own, suites(), peers)
    _print_pauses(own)
    _print_replies(replies())
    _print_costs(_QUICK_RANDOM if quick else _RANDOM)
    new = failures().keys() - known_failures().keys()
    for key in sorted(new):
        print(f"New failure: {key}")
    verdicts = [verdict("failures of the corpus that are not known", len(new), 0)]
    print_verdicts(verdicts)
    return verdicts


def update() -> None:
    """Write the list of failures that are known."""
    write_known_failures()


def _compare(own: list[Case], others: dict[str, list[Case]], peers: list[str]) -> None:
    """Print false and missed cuts by suite, and by language of our own."""
    columns = [_OURS, *peers]
    rows, costs = [], []
    by_language: dict[str, dict[str, Score]] = defaultdict(lambda: defaultdict(Score))
    for name, cases in {**others, "own": own}.items():
        scores = {_OURS: [_score(case, ours(case.text)) for case in cases]}
        for peer in peers:
            done = cut(peer, cases)
            scores[peer] = [
                _score(case, found) for case, found in zip(cases, done.sentences, strict=True)
            ]
            if name == "own":
                costs.append([peer, f"{done.microseconds:.2f} µs"])
        rows.append(
            [
                f"{name} ({len(cases)})",
                *(str(_total(score.all for score in scores[who])) for who in columns),
            ]
        )
        if name == "own":
            firsts = (str(_total(score.first for score in scores[who])) for who in columns)
            rows.append(["own, the first end", *firsts])
            for who in columns:
                for case, score in zip(cases, scores[who], strict=True):
                    by_language[case.language][who] = _total(
                        (by_language[case.language][who], score.all)
                    )
    print_table("Sentence ends: false/missed", ["suite (texts)", *columns], rows)
    texts = [case.language for case in own]
    ranked = sorted(by_language, key=lambda code: (-by_language[code][_OURS].false, code))
    print_table(
        "Sentence ends of our own texts by language: false/missed",
        ["language", "texts", *columns],
        [
            [code, texts.count(code), *(str(by_language[code][who]) for who in columns)]
            for code in ranked
        ],
    )
    spent = min(_seconds_for(own) for _ in range(_TURNS)) / sum(len(case.text) for case in own)
    print_table(
        "Sentence ends of our own texts: processor time for a character",
        ["segmenter", "cost"],
        [[_OURS, f"{1e6 * spent:.2f} µs"], *costs],
    )


def _seconds_for(cases: list[Case]) -> float:
    """Seconds of the processor for our sentence ends of ``cases``, letter by letter."""
    started = time.process_time()
    for case in cases:
        sentences = Sentences()
        for letter in case.text:
            sentences.write(letter)
    return time.process_time() - started


def ours(text: str) -> list[str]:
    """The sentences of ``text`` as we find them."""
    return marked(text, sentence_ends_found(text)).split("|")


def _score(case: Case, found: list[str]) -> Scores:
    true, cuts = visible_ends(case.sentences), aligned_ends(case.text, found)
    first = min(true, default=len(case.text))
    return Scores(
        Score(len(cuts - true), len(true - cuts)),
        Score(int(min(cuts, default=first) < first), int(bool(true) and first not in cuts)),
    )


def aligned_ends(text: str, sentences: Iterable[str]) -> set[int]:
    """Where ``sentences`` end within ``text``, of which a segmenter may have left letters out."""
    letters = "".join(text.split())
    ends, at = set(), 0
    for sentence in sentences:
        for letter in "".join(sentence.split()):
            found = letters.find(letter, at)
            at = at if found < 0 else found + 1
        ends.add(at)
    return ends - {0, len(letters)}


def _total(scores: Iterable[Score]) -> Score:
    return Score(*(sum(column) for column in zip(*scores, strict=True)))


def _print_pauses(cases: list[Case]) -> None:
    """Print how often a sentence is taken for ended when the text pauses after a word."""
    counts = {"inner word": [0, 0, 0], "end of a sentence": [0, 0, 0]}
    for case in cases:
        ends = {len("".join(case.sentences[:number])) for number in range(len(case.sentences) + 1)}
        for space in re.finditer(r"\s+|$", case.text):
            at_end = space.end() in ends
            sentences = Sentences()
            sentences.write(case.text[: space.start()])
            if sentences.cuts:
                # What has ended before is spoken already.
                sentences.take(sentences.cuts[-1].at)
            count = counts["end of a sentence" if at_end else "inner word"]
            count[0] += 1
            count[1] += sentences.ends_well()
            count[2] += sentences.ends_well(any_mark=True)
    print_table(
        "The text pauses after a word: where a sentence is taken for ended",
        ["after", "places", "in a short pause", "in a long one"],
        [[name, *count] for name, count in counts.items()],
    )


def _print_replies(every: list[Reply]) -> None:
    """Print how many replies are heard as they should be, by language and by file."""
    counts: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0, 0]))
    for reply in every:
        said = reply.said()
        if said in reply.readings:
            place = 0
        else:
            heard = _words(said)
            place = 1 if any(_words(reading) == heard for reading in reply.readings) else 2
        kind = Path(reply.file).stem
        counts["language"][reply.language][place] += 1
        if reply.language != kind:
            counts["kind"][kind][place] += 1
        counts["set"]["all"][place] += 1
    for by, groups in counts.items():
        ranked = sorted(groups, key=lambda name: (-groups[name][2], -groups[name][1], name))
        print_table(
            f"Replies, by {by}",
            [by, "replies", "exact", "same words", "other"],
            [[name, sum(groups[name]), *groups[name]] for name in ranked],
        )


def _words(text: str) -> list[str]:
    """The words and signs, without punctuation."""
    return "".join(
        " " if category(letter)[0] in "PZC" else letter for letter in text.casefold()
    ).split()


def _print_costs(number: int) -> None:
    """Print what a character costs, of typical and of hostile text."""
    typical = typical_text()
    hostile = text_cost.patterns(number)
    rows = []
    parts: dict[str, Callable[[str, int, int], float]] = {
        "cleaner": partial(text_cost.cost, text_cost.CUTS["in pieces"]),
        "sentence finder": _cost_of_sentences,
    }
    for name, cost in parts.items():
        usual = cost(typical, _LENGTH, _TURNS)
        worst, text = _costliest(cost, hostile)
        rows.append(
            [name, f"{usual:.2f} µs", f"{worst:.2f} µs", f"{worst / usual:.1f} ×", f"{text!r}"]
        )
    print_table(
        f"Processor time for a byte, in pieces of four characters; {len(hostile)} hostile texts",
        ["part", "typical", "hostile", "ratio", "which"],
        rows,
    )


def _costliest(cost: Callable[[str, int, int], float], texts: list[str]) -> tuple[float, str]:
    screened = sorted(texts, key=lambda text: -cost(text, _SCREENED, 1))[:_FINALISTS]
    return max((cost(text, _LENGTH, _TURNS), text) for text in screened)


def _cost_of_sentences(text: str, length: int = _LENGTH, turns: int = _TURNS) -> float:
    """Microseconds of the processor for a byte of ``text``, with its sentences taken away."""
    text = (text * (length // len(text) + 1))[:length]
    pieces = [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)]
    with text_cost.no_collections():
        least = min(_turn(pieces) for _ in range(turns))
    return 1e6 * least / len(text.encode("utf-8", "surrogatepass"))


def _turn(pieces: list[str]) -> float:
    sentences = Sentences()
    started = time.process_time()
    for piece in pieces:
        sentences.write(piece)
        cuts = sentences.cuts
        if cuts and (cuts[-1].kind is CutKind.SENTENCE or cuts[-1].at >= MAX_CHUNK_CHARS):
            sentences.take(cuts[-1].at)
    return time.process_time() - started
