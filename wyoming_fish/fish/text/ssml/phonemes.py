"""Phonemes in Fish Audio's form: Arpabet for English, pinyin with tones for Chinese.

Fish Audio does not accept IPA, so it is converted to Arpabet. Source: Fish Audio's documentation,
"Fine-grained Control".
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["PHONEME_END", "PHONEME_START", "are_phonemes", "fish_phonemes", "phoneme_token"]

# Fish Audio's tokens around phonemes.
PHONEME_START: Final = "<|phoneme_start|>"
PHONEME_END: Final = "<|phoneme_end|>"

_VOWELS: Final = dict(
    pair.split("=")
    for pair in (
        "ɑː=AA ɑ=AA ɒ=AA æ=AE a=AE ʌ=AH ə=AH ɐ=AH ɔː=AO ɔ=AO aʊ=AW aɪ=AY ɛ=EH e=EH ɜː=ER ɜ=ER "
        "ɝ=ER ɚ=ER eɪ=EY ɪ=IH iː=IY i=IY oʊ=OW əʊ=OW o=OW ɔɪ=OY ʊ=UH uː=UW u=UW"
    ).split()
)
_CONSONANTS: Final = dict(
    pair.split("=")
    for pair in (
        "b=B tʃ=CH d=D ð=DH f=F ɡ=G g=G h=HH dʒ=JH k=K l=L ɫ=L m=M n=N ŋ=NG p=P r=R ɹ=R ɾ=T s=S "
        "ʃ=SH t=T θ=TH v=V w=W j=Y z=Z ʒ=ZH"
    ).split()
)
_SIGNS: Final = _VOWELS.keys() | _CONSONANTS.keys()
_STRESS: Final = {"ˈ": "1", "'": "1", "ˌ": "2"}
_SILENT: Final = " .‿ː/"
_TIES: Final = dict.fromkeys(map(ord, "\u0361\u035c"))

_ARPABET: Final = re.compile(r"[A-Z]{1,2}[0-2]?(?: [A-Z]{1,2}[0-2]?)*")
_PINYIN: Final = re.compile(r"[a-zü]+[1-5](?: [a-zü]+[1-5])*")
_SOUNDS: Final = frozenset((*_VOWELS.values(), *_CONSONANTS.values()))
# Pinyin with tones, and romaji with the pitch of each sound.
_SYLLABLES: Final = re.compile(r"(?: ?[a-zü]+[0-5])+")
# Phonemes of more than a word or two are no correction of one.
_MAX_PHONEME_CHARS: Final = 200


def are_phonemes(text: str) -> bool:
    """Whether Fish knows them: Arpabet, pinyin with tones, or romaji with pitch."""
    if _ARPABET.fullmatch(text):
        return all(sound.rstrip("012") in _SOUNDS for sound in text.split())
    return _SYLLABLES.fullmatch(text) is not None


def fish_phonemes(alphabet: str, phonemes: str) -> str:
    """Return Fish Audio's token for SSML's ``phoneme``, or nothing if it cannot be converted.

    ``alphabet`` is SSML's: `ipa` (English), or a name that has `arpabet`, `cmu` or `pinyin` in it.
    """
    alphabet, phonemes = alphabet.lower(), " ".join(phonemes.translate(_TIES).split())
    if len(phonemes) > _MAX_PHONEME_CHARS:
        return ""
    if alphabet == "ipa":
        phonemes = _arpabet(phonemes)
        return phoneme_token(phonemes) if phonemes else ""
    if "arpabet" in alphabet or "cmu" in alphabet:
        phonemes = phonemes.upper()
        return phoneme_token(phonemes) if _ARPABET.fullmatch(phonemes) else ""
    if "pinyin" in alphabet and _PINYIN.fullmatch(phonemes):
        return "".join(map(phoneme_token, phonemes.split()))
    return ""


def phoneme_token(phonemes: str) -> str:
    """Fish Audio's form of ``phonemes`` in a text."""
    return f"{PHONEME_START}{phonemes}{PHONEME_END}"


def _arpabet(ipa: str) -> str:
    """English IPA in Arpabet; nothing where a sign is not English."""
    sounds: list[str] = []
    vowels, stress, at = 0, "", 0
    while at < len(ipa):
        if ipa[at] in _STRESS:
            stress = _STRESS[ipa[at]]
            at += 1
            continue
        if ipa[at] in _SILENT:
            at += 1
            continue
        length = 2 if ipa[at : at + 2] in _SIGNS else 1
        sign = ipa[at : at + length]
        if vowel := _VOWELS.get(sign):
            sounds.append(vowel + (stress or "0"))
            vowels, stress = vowels + 1, ""
        elif consonant := _CONSONANTS.get(sign):
            sounds.append(consonant)
        else:
            return ""
        at += length
    text = " ".join(sounds)
    # A word of one vowel is stressed on it.
    return text.replace("0", "1") if vowels == 1 else text
