"""Cues: words in brackets that Fish acts instead of saying them.

S2, S2.1 and drama take any words in [brackets]; S1 takes a fixed list in (parentheses), and reads
all else aloud. Neither knows the other's form, so each cue is written in the backend's own.

The list is that of Fish's «Emotion Control» (docs.fish.audio, resources/emotion-reference and
developer-guide/core-features/emotions), of S1's model card (which has more emotions), and of the
effects under «Fine-grained Control».
"""

from __future__ import annotations

import re
from typing import Final

from ..settings import Backend

__all__ = ["ACTIONS", "ASIDES", "MAX_CUE_CHARS", "S1_EMOTIONS", "S1_OTHERS", "Cues", "starts_of"]

# Fish says that an emotion stands at the beginning of its sentence.
S1_EMOTIONS: Final = frozenset(
    "happy sad angry excited calm nervous confident surprised satisfied delighted scared worried "
    "upset frustrated depressed empathetic embarrassed disgusted moved proud relaxed grateful "
    "curious sarcastic disdainful unhappy anxious hysterical indifferent uncertain doubtful "
    "confused disappointed regretful guilty ashamed jealous envious hopeful optimistic pessimistic "
    "nostalgic lonely bored contemptuous sympathetic compassionate determined resigned "
    "interested joyful impatient scornful panicked furious reluctant keen disapproving negative "
    "denying astonished serious conciliative comforting sincere sneering hesitating yielding "
    "painful awkward amused".split()
)
# These may stand anywhere.
S1_OTHERS: Final = frozenset(
    {
        *("in a hurry tone", "shouting", "screaming", "whispering", "soft tone"),
        *("laughing", "chuckling", "sobbing", "crying loudly", "sighing", "groaning", "panting"),
        *("gasping", "yawning", "snoring", "audience laughing", "background laughter"),
        *("crowd laughing", "break", "long-break", "breath", "laugh", "cough", "lip-smacking"),
        "sigh",
    }
)
_S1: Final = S1_EMOTIONS | S1_OTHERS
_DEGREES: Final = ("slightly", "very", "extremely")

# Free cues that people and models write, as S1 has them.
_TO_S1: Final = {
    written: known
    for known, others in {
        "break": "pause, short pause, short break, beat, pauses, pausing",
        "long-break": "long pause, long break, pauses for a moment, dramatic pause",
        "breath": "breathes, inhale, inhales, exhale, exhales, deep breath, takes a deep breath, "
        "breathing",
        "laughing": "laughs, laughter, laughing softly, giggle, giggles, giggling, haha",
        "chuckling": "chuckle, chuckles, chuckling softly, snicker, snickers",
        "sighing": "sighs, sigh of relief, sighs softly, sighing deeply",
        "whispering": "whisper, whispers, whispered, whispering softly, in a whisper",
        "gasping": "gasp, gasps",
        "groaning": "groan, groans",
        "yawning": "yawn, yawns",
        "panting": "pant, pants, out of breath",
        "snoring": "snore, snores",
        "cough": "coughs, coughing, clear throat, clears throat, clearing throat",
        "sobbing": "sob, sobs, crying, cry, cries",
        "shouting": "shout, shouts, yelling, yell, yells, loud, loudly",
        "screaming": "scream, screams",
        "soft tone": "soft, softly, soft voice, gentle, gently, quiet, quietly, tender, warm",
        "in a hurry tone": "hurried, in a hurry, rushed, fast",
        "happy": "cheerful, cheerfully, happily, smiling, smiles",
        "joyful": "joy, delight",
        "excited": "excitedly, excitement, enthusiastic",
        "sad": "sadly, sadness, somber",
        "angry": "angrily, anger",
        "calm": "calmly, soothing",
        "surprised": "surprise, shocked, amazed",
        "serious": "seriously, stern",
        "curious": "curiously",
        "nervous": "nervously",
        "proud": "proudly",
        "confident": "confidently",
        "sarcastic": "sarcastically, sarcasm",
        "sympathetic": "sympathetically, caring",
        "scared": "afraid, fearful",
    }.items()
    for written in others.split(", ")
}

ACTIONS: Final = frozenset(
    "laughs chuckles giggles sighs whispers gasps groans yawns coughs pauses smiles sobs shouts "
    "inhales exhales snickers".split()
) | {"clears throat", "takes a deep breath", "laughs softly", "sighs softly", "chuckles softly"}
"""What is a stage direction in emphasis: «*sighs*»."""

ASIDES: Final = ACTIONS | {"pause", "short pause", "long pause", "whisper", "laughter"}
"""What is one between two parentheses."""

# Fish's own examples of free cues are short; a longer text in brackets is text.
MAX_CUE_CHARS: Final = 100

# A free cue begins with a letter and is a phrase.
_FREE: Final = re.compile(rf"(?![A-Za-z]$)[^\W\d_][\w ,.'’;:&!-]{{0,{MAX_CUE_CHARS - 3}}}")
# What writers put in brackets for the eye.
_SILENT: Final = frozenset("citation needed,source,sources,sic,link,image,ref,x".split(","))
# «Name», «Verse 2»
_NAME: Final = re.compile(r"\w+|[^\d\n]*\d.*")
_CAPITALS: Final = re.compile(r"\b[A-Z]")


def starts_of(phrases: frozenset[str]) -> frozenset[str]:
    """Every phrase and all that it begins with."""
    return frozenset(phrase[:end] for phrase in phrases for end in range(len(phrase) + 1))


class Cues:
    """The cues of one backend, in its own form."""

    STARTS: Final = starts_of(
        frozenset(
            {
                *_S1,
                *ASIDES,
                *(f"{degree} {emotion}" for degree in _DEGREES for emotion in S1_EMOTIONS),
            }
        )
    )
    """What may become a cue between parentheses, in small letters."""

    def __init__(self, backend: Backend) -> None:
        self._fixed = backend is Backend.S1

    def named(self, name: str) -> str:
        """The cue that ``name`` means, with its brackets; nothing where the backend has none."""
        name = " ".join(name.split()).strip("[]()")
        if not self._fixed:
            return f"[{name}]" if _FREE.fullmatch(name) else ""
        name = name.lower()
        if not _is_s1(name):
            name = _TO_S1.get(name, "")
        return f"({name})" if name else ""

    def bracketed(self, inner: str) -> str | None:
        """The cue that ``[inner]`` is, nothing for one that is unknown, None where it is text."""
        inner = inner.strip()
        if inner.lower() in _SILENT:
            return ""
        if not self.knows(inner) and not self._is_free(inner):
            return None
        return self.named(inner.lower() if inner.isupper() else inner)

    @staticmethod
    def knows(name: str) -> bool:
        """Whether this is one of the usual cues, and not just any words."""
        return name.lower() in _TO_S1 or _is_s1(name.lower())

    def in_parentheses(self, inner: str, *, sentence_starts: bool) -> str | None:
        """The cue that ``(inner)`` is, or None where these are ordinary parentheses."""
        name = inner.lower()
        if name in ASIDES:
            return self.named(name)
        if not _is_s1(name):
            return None
        if not self._fixed and not sentence_starts and name not in S1_OTHERS:
            # «The result was (negative).»
            return None
        return self.named(name)

    @staticmethod
    def _is_free(inner: str) -> bool:
        # «[Your Name]», «[Name]» and «[DATE]» are there to be filled in, and are read.
        return (
            _FREE.fullmatch(inner) is not None
            and "_" not in inner
            and len(_CAPITALS.findall(inner)) < 2
            and not inner.isupper()
            and not (inner[0].isupper() and _NAME.fullmatch(inner))
        )


def _is_s1(name: str) -> bool:
    """Whether S1 knows this cue, or an emotion with its degree."""
    degree, _, emotion = name.partition(" ")
    return name in _S1 or (degree in _DEGREES and emotion in S1_EMOTIONS)
