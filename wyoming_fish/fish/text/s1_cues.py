"""Cues of S1, which takes them in (parentheses), from a fixed list.

Fish retires S1 on 31 December 2026. Then this module goes, and the lines of `cues` that name S1.
"""

from __future__ import annotations

from typing import Final

__all__ = ["s1_cue"]

# Free cues that people and models write, as S1 has them.
_MEANT: Final = {
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


def s1_cue(name: str, known: frozenset[str]) -> str:
    """The cue of S1's list ``known`` that ``name`` means, in parentheses; nothing if none does."""
    name = name.lower()
    if name not in known:
        name = _MEANT.get(name, "")
    return f"({name})" if name else ""
