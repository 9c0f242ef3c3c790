"""What strangers wrote: titles of voices, and messages of servers."""

import pytest

from wyoming_fish.emulator import EmulatedVoice, Emulator, EmulatorSettings
from wyoming_fish.fish import Endpoint, FishClient, FishError
from wyoming_fish.fish.api.account import MAX_TITLE_CHARS
from wyoming_fish.fish.errors import MAX_HAPPENED_CHARS
from wyoming_fish.fish.untrusted import hide, one_line

VOICE = "6c1f2a4be0d94f7f8a53c2b9d7e61034"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Étoile de mer 你好 🐟", "Étoile de mer 你好 🐟"),
        ("  two \u00a0\u3000 spaces ", "two spaces"),
        ("line\r\nend\u2028or\u2029another\u0085", "line end or another"),
        ("\x1b[31mred\x00\x07\x9b", "[31mred"),
        ("\u202eknil\u2066 \ufeff\U000e0001", "knil"),
        ("half \ud800 one", "half one"),
        # Persian words and families of emoji are held together by these.
        ("می\u200cخواهم 👨\u200d👩\u200d👧", "می\u200cخواهم 👨\u200d👩\u200d👧"),
        ("\n", ""),
    ],
)
def test_one_line(text: str, shown: str) -> None:
    """Text in every language stays the same, and characters that are not text become a space."""
    assert one_line(text, 100) == shown


def test_it_is_cut() -> None:
    """With an ellipsis, and without a look at the rest."""
    assert one_line("x" * 10**7, 5) == "xxxxx…"
    assert one_line("12345", 5) == "12345"


def test_a_short_secret_is_not_hidden() -> None:
    """It could be a part of any word, whose other letters would then tell what it is."""
    assert hide("the cat is catching", "cat") == "the cat is catching"
    assert hide("the catalogue1 is long", "catalogue1") == "the ********** is long"


def test_an_error_is_one_short_line() -> None:
    """Whatever it quotes."""
    error = FishError("The account has no voice named " + "\n\x1b\u202e" * 10**6)
    for text in (str(error), error.reason, error.args[0]):
        assert text.isprintable()
        assert len(text) <= MAX_HAPPENED_CHARS + 1


@pytest.mark.parametrize("title", ["Kelp\n\x1b[31m\u202e", "x" * 10**5, "\ud800", " \n "])
async def test_a_voices_title_is_one_short_line(title: str) -> None:
    """A voice that cannot be called by its title is called by its id."""
    settings = EmulatorSettings(voices=(EmulatedVoice(VOICE, title, ("en", "x\n" * 9, "zh-CN")),))
    async with Emulator(settings) as emulator, FishClient(Endpoint("key", emulator.url)) as account:
        (voice,) = await account.search()
    assert voice.title == (one_line(title, MAX_TITLE_CHARS) or VOICE)
    assert voice.title.isprintable()
    assert voice.languages == ("en", "zh-CN")


@pytest.mark.parametrize("voice_id", ["x\ny", "\u202ex", "x" * 257])
async def test_a_voice_that_cannot_be_named_is_not_listed(voice_id: str) -> None:
    """Nobody could ask for it."""
    settings = EmulatorSettings(voices=(EmulatedVoice(voice_id, "Kelp", ("en",)),))
    async with Emulator(settings) as emulator, FishClient(Endpoint("key", emulator.url)) as account:
        assert await account.search() == []
