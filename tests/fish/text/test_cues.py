"""Cues, in the form of each backend."""

import pytest

from wyoming_fish.fish.settings import Backend
from wyoming_fish.fish.text.cues import EFFECTS, FEELINGS, MAX_CUE_CHARS, Cues


@pytest.mark.parametrize("backend", list(Backend))
def test_form(backend: Backend) -> None:
    """S1 takes parentheses, and all others brackets."""
    expected = "(whispering)" if backend is Backend.S1 else "[whispering]"
    assert Cues(backend).named("whispering") == expected


@pytest.mark.parametrize("name", sorted(FEELINGS | EFFECTS))
def test_s1_list(name: str) -> None:
    """What S1 knows passes in either form, and becomes a free cue for the others."""
    s1, s2 = Cues(Backend.S1), Cues(Backend.S2_1_PRO)
    assert s1.named(name) == s1.bracketed(name) == f"({name})"
    assert s1.in_parentheses(name, begins_sentence=False) == f"({name})"
    assert s2.in_parentheses(name, begins_sentence=True) == f"[{name}]"


@pytest.mark.parametrize(
    ("free", "fixed"),
    [
        ("laugh", "(laugh)"),
        ("laughs", "(laughing)"),
        ("whisper", "(whispering)"),
        ("sighs", "(sighing)"),
        ("pause", "(break)"),
        ("short pause", "(break)"),
        ("long pause", "(long-break)"),
        ("Excited", "(excited)"),
        ("slightly sad", "(slightly sad)"),
        ("in a sad voice", ""),
    ],
)
def test_free_cues_for_s1(free: str, fixed: str) -> None:
    """A usual free cue becomes the one of S1's list; another is none."""
    assert Cues(Backend.S1).bracketed(free) == fixed
    assert Cues(Backend.S2_PRO).bracketed(free) == f"[{free}]"


@pytest.mark.parametrize("text", ["Your Name", "DATE", "a_b", "12:30", "a/b", "x" * MAX_CUE_CHARS])
def test_no_cues(text: str) -> None:
    """What stands in brackets to be read is none."""
    assert Cues(Backend.S2_1_PRO).bracketed(text) is None


def test_emotions_within_a_sentence() -> None:
    """«The result was (negative)» has ordinary parentheses, but for S1, which acts it anyway."""
    s2 = Cues(Backend.S2_1_PRO)
    assert s2.in_parentheses("negative", begins_sentence=False) is None
    assert s2.in_parentheses("whispering", begins_sentence=False) == "[whispering]"
    assert s2.in_parentheses("a friend", begins_sentence=True) is None
