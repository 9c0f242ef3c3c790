"""The words that Fish Audio documents: what is missing here would be missing for people."""

import pytest

from wyoming_fish.fish.settings import LANGUAGES, Backend
from wyoming_fish.fish.text.cues import EFFECTS, FEELINGS

# The model cards of S1 and S2, best first.
S1_LANGUAGES = "en zh ja de fr es ko ar ru nl it pl pt"
S2_LANGUAGES = """
en zh ja ko es pt ar ru fr de sv it tr no nl cy eu ca da gl ta hu fi pl et hi la ur th vi jw bn
yo cs sw he ms uk id kk bg lv my tl sk ne fa af el bo hr ro sn mi yi am be km is az sd br sq ps
mn ht ml sr sa te ka bs pa lt kn si hy mr as gu fo
"""

# "Emotion Control" in the documentation of Fish Audio.
DOCUMENTED_FEELINGS = """
amused angry anxious ashamed astonished awkward bored calm comforting compassionate conciliative
confident confused contemptuous curious delighted denying depressed determined disappointed
disapproving disdainful disgusted doubtful embarrassed empathetic envious excited frustrated
furious grateful guilty happy hesitating hopeful hysterical impatient indifferent interested
jealous joyful keen lonely moved negative nervous nostalgic optimistic painful panicked
pessimistic proud regretful relaxed reluctant resigned sad sarcastic satisfied scared scornful
serious sincere sneering surprised sympathetic uncertain unhappy upset worried yielding
"""
DOCUMENTED_EFFECTS = """
audience laughing, background laughter, break, breath, chuckling, cough, crowd laughing, crying
loudly, gasping, groaning, in a hurry tone, laugh, laughing, lip-smacking, long-break, panting,
screaming, shouting, sigh, sighing, snoring, sobbing, soft tone, whispering, yawning
"""


def test_backends() -> None:
    """The backends have the names of the documentation."""
    names = "s2.1-pro s2.1-pro-free s2-pro s1 drama-3 drama-3-preview"
    assert [backend.value for backend in Backend] == names.split()


@pytest.mark.parametrize("backend", list(Backend))
def test_languages(backend: Backend) -> None:
    """Each backend speaks the languages of its model card."""
    documented = S1_LANGUAGES if backend is Backend.S1 else S2_LANGUAGES
    assert list(LANGUAGES[backend]) == documented.split()


def test_cues() -> None:
    """All feelings and effects of the documentation are known."""
    assert sorted(FEELINGS) == DOCUMENTED_FEELINGS.split()
    assert sorted(EFFECTS) == " ".join(DOCUMENTED_EFFECTS.split()).split(", ")
