"""The places between the sentences of a text that is being written."""

import pytest

from wyoming_fish.fish.cpu_turns import STEP_CHARS
from wyoming_fish.fish.text.sentences.boundaries import Boundaries


@pytest.mark.parametrize("step", [1, 7, STEP_CHARS])
@pytest.mark.parametrize("marks", ["-\n", "! ", "\u3002", ". "])
def test_marks_alone_are_no_sentence(marks: str, step: int) -> None:
    """They go on with the next sentence, however many they are."""
    text = "Good night. " + marks * 3000 + "The doors are locked. "
    boundaries = Boundaries()
    for at in range(0, len(text), step):
        boundaries.write(text[at : at + step])
    boundaries.complete()
    assert len(boundaries.ends) == 2
    assert boundaries.ends[1] == len(text)
