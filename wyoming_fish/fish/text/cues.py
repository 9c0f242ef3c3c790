"""Cues: words in brackets that Fish acts instead of saying them, and the style of a reply.

S2, S2.1 and drama act any words in [brackets], and models write brackets for much else. So a cue
is only what is made of the words of Fish's own examples: sounds, pauses, feelings, and ways to
speak. All else in brackets is said.

The words are those of Fish's "Emotion Control" (docs.fish.audio, resources/emotion-reference and
developer-guide/core-features/emotions), of the model cards of S1 and S2, and of the guide for
Drama 3.
"""

from __future__ import annotations

import re
from typing import Final

from ..settings import Backend
from .s1_cues import s1_cue
from .sentences import MAX_SPACE_CHARS, sentence_ends

__all__ = [
    "ACTIONS",
    "EFFECTS",
    "FEELINGS",
    "MAX_CUE_CHARS",
    "PAIRED_TAGS",
    "Cues",
    "Styler",
    "has_style",
    "starts_of",
]

# Fish's own examples are short; a longer text in brackets is text.
MAX_CUE_CHARS: Final = 100

FEELINGS: Final = frozenset(
    "happy sad angry excited calm nervous confident surprised satisfied delighted scared worried "
    "upset frustrated depressed empathetic embarrassed disgusted moved proud relaxed grateful "
    "curious sarcastic disdainful unhappy anxious hysterical indifferent uncertain doubtful "
    "confused disappointed regretful guilty ashamed jealous envious hopeful optimistic pessimistic "
    "nostalgic lonely bored contemptuous sympathetic compassionate determined resigned "
    "interested joyful impatient scornful panicked furious reluctant keen disapproving negative "
    "denying astonished serious conciliative comforting sincere sneering hesitating yielding "
    "painful awkward amused".split()
)
"""Feelings, which color the words behind them."""

EFFECTS: Final = frozenset(
    {
        *("in a hurry tone", "shouting", "screaming", "whispering", "soft tone"),
        *("laughing", "chuckling", "sobbing", "crying loudly", "sighing", "groaning", "panting"),
        *("gasping", "yawning", "snoring", "audience laughing", "background laughter"),
        *("crowd laughing", "break", "long-break", "breath", "laugh", "cough", "lip-smacking"),
        "sigh",
    }
)
"""Sounds, pauses and tones, which may stand anywhere."""

_DEGREES: Final = ("slightly", "very", "extremely")

# All that S1 knows, and the others too.
_LISTED: Final = (
    FEELINGS | EFFECTS | {f"{degree} {feeling}" for degree in _DEGREES for feeling in FEELINGS}
)

# What may be a cue at all: letters and what stands between words. A sentence's mark is none.
_PHRASE: Final = re.compile(rf"(?![A-Za-z]$)[^\W\d_][\w ,'’&-]{{0,{MAX_CUE_CHARS - 3}}}")
_WORD: Final = re.compile(r"[\w'’-]+")
# What follows one of these says to what the voice is like, in any words.
_COMPARISON: Final = re.compile(r"[ ,](?:like|as if|as though|as in)\b.*")

_SOUNDS: Final = re.compile(
    r"(?:laugh|giggl|chuckl|snicker|cackl|sigh|whisper|gasp|groan|moan|yawn|pant|snor|cough|sneez|"
    r"sniff|sniffl|sob|cry|cri|weep|shout|yell|scream|shriek|hum|sing|breath|inhal|exhal|mumbl|"
    r"murmur|mutter|gulp|swallow|hesitat|stammer|stutter|smil|grin|smirk|applaud|clap|whimper|"
    r"whistl|growl|hiss|sooth|interrupt|chant|chatter|tsk)"
    # The last letter may be doubled: "clapping", "sobbed", "grinning".
    r"(?:e|s|es|d|ed|ing|ingly|(?:b|m|n|p)(?:ed|ing))?|applause|laughter"
)
_HEADS: Final = frozenset(
    "pause pauses pausing throat break long-break silence beat emphasis emphasized stress voice "
    "tone accent pitch volume tempo pace lip-smacking loud louder echo whispery breathy "
    "slowly quickly softly quietly loudly gently warmly coldly firmly calmly brightly darkly "
    "sharply tenderly wearily dryly flatly urgently dramatically playfully teasingly mischievously "
    "thoughtfully cheerfully happily sadly angrily excitedly nervously seriously curiously proudly "
    "confidently sarcastically sympathetically joyfully hopefully fearfully bitterly lovingly "
    "politely patiently monotone deadpan "
    "cheerful delight joy sadness anger excitement enthusiastic somber soothing shocked surprise "
    "amazed stern sarcasm caring afraid fearful tired playful mischievous dramatic melancholic "
    "annoyed irritated disappointment fear tender emotional".split()
) | (FEELINGS - {"negative", "denying", "keen", "moved"})
# These need a word of the other kinds: `[in a calm voice]`, `[pause for 2 seconds]`.
_JOINTS: Final = frozenset(
    "a an the in with of and to from for at on by his her their my into while then moment moments "
    "second seconds short long brief small little bit slight slightly very extremely super really "
    "so more less much too quite deep deeply low lower high higher soft softer quiet hushed warm "
    "gentle slow slower fast faster strong hard light clear clears cleared clearing throat take "
    "takes taking speak speaks speaking spoken talk talks talking say says saying said read "
    "reading up down out under over again nervous audience crowd background people children "
    "professional broadcast narrator storytelling dramatic british american childlike robotic "
    "hurry hurried rushed relief air lips smack smacking it all one two three half sound sounds "
    "effect moderately heavy heavily loving negative moved keen denying".split()
)
# Each of these words needs another word: `[voice]` is not a cue, `[low voice]` is.
_NOT_ALONE: Final = frozenset(
    "voice tone accent pitch volume tempo pace silence stress beat throat".split()
)

# Cues in other languages, which Fish takes too: 笑, ため息, flüstert.
_ELSEWHERE: Final = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff]{0,8}(?:笑|哭|泣|叹|嘆|ため息|囁|ささや|耳语|低声|小声|大声|语气|喘|咳|停顿)"
    r"[\u3040-\u30ff\u3400-\u9fff]{0,8}"
    r"|(?:lacht|kichert|flüster|seufz|rit$|rires?$|soupir|chuchot|murmur|risa|ríe|suspir|susurr|ride$|"
    r"sospir|sussurr|fluister|zucht|lach(?:t|end)|смеётся|смех|вздых|шёпот|шепч)\w{0,6}",
    re.IGNORECASE,
)

# What writers put in brackets for the eye.
_SILENT: Final = frozenset("citation needed,sic,link,image,ref,x".split(","))

ACTIONS: Final = frozenset(
    "laughs chuckles giggles sighs whispers gasps groans yawns coughs pauses smiles sobs shouts "
    "inhales exhales snickers sigh chuckle giggle gasp yawn "
    # Those in other languages, without words that English has as well.
    "lacht lächelt kichert seufzt flüstert gähnt hustet schluchzt soupire chuchote bâille ríe "
    "sonríe suspira susurra bosteza sospira sussurra sbadiglia zucht giechelt fluistert glimlacht "
    "смеётся улыбается вздыхает шепчет 笑 苦笑 ため息".split()
) | {"clears throat", "takes a deep breath", "laughs softly", "sighs softly", "chuckles softly"}
"""Stage directions, in emphasis or in parentheses: `*sighs*`, `(sighs)`, `（笑）`."""

# Between parentheses these are cues at the beginning of a sentence only.
_ASIDES: Final = _LISTED | {"pause", "short pause", "long pause", "whisper", "laughter"}

PAIRED_TAGS: Final = {
    "whisper": "whisper",
    "emphasis": "emphasis",
    "stress": "emphasis",
    "soft": "soft tone",
    "fast": "fast",
    "slow": "slow",
    "forceful": "forceful",
}
"""The tags that drama takes around words, with the cue that says the same to the others."""


def starts_of(phrases: frozenset[str]) -> frozenset[str]:
    """Every phrase and all that it begins with."""
    return frozenset(phrase[:end] for phrase in phrases for end in range(len(phrase) + 1))


def has_style(backend: Backend, style: str) -> bool:
    """Whether ``backend`` has a cue for ``style``, a style of TextSettings. All allow no style."""
    return not style or bool(Cues(backend).named(style))


class Cues:
    """The cues of one backend, in its own form."""

    STARTS: Final = starts_of(_ASIDES | ACTIONS)
    """What may become a cue between parentheses, in small letters."""

    def __init__(self, backend: Backend, *, free: bool = False) -> None:
        self._is_s1 = backend is Backend.S1
        self._free = free
        self.has_paired_tags = backend in (Backend.DRAMA_3, Backend.DRAMA_3_PREVIEW)
        """Whether the backend takes PAIRED_TAGS."""

    def named(self, name: str) -> str:
        """The cue that ``name`` means, with its brackets; nothing if the backend has none."""
        name = " ".join(name.split()).strip("[]()")
        if self._is_s1:
            return s1_cue(name, _LISTED)
        return f"[{name}]" if _PHRASE.fullmatch(name) else ""

    def bracketed(self, inner: str, *, before_end: bool = False) -> str | None:
        """The cue that ``[inner]`` is, nothing for one that is unknown, None if it is text.

        With ``before_end`` words of its sentence stand before it and none behind it.
        """
        inner = inner.strip()
        if inner.lower() in _SILENT:
            return ""
        if not (self.knows(inner) or (self._free and _is_free(inner))):
            return None
        if before_end and _is_feeling(inner.lower()):
            # "The mood is [calm]." A feeling must be before the words that it applies to.
            return None
        return self.named(inner.lower() if inner.isupper() else inner)

    @staticmethod
    def knows(name: str) -> bool:
        """Whether this is a cue of Fish's kind, and not just any words."""
        if not _PHRASE.fullmatch(name) or (name.istitle() and " " in name):
            return False
        name = name.lower()
        if name in _LISTED or _ELSEWHERE.fullmatch(name):
            return True
        words = _WORD.findall(_COMPARISON.sub("", name))
        heads = [word for word in words if word in _HEADS or _SOUNDS.fullmatch(word)]
        if not heads or (len(words) == 1 and words[0] in _NOT_ALONE):
            return False
        return all(word in _JOINTS or word in heads or word.isdecimal() for word in words)

    def in_parentheses(self, inner: str, *, begins_sentence: bool) -> str | None:
        """The cue that ``(inner)`` is, or None if these are ordinary parentheses.

        ``begins_sentence`` is whether a sentence begins with it and continues with a capital:
        `(happy) Welcome!`, but not `(happy) birthday` or `I need a (break).`
        """
        name = inner.lower()
        if self._is_s1 and name in _LISTED:
            # S1 acts it whatever it was meant for.
            return self.named(name)
        if name in ACTIONS or (name in _ASIDES and (begins_sentence or _is_doing(name))):
            return self.named(name)
        return None


def _is_free(inner: str) -> bool:
    """Whether this may be a cue in words of the writer's own: no name and nothing to fill in."""
    return (
        _PHRASE.fullmatch(inner) is not None
        and "_" not in inner
        and not inner.isupper()
        and not inner[0].isupper()
    )


def _is_feeling(name: str) -> bool:
    return name.rpartition(" ")[2] in FEELINGS


def _is_doing(name: str) -> bool:
    """Whether this says what the voice does, such as `whispering`. It may be within a sentence."""
    return name.endswith("ing") and _SOUNDS.fullmatch(name) is not None


# Characters that are looked at before the end of a sentence, and what may stand behind its mark.
_KEPT_CHARS: Final = 2 * MAX_SPACE_CHARS


class Styler:
    """Puts ``style``, a cue with its brackets or nothing, before each sentence of a cleaned text.

    Fish says that a cue belongs to its sentence, and not how far it goes beyond; so a style stands
    before each. The text comes in pieces, none of which begins with a space or ends within a cue.
    """

    def __init__(self, style: str) -> None:
        self._style = f"{style} " if style else ""
        self._given = ""
        """The end of what has been given, without any style."""

    def write(self, text: str) -> str:
        """``text`` with its styles; nothing waits."""
        if not self._style or not text:
            return text
        given = self._given
        parts = [] if given else [self._style]
        at, text = len(given), given + text
        for end in sentence_ends(text, max(0, at - MAX_SPACE_CHARS)):
            if end >= at:
                parts += text[at:end], self._style
                at = end
        parts.append(text[at:])
        self._given = text[-_KEPT_CHARS:]
        return "".join(parts)
