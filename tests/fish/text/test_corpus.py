"""What is said of every reply of the corpus, and where every text of it is cut.

A case that is right today must stay right. One that is wrong is in known_failures.txt with what
comes out of it; after a change `script/bench text --update` writes that file.
"""

import random
from collections import Counter

import pytest

from wyoming_fish.fish.settings import Backend
from wyoming_fish.fish.text import Cleaner, TextSettings

from .corpus import (
    Reply,
    SentenceCase,
    clean,
    escaped,
    known_failures,
    replies,
    sentence_cases,
    visible_ends,
)

REPLIES = replies()
SENTENCE_CASES = sentence_cases()
KNOWN_FAILURES = known_failures()

# As measured. They only become stricter.
MAX_WRONG_REPLIES = 13
MAX_FALSE_CUTS = 2
MAX_MISSED_ENDS = 5


@pytest.mark.parametrize("reply", REPLIES, ids=str)
def test_reply(reply: Reply) -> None:
    """What is heard of a reply is what the corpus says, or the failure that is known."""
    said = escaped(reply.said())
    expected = [escaped(reading) for reading in reply.readings]
    if reply.key in KNOWN_FAILURES:
        expected = [KNOWN_FAILURES[reply.key]]
    assert said in expected


@pytest.mark.parametrize("case", SENTENCE_CASES, ids=str)
def test_sentence_ends(case: SentenceCase) -> None:
    """A text is cut where the corpus says, or as the known failure is."""
    expected = escaped("|".join(case.sentences))
    assert escaped(case.said()) == KNOWN_FAILURES.get(case.key, expected)


def test_known_failures_are_failures() -> None:
    """A known failure is a case of the corpus, and wrong."""
    right = {reply.key: {escaped(reading) for reading in reply.readings} for reply in REPLIES}
    right |= {case.key: {escaped("|".join(case.sentences))} for case in SENTENCE_CASES}
    for key, said in KNOWN_FAILURES.items():
        assert key in right
        assert said not in right[key]


def test_no_more_failures_than_measured() -> None:
    """There are no more wrong replies, false cuts and missed ends than when they were counted."""
    assert sum(reply.key in KNOWN_FAILURES for reply in REPLIES) <= MAX_WRONG_REPLIES
    false = missed = 0
    for case in SENTENCE_CASES:
        true, found = visible_ends(case.sentences), visible_ends(case.said().split("|"))
        false += len(found - true)
        missed += len(true - found)
    assert false <= MAX_FALSE_CUTS
    assert missed <= MAX_MISSED_ENDS


def test_corpus_is_large() -> None:
    """The corpus has hundreds of cases in dozens of languages, and none of them twice."""
    assert len(REPLIES) >= 500
    assert len({reply.language for reply in REPLIES}) >= 24
    assert len(SENTENCE_CASES) >= 400
    assert len({case.language for case in SENTENCE_CASES}) >= 30
    keys = Counter([reply.key for reply in REPLIES] + [case.key for case in SENTENCE_CASES])
    assert [key for key, times in keys.items() if times > 1] == []


def test_sentence_cases_are_well_formed() -> None:
    """Every sentence has a letter, and every end within a text has a space or a mark before it."""
    for case in SENTENCE_CASES:
        for sentence in case.sentences:
            assert any(letter.isalnum() for letter in sentence), case
            assert sentence == sentence.lstrip(), case
        for sentence in case.sentences[:-1]:
            assert sentence[-1] in " \n" or sentence.rstrip("”」』）")[-1] in "。！？…．", case


def _cleaner() -> Cleaner:
    return Cleaner(Backend.S2_1_PRO, TextSettings())


def test_random_pieces_of_all() -> None:
    """All replies in one, in pieces of any length, are heard as in one piece."""
    written = "\n\n".join(reply.written for reply in REPLIES)
    whole = clean(_cleaner(), written)
    chance = random.Random(6)  # noqa: S311 - to be the same each time
    for _ in range(20):
        cleaner, at, heard = _cleaner(), 0, ""
        while at < len(written):
            step = chance.randint(1, 40)
            heard += cleaner.write(written[at : at + step])
            at += step
        assert heard + cleaner.end() == whole
