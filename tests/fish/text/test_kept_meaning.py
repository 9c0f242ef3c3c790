"""Signs that are made for the eye and mean something."""

import pytest

from wyoming_fish.fish.settings import Backend
from wyoming_fish.fish.text import Cleaner, TextSettings

from .corpus import heard_in_pieces


def _cleaner() -> Cleaner:
    return Cleaner(Backend.S2_1_PRO, TextSettings())


@pytest.mark.parametrize(
    ("language", "heard"),
    [
        ("de", "Tür: ja\nFenster: nein"),
        ("pt-BR", "Tür: sim\nFenster: não"),
        ("tlh", "Tür: ✓\nFenster: ✗"),
        ("", "Tür: ✓\nFenster: ✗"),
    ],
)
def test_answers(language: str, heard: str) -> None:
    """A sign of yes or no that stands for a value is said in the language of the text."""
    settings = TextSettings(language=language)
    written = "Tür: ✅\nFenster: ❌"
    assert heard_in_pieces(lambda: Cleaner(Backend.S2_1_PRO, settings), written) == heard


@pytest.mark.parametrize(
    ("language", "heard"),
    [("", "Gut thumbs up sign"), ("en-GB", "Gut thumbs up sign"), ("de", "Gut")],
)
def test_names_of_emoji(language: str, heard: str) -> None:
    """The English name of an emoji is not said in another language."""
    settings = TextSettings(emoji="name", language=language)
    assert heard_in_pieces(lambda: Cleaner(Backend.S2_1_PRO, settings), "Gut 👍") == heard


@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("It is in E♭ or F♯ minor ♪.", "It is in E♭ or F♯ minor."),
        ("Front door: ✅\nWindow: ❌", "Front door: ✓\nWindow: ✗"),
        ("| Window | ❌ |\n| Door | ✅ |", "Window, ✗\nDoor, ✓"),
        ("✅ Done! Locked ✅.", "Done! Locked."),
        ("Shares: ▲ 2.3 %, ▼1.2 %, ↑ 5.", "Shares: +2.3 %, -1.2 %, +5."),
        ("Press ↑ twice.", "Press ↑ twice."),
        ("▲ Up 🎉▼2", "Up -2"),
        ("The product x*y is 6, un*frigging*believable.", None),
        ("Dial *67 first, *20 minutes* before.", "Dial *67 first, 20 minutes before."),
        ("Solve $3x + 5 = 20$ or $2 + 3 = 5$ now.", "Solve 3x + 5 = 20 or 2 + 3 = 5 now."),
        ("It is $5 + tax, $5m or $5-$10, $3 = 3 €.", None),
        ("・牛乳\n・卵\nコンピュータ・サイエンス", "牛乳\n卵\nコンピュータ・サイエンス"),
        ("<ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp>字<rt>じ</rt></ruby>です", "漢字です"),
        ("Well ¯\\_(ツ)_/¯ then", "Well then"),
        ("No (╯°□°)╯︵ ┻━┻ way", "No way"),
        ("Hi (´・ω・`) there (^_^) you (T_T) ヽ(・∀・)ノ ʕ•ᴥ•ʔ ok", "Hi there you ok"),
        ("A (b) c (5 %) d (C#) e (x+y) f (a_b) g (♥) h", None),
    ],
)
def test_meaning(written: str, heard: str | None) -> None:
    """What a sign means is kept, and a face is not spelled; None is for what stays as it is."""
    if heard is None:
        heard = written.replace("un*frigging*", "unfrigging").replace("(♥) ", "")
    assert heard_in_pieces(_cleaner, written) == heard
