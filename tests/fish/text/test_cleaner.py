"""Written text as it comes, and what is spoken of it."""

import sys
import time
import tracemalloc
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wyoming_fish.fish.errors import SettingsError
from wyoming_fish.fish.settings import Backend
from wyoming_fish.fish.text import Cleaner, TextSettings, parse_pronunciations
from wyoming_fish.fish.text.markup.hidden import MAX_KEPT_CHARS
from wyoming_fish.fish.text.sentences import Sentences

from .corpus import Reply, clean, replies, typical_text

REPLIES = replies()

# Characters that may wait for what follows them: as many as the longest construct has, a tag; and
# those of a hidden text, whose end may not come.
LONGEST_HELD = 500
LONGEST_HIDDEN = LONGEST_HELD + MAX_KEPT_CHARS


def _cleaner(**options: object) -> Cleaner:
    return Cleaner(Backend.S2_1_PRO, TextSettings(**options))  # type: ignore[arg-type]


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
    *(
        "\ud83d",
        "\ude00",
        "$",
        "$x^2",
        "$$",
        "\\(",
        "\\)",
        "\\[",
        "\\frac{",
        "{",
        "}",
        "\\times",
        "\\,",
        "[[",
    ),
    *("<think>", "◁think▷", "◁/think▷", "<tool_call>", '{"name": "', '"}', "}]", "[TOOL_CALLS]"),
    *("<|START_THINKING|>", "<|END_THINKING|>", "```json\n", "\n```", "~~~ x\n", "<whisper>"),
    *("</whisper>", "<rt>", ":contentReference[oaicite:0]", "\ue200cite", "\ue201", "[cite: 1]"),
    *("*67", "x*y", "$3x + ", "20$", "(happy) ", "[off]", "<message>", "<number> ", "▲", ": ✅"),
    *("¯\\_(ツ)_/¯", "(^_^)", "(´・", "ω・`)", "<|start|>", "assistant", '[x](y "', "```x"),
    *("]]", "_sighs_", "(pause)", "*_~!*_~!*_~!*_~!*_~!", "z. B.", "。", "「", "」", "A", "."),
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
        ("It is $5 or", "It is $5 or"),
        ("It is $5", "It is"),
        ("It is $x", "It is"),
        ("It is $x^2 + 1", "It is"),
        ("It is $HOME or", "It is $HOME or"),
        ("It is \\fra", "It is"),
        ("It is {a", "It is {a"),
        ("It (a word", "It (a word"),
        ("Use <b> and <tool> x", "Use and"),
        ("It costs $5 or $6", "It costs $5 or"),
        ("Yes: ✅ and", "Yes: and"),
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
        ("【1†", 300),
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
    *("$x", "5$", "\\(", "\\frac{", "*_", "w|", "<a'_", "^*", "\n~", "5*", "[[x]]", "_s", "$$a"),
    *("【1", "[1]:", "[x]", "1.", "<h", "<3", " ;)", ":a:", "€", "·", "a·", "\u0000", "𝗕", "[\\"),
    *("<think>", "◁think▷", '{"name":', '{"name":{}},', "<function=a>", "```a\n", "(^", "▲", "<a>"),
    *(
        "<think>a</think>",
        "[a] ",
        "(b",
        "*6",
        ":✅",
        "ヽ(",
        "$3x+",
        "<whisper>",
        "\ue200",
        "<!-- -->",
    ),
    *("[\\a", "[[a]b", "\\(a\\b", "$x^", "<a x=a ", '<a b="c" ', "<a open ", "<a" + " " * 200),
]


def _pieces(pattern: str, length: int, size: int = 4) -> list[str]:
    """``pattern`` again and again, in pieces as models write them."""
    text = (pattern * (length // len(pattern) + 1))[:length]
    return [text[at : at + size] for at in range(0, len(text), size)]


def _calls(pieces: list[str]) -> float:
    """Calls of functions for each byte: work that is the same on any machine."""
    cleaner, calls = _cleaner(), 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        for piece in pieces:
            cleaner.write(piece)
    finally:
        sys.setprofile(before)
    return calls / len("".join(pieces).encode("utf-8", "surrogatepass"))


@pytest.fixture(scope="module")
def typical() -> str:
    """Replies as they are."""
    return typical_text()


@pytest.mark.parametrize("size", [1, 4])
def test_hostile_text_costs_little_more(typical: str, size: int) -> None:
    """No text makes for much more work a byte than replies as they are, in pieces of any size."""
    usual = _calls(_pieces(typical, len(typical), size))
    costs = {pattern: _calls(_pieces(pattern, 600, size)) / usual for pattern in HOSTILE}
    costliest = max(costs, key=costs.__getitem__)
    assert costs[costliest] < 2.25, costliest


@pytest.mark.parametrize("pattern", HOSTILE)
def test_time_is_linear(pattern: str) -> None:
    """A text that is ten times as long takes no more time for each of its characters."""
    # Three times is more than a busy machine makes of it; what grows with the length is ten.
    least = min(_seconds(pattern, 2_000) for _ in range(3))
    assert min(_seconds(pattern, 20_000) for _ in range(2)) < 3 * max(least, 2e-7)


def _seconds(pattern: str, length: int) -> float:
    """Seconds of the processor for each character."""
    cleaner, pieces = _cleaner(), _pieces(pattern, length, 10)
    started = time.process_time()
    clean(cleaner, *pieces)
    return (time.process_time() - started) / length


@pytest.mark.parametrize("pattern", HOSTILE)
def test_memory_is_bounded(pattern: str) -> None:
    """What is held of a long text does not grow with it."""
    cleaner = _cleaner()
    tracemalloc.start()
    try:
        for piece in _pieces(pattern, 10_000, 10):
            cleaner.write(piece)
            assert cleaner.held <= LONGEST_HIDDEN
        assert tracemalloc.get_traced_memory()[0] < 60_000
    finally:
        tracemalloc.stop()


def test_much_at_once() -> None:
    """A million characters that came at once are not cut off."""
    heard = clean(_cleaner(), "One **two** three. " * 55_000)
    assert heard.count("two") == 55_000


def test_much_in_pieces(typical: str) -> None:
    """Ten million characters are done within the time-out, and nothing of them stays."""
    cleaner = _cleaner()
    pieces = _pieces(typical, len(typical), 20)
    for _ in range(10_000_000 // len(typical)):
        for piece in pieces:
            cleaner.write(piece)
        assert cleaner.held <= LONGEST_HELD
    tracemalloc.start()
    try:
        for piece in pieces:
            cleaner.write(piece)
        assert tracemalloc.get_traced_memory()[0] < 60_000
    finally:
        tracemalloc.stop()


def test_pronunciations_are_applied() -> None:
    """Words are spoken as listed behind markup too."""
    listed = parse_pronunciations("HACS: hacks\nÜberlingen: /UW1 B ER0/")
    heard = clean(_cleaner(pronunciations=listed), *"Open **HACS** in `Überlingen`.")
    assert heard == "Open hacks in <|phoneme_start|>UW1 B ER0<|phoneme_end|>."


@pytest.mark.parametrize("option", ["mode", "cues", "emoji", "urls"])
def test_unknown_options(option: str) -> None:
    """An option that there is not is refused, by its name."""
    with pytest.raises(SettingsError, match='"loud" is not one of'):
        TextSettings(**{option: "loud"})  # type: ignore[arg-type]
