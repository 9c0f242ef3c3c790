"""Written text as it comes, and what is spoken of it."""

import random
import time
import tracemalloc
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wyoming_fish.fish.errors import SettingsError
from wyoming_fish.fish.settings import Backend
from wyoming_fish.fish.text import Cleaner, TextSettings, parse_pronunciations
from wyoming_fish.fish.text.sentences import Sentences

from .corpus import Reply, clean, replies

REPLIES = replies()

# Characters that may wait for what follows them: as many as the longest construct has, a tag.
LONGEST_HELD = 500


def _cleaner(**options: object) -> Cleaner:
    return Cleaner(Backend.S2_1_PRO, TextSettings(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("reply", REPLIES, ids=str)
def test_replies(reply: Reply) -> None:
    """Each line of the corpus is heard as it says."""
    assert clean(reply.cleaner(), reply.written).rstrip(" \n") == reply.heard


def test_corpus_is_large() -> None:
    """The corpus has at least as many replies as were asked for."""
    assert len(REPLIES) >= 150


@pytest.mark.parametrize("reply", REPLIES, ids=str)
def test_replies_cut_anywhere(reply: Reply) -> None:
    """A reply sounds the same wherever it is cut in two, and letter by letter."""
    written = reply.written
    whole = clean(reply.cleaner(), written)
    for at in range(len(written) + 1):
        assert clean(reply.cleaner(), written[:at], written[at:]) == whole, written[:at]
    assert clean(reply.cleaner(), *written) == whole


@pytest.mark.parametrize("reply", [r for r in REPLIES if r.settings.mode == "clean"], ids=str)
def test_cues_stay_whole(reply: Reply) -> None:
    """What is spoken is nowhere cut within a cue or a token."""
    sentences = Sentences()
    sentences.write(clean(reply.cleaner(), reply.written))
    for cut in sentences.cuts:
        before = sentences.text[: cut.at]
        assert before.count("[") == before.count("]")
        assert before.count("<|phoneme_start") == before.count("<|phoneme_end")
        assert before.count("<|") == before.count("|>")


FRAGMENTS = [
    *(" ", "\n", "\n\n", "- ", "_", "\u00a0", "\r\n", "\t", "[x]: http", "<a b='", "<img alt="),
    *"[ ] ( ) * ** ` ``` ~~~ ~ < <b> </ <think> </think> | <| |> > : ;) :smile: ! ![ ]( /".split(),
    *"# ## = => -> -- - + \\ & &amp; amp; http https:// www. x.org ?x= @ [laugh] [1] [^1]:".split(),
    *"(sad) (laughing) *sighs* laugh a word 5 . ... ?! , 👍 ❤️ 🇩 \u200d \u200c 中 م é ½ € $".split(),
    *"% 【 1† 】 • · <!-- --> phoneme_start|> phoneme_end|> <|channel|> analysis <|end|>".split(),
    *"speaker:1 “ ” \" ' « » [THINK] [/THINK] <3 '> markdown python 1. → █ &#x41;".split(),
    *("\ud83d", "\ude00"),
]
TEXTS = st.text(max_size=80) | st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join)
KINDS = [
    REPLIES[0],
    *(
        reply
        for reply in REPLIES
        if reply.backend is Backend.S1 or reply.settings != TextSettings()
    ),
]


@given(TEXTS, st.sampled_from(KINDS), st.lists(st.integers(0, 200), max_size=12))
@example("~" * 100 + "\ud83d" * 3, KINDS[0], [1, 64, 101])
def test_pieces_do_not_matter(text: str, kind: Reply, places: list[int]) -> None:
    """Whatever is written, in whatever pieces, sounds the same, and nothing raises."""
    at = [0, *sorted({place for place in places if place < len(text)}), len(text)]
    whole = clean(kind.cleaner(), text)
    assert clean(kind.cleaner(), *(text[a:b] for a, b in pairwise(at))) == whole
    assert clean(kind.cleaner(), *text) == whole
    whole.encode()


@given(TEXTS)
def test_only_trusted_text_has_tokens(text: str) -> None:
    """No text makes one of Fish's tokens, and none without a word is spoken at all."""
    heard = clean(_cleaner(), text)
    assert "<|" not in heard
    assert not heard or any(letter.isalnum() for letter in heard)
    assert not heard.startswith((" ", "\n"))
    assert "\n\n" not in heard
    assert "  " not in heard


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Hello there", "Hello there"),
        ("Hello there.", "Hello there."),
        ("Hello there!", "Hello there!"),
        ("Note:", "Note:"),
        ("Hello there.\n", "Hello there.\n"),
        ("Hello ", "Hello"),
        ("It is **very", "It is very"),
        ("It is **very** ", "It is very"),
        ("5 *", "5"),
        ("A [link", "A"),
        ("A [link](https://exam", "A link"),
        ("A [link](guide", "A"),
        ("Well [sigh]", "Well"),
        ("Well [sigh] th", "Well [sigh] th"),
        ("See htt", "See"),
        ("See hot", "See hot"),
        ("See https://www.exam", "See"),
        ("See https://www.exam.org/", "See exam.org"),
        ("A <b", "A"),
        ("A <b>bo", "A bo"),
        ("Tom &am", "Tom"),
        ("A (laug", "A"),
        ("A (friend", "A (friend"),
        ("Nice :", "Nice"),
        ("# Tit", "Tit"),
        ("- Mil", "Mil"),
        ("| Mon | 22", "Mon, 22"),
        ("Some `code", "Some code"),
        ("Code:\n```python\nx = 1\n", "Code:\n"),
        ("<think>The user wants", ""),
        ("Well-", "Well"),
        ("snake_", "snake"),
        ("Is it 22.5", "Is it 22.5"),
    ],
)
def test_nothing_certain_waits(written: str, said: str) -> None:
    """What cannot become anything else is said at once, and what may does not."""
    assert _cleaner().write(written) == said


@pytest.mark.parametrize(
    ("opening", "limit"),
    [
        ("[", 200),
        ("<a href='", 500),
        ("<the ", 80),
        ("&", 34),
        ("<|", 54),
        ("https://", 268),
        ("【1†", 80),
        ("*s", 2),
        ("`" * 3, 104),
        (" :", 42),
        ("<|phoneme_start|>", 250),
    ],
)
def test_what_is_not_closed_is_text(opening: str, limit: int) -> None:
    """A construct that is not closed within its bound becomes text, however long it goes on."""
    cleaner = _cleaner()
    said = cleaner.write("Go " + opening)
    for _ in range(limit):
        said += cleaner.write("a")
    assert cleaner.held <= limit + 1
    said += cleaner.write("a" * 20 + " z z z")
    if opening != "```":
        assert said.rstrip().endswith("z z z"), said


HOSTILE = [
    *("[", "*", "`", "<", "&", "|", "h", "\n#", "[[a]", "[a ", "(", "a*", "*_", "_", "~", "=", "-"),
    *(
        "- ",
        "#",
        "\\",
        "!",
        " !",
        " :",
        ":",
        "http://",
        "http://a ",
        "www.",
        "<a ",
        '<a x="',
        "<b>",
    ),
    *("&a", "&amp;", "<|", "<|a", "[a](", "[a](b", "[a](b)", "`a`", "``` ", "\n```", "```\n", "> "),
    *("|a", "👍", "→", "a\n", "\n", "  ", "x", " x", "中", "م\u200c", "\u200d", "\ud83d", "(sad)"),
    *("[laugh]", "(", "«", "“", '"', "'", ".", "!?", "。", "*s", "<think>", "</think>", "<!--"),
    *("【1", "[1]:", "[x]", "1.", "<h", "<3", " ;)", ":a:", "€", "·", "a·", "\u0000", "𝗕", "[\\"),
]


def _pieces(pattern: str, length: int) -> Iterator[str]:
    text = pattern * (length // len(pattern))
    return (text[at : at + 10] for at in range(0, len(text), 10))


def _seconds(pattern: str, length: int) -> float:
    """Seconds of the processor for each character of ``length``, in pieces as models write."""
    cleaner = _cleaner()
    started = time.process_time()
    clean(cleaner, *_pieces(pattern, length))
    return (time.process_time() - started) / length


@pytest.mark.parametrize("pattern", HOSTILE)
def test_time_is_linear(pattern: str) -> None:
    """No text costs much more than another, however long it is."""
    typical = "".join(reply.written for reply in REPLIES[20:60])
    # Ten times is far beyond what was measured (5), and far below what grows with its length.
    assert _seconds(pattern, 40_000) < 10 * max(_seconds(typical, 40_000), 1e-6)


@pytest.mark.parametrize("pattern", HOSTILE)
def test_memory_is_bounded(pattern: str) -> None:
    """What is held of a long text does not grow with it."""
    cleaner = _cleaner()
    tracemalloc.start()
    try:
        for piece in _pieces(pattern, 20_000):
            cleaner.write(piece)
            assert cleaner.held <= LONGEST_HELD
        assert tracemalloc.get_traced_memory()[0] < 60_000
    finally:
        tracemalloc.stop()


def test_much_at_once() -> None:
    """Ten million characters that came at once are done within the time-out, and not cut off."""
    heard = clean(_cleaner(), "One **two** three. " * 550_000)
    assert heard.count("two") == 550_000


def test_pronunciations_are_applied() -> None:
    """Words are spoken as listed behind markup too."""
    listed = parse_pronunciations("HACS: hacks\nÜberlingen: /UW1 B ER0/")
    heard = clean(_cleaner(pronunciations=listed), *"Open **HACS** in `Überlingen`.")
    assert heard == "Open hacks in <|phoneme_start|>UW1 B ER0<|phoneme_end|>."


@pytest.mark.parametrize("option", ["mode", "emoji", "urls"])
def test_unknown_options(option: str) -> None:
    """An option that there is not is refused, by its name."""
    with pytest.raises(SettingsError, match="'loud' is not one of"):
        TextSettings(**{option: "loud"})  # type: ignore[arg-type]


def test_random_pieces_of_all() -> None:
    """All replies in one, in pieces of any length, are heard as at once."""
    written = "\n\n".join(reply.written for reply in REPLIES if "<think>Never" not in reply.written)
    whole = clean(_cleaner(), written)
    chance = random.Random(6)  # noqa: S311 - to be the same each time
    for _ in range(20):
        cleaner, at, heard = _cleaner(), 0, ""
        while at < len(written):
            step = chance.randint(1, 40)
            heard += cleaner.write(written[at : at + step])
            at += step
        assert heard + cleaner.end() == whole
