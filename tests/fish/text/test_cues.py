"""Cues, in the form of each backend."""

import re

import pytest

from wyoming_fish.fish.settings import Backend
from wyoming_fish.fish.text import Cleaner, TextSettings
from wyoming_fish.fish.text.cues import EFFECTS, FEELINGS, MAX_CUE_CHARS, Cues

from .corpus import heard_in_pieces


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


# Ways to write each cue of S1 whose name is not in them.
WRITTEN = """
break: short break, long-break: dramatic pause, breath: inhales, laughing: giggles, chuckling:
snicker, sighing: sigh of relief, gasping: gasps, groaning: groans, yawning: yawns, panting: out
of breath, snoring: snores, cough: clears throat, sobbing: cries, shouting: yells, screaming:
screams, soft tone: gently, happy: cheerful, joyful: delight, excited: excitement, sad: somber,
angry: anger, calm: soothing, surprised: amazed, serious: stern, curious: curiously, nervous:
nervously, proud: proudly, confident: confidently, sarcastic: sarcasm, sympathetic: caring,
scared: afraid
"""


def test_other_words_for_the_cues_of_s1() -> None:
    """Each cue of S1 that people write in other words is found by them."""
    pairs = [pair.split(": ") for pair in " ".join(WRITTEN.split()).split(", ")]
    cues = Cues(Backend.S1)
    assert {written: cues.bracketed(written) for _, written in pairs} == {
        written: f"({cue})" for cue, written in pairs
    }


@pytest.mark.parametrize("text", ["Your Name", "DATE", "a_b", "12:30", "a/b", "x" * MAX_CUE_CHARS])
def test_no_cues(text: str) -> None:
    """What stands in brackets to be read is none."""
    assert Cues(Backend.S2_1_PRO).bracketed(text) is None


@pytest.mark.parametrize(
    "written",
    [
        "The light is [off].",
        "Answer: [yes]",
        "[The front door is still open.]",
        "Hey Jude [live version]",
        "The thermostat is [heating], [cooling] or [off].",
        "The mood is [calm].",
        "[Voice PE] and [happy path] and [daily]",
        "[like a pirate] Ahoy!",
        "I need a (break).",
        "(happy) birthday",
        "The test was (negative), (very sad).",
    ],
)
def test_words_in_brackets_are_said(written: str) -> None:
    """A phrase that is not one of Fish Audio's cues is said."""
    heard = heard_in_pieces(lambda: Cleaner(Backend.S2_1_PRO, TextSettings()), written)
    assert heard == re.sub(r"[\[\]]", "", written)


@pytest.mark.parametrize(
    "cue",
    [
        *("[whisper]", "[laughing softly]", "[whispers softly, like a secret]", "[very excited]"),
        *("[in a calm voice]", "[professional broadcast tone]", "[speaking slowly]", "[sighs]"),
        *("[whisper in small voice]", "[pause for 2 seconds]", "[short pause]", "[volume up]"),
        *("[with strong accent]", "[audience laughter]", "[clears throat]", "[tsk]", "[loud]"),
        *("[sobbing quietly]", "[grinning]", "[clapped]"),
        *("[笑]", "[低声说]", "[ため息をついて]", "[flüsternd]", "[chuchote]"),
    ],
)
def test_cues_of_fishs_kind(cue: str) -> None:
    """Voices, tones, sounds and pauses are acted."""
    heard = heard_in_pieces(lambda: Cleaner(Backend.S2_1_PRO, TextSettings()), f"{cue} Good night.")
    assert heard == f"{cue} Good night."


def test_free_cues() -> None:
    """With an option, any phrase in brackets is a cue, except a name."""

    def cleaner() -> Cleaner:
        return Cleaner(Backend.S2_1_PRO, TextSettings(cues="free"))

    assert (
        heard_in_pieces(cleaner, "[like a pirate] Ahoy, [Name]!") == "[like a pirate] Ahoy, Name!"
    )


WHISPERED = "Now <whisper>not *so* loud</whisper>, <soft>please.\nThank</fast> you.<slow>"


@pytest.mark.parametrize(
    ("backend", "heard"),
    [
        (
            Backend.DRAMA_3,
            "Now <whisper>not so loud</whisper>, <soft>please.</soft>\nThank you.",
        ),
        (Backend.S2_1_PRO, "Now [whisper] not so loud, [soft tone] please.\nThank you."),
        (Backend.S1, "Now (whispering) not so loud, (soft tone) please.\nThank you."),
    ],
)
def test_paired_tags(backend: Backend, heard: str) -> None:
    """Drama's tags pass to drama, each with its end, and become cues for the others."""
    assert heard_in_pieces(lambda: Cleaner(backend, TextSettings()), WHISPERED) == heard


def test_emotions_within_a_sentence() -> None:
    """`The result was (negative)` has ordinary parentheses, but for S1 it is a cue anyway."""
    s2 = Cues(Backend.S2_1_PRO)
    assert s2.in_parentheses("negative", begins_sentence=False) is None
    assert s2.in_parentheses("whispering", begins_sentence=False) == "[whispering]"
    assert s2.in_parentheses("a friend", begins_sentence=True) is None


@pytest.mark.parametrize(
    ("written", "spoken", "by_s1"),
    [
        ("*lacht* Ja, klar.", "[lacht] Ja, klar.", "Ja, klar."),
        ("Ja, (seufzt) gut.", "Ja, [seufzt] gut.", "Ja, gut."),
        ("_soupire_ Bien.", "[soupire] Bien.", "Bien."),
        ("*ríe* Claro.", "[ríe] Claro.", "Claro."),
        ("*смеётся* Да.", "[смеётся] Да.", "Да."),
        ("（笑）そうですね。", "[笑]そうですね。", "そうですね。"),
        ("そうですね(笑)、本当に。", "そうですね[笑]、本当に。", "そうですね、本当に。"),
        ("Das *Wetter* (Montag) ist gut.", "Das Wetter (Montag) ist gut.", None),
        ("今日（月曜日）は晴れ（笑顔）です。", "今日（月曜日）は晴れ（笑顔）です。", None),
    ],
)
def test_stage_directions_in_other_languages(written: str, spoken: str, by_s1: str | None) -> None:
    """They are acted, or left out where the model cannot; other words are said."""
    assert heard_in_pieces(lambda: Cleaner(Backend.S2_1_PRO, TextSettings()), written) == spoken
    expected = spoken if by_s1 is None else by_s1
    assert heard_in_pieces(lambda: Cleaner(Backend.S1, TextSettings()), written) == expected
