"""SSML, as far as Fish can do what it asks for."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wyoming_fish.fish.settings import Backend
from wyoming_fish.fish.text import TextSettings, parse_pronunciations
from wyoming_fish.fish.text.ssml.document import (
    MAX_PARTS,
    MAX_SSML_CHARS,
    MAX_SSML_DEPTH,
    MAX_TAG_BYTES,
    SsmlPart,
    begins_ssml,
    parse_ssml,
)
from wyoming_fish.fish.text.ssml.phonemes import fish_phonemes


def _parts(ssml: str, backend: Backend = Backend.S2_1_PRO, **options: object) -> list[SsmlPart]:
    return parse_ssml(ssml, backend, TextSettings(**options))  # type: ignore[arg-type]


def _text(inner: str, backend: Backend = Backend.S2_1_PRO) -> str:
    return " | ".join(part.text for part in _parts(f"<speak>{inner}</speak>", backend))


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        ("Hello <b>there</b>, <unknown a='1'>you</unknown>.", "Hello there, you."),
        ("Wait<break/> now", "Wait [break] now"),
        ('Wait <break time="300ms"/> now', "Wait [break] now"),
        ('Wait <break time="2s"/> now', "Wait [long-break] [long-break] now"),
        ('Wait <break strength="none"/> now', "Wait now"),
        ('The end.<break time="3s"/>', "The end."),
        ("<emphasis>Big</emphasis> deal", "[emphasis] Big deal"),
        ('<emphasis level="none">No</emphasis> deal', "No deal"),
        ('<sub alias="World Wide Web">WWW</sub> works', "World Wide Web works"),
        ('<say-as interpret-as="characters">ABC1</say-as>!', "A B C 1!"),
        ('<say-as interpret-as="cardinal">12</say-as>', "12"),
        ('You <say-as interpret-as="expletive">darn</say-as> thing', "You thing"),
        ("<p>One.</p><p><s>Two.</s><s>Three.</s></p>", "One.\nTwo.\nThree."),
        (
            '<phoneme alphabet="ipa" ph="ˈpiːkən">pecan</phoneme>!',
            "<|phoneme_start|>P IY1 K AH0 N<|phoneme_end|>!",
        ),
        ('<phoneme alphabet="ipa" ph="œ̃">un</phoneme>', "un"),
        ('<amazon:effect name="whispered">Psst</amazon:effect>', "[whispering] Psst"),
        ("Tom & Jerry &amp; R&D&nbsp;x &lt;3 &LT;b&GT;", "Tom & Jerry & R&D\u00a0x <3 <b>"),
        ("<metadata>no</metadata>Yes [laugh] <!-- no --><![CDATA[<ok>]]>", "Yes laugh <ok>"),
        ("<desc>a</desc><lexicon>b</lexicon><style>c</style><script>d</script>Yes", "Yes"),
        ("  \n <break/> ", ""),
    ],
)
def test_elements(inner: str, text: str) -> None:
    """Each element does what Fish can do."""
    assert _text(inner) == text


def test_s1() -> None:
    """S1 has its own pauses, and no emphasis."""
    assert _text("A <break/><emphasis>big</emphasis> one", Backend.S1) == "A (break) big one"


def test_prosody_and_voices() -> None:
    """Text with a speed, a volume, a voice or a language of its own is a part of its own."""
    parts = _parts(
        '<?xml version="1.0"?><speak xml:lang="en-US">One '
        '<prosody rate="slow" volume="+6dB">two <voice name="Bob">three<break/></voice> four'
        "</prosody> "
        '<prosody rate="150%">five <prosody rate="+100%" volume="x-loud">six</prosody></prosody> '
        '<lang xml:lang="de-DE">sieben</lang> <prosody volume="silent">no</prosody></speak>'
    )
    assert parts == [
        SsmlPart("One", "", "en-US"),
        SsmlPart("two", "", "en-US", 0.75, 6.0),
        SsmlPart("three", "Bob", "en-US", 0.75, 6.0),
        SsmlPart("[break] four", "", "en-US", 0.75, 6.0),
        SsmlPart("five", "", "en-US", 1.5),
        SsmlPart("six", "", "en-US", 2.0, 12.0),
        SsmlPart("sieben", "", "de-DE"),
    ]


@pytest.mark.parametrize(
    ("attribute", "speed", "volume"),
    [
        ('rate="x-slow"', 0.5, 0.0),
        ('rate="slow"', 0.75, 0.0),
        ('rate="medium"', 1.0, 0.0),
        ('rate="fast"', 1.3, 0.0),
        ('rate="x-fast"', 1.75, 0.0),
        ('volume="x-soft"', 1.0, -12.0),
        ('volume="soft"', 1.0, -6.0),
        ('volume="medium"', 1.0, 0.0),
        ('volume="loud"', 1.0, 6.0),
        ('volume="x-loud"', 1.0, 12.0),
    ],
)
def test_names_of_rates_and_volumes(attribute: str, speed: float, volume: float) -> None:
    """They are factors of the speed, and decibels."""
    assert _parts(f"<speak><prosody {attribute}>One</prosody></speak>") == [
        SsmlPart("One", "", "", speed, volume)
    ]


@pytest.mark.parametrize(
    ("ssml", "text"),
    [
        ("<speak>One <b>two</speak> three", "One two three"),
        ("<speak>One &unknown; two <", "One two"),
        ('<!DOCTYPE s [<!ENTITY a "aaa">]><speak>&a; One</speak>', "One"),
        ("<speak>" + "<p>" * (MAX_SSML_DEPTH + 1) + "deep", "deep"),
        (
            "<speak>" + "<prosody rate='slow'>a</prosody>b" * MAX_PARTS + "</speak>",
            "a b " * 99 + "a b",
        ),
        ("<speak>\x00\ud800One</speak>", "One"),
        ("<speak>One<b>&#" + "9" * 5000, "One &#" + "9" * 5000),
        (f"<speak>One <b a='{'a' * 2 * MAX_TAG_BYTES}'>two</b></speak>", "One two"),
        ("not SSML", "not SSML"),
    ],
)
def test_broken(ssml: str, text: str) -> None:
    """What is broken, or declares entities, or is too deep, is read without its tags."""
    assert [part.text for part in _parts(ssml)] == [text]


def test_declared_encoding() -> None:
    """A declared encoding is ignored, because the text is already decoded."""
    assert _parts('<?xml version="1.0" encoding="ISO-8859-1"?><speak>Café</speak>') == [
        SsmlPart("Café")
    ]


def test_space_before_the_declaration() -> None:
    """A document can begin with space, which XML does not allow before its declaration."""
    assert _parts(' \n<?xml version="1.0"?><speak>One<break/> two</speak>') == [
        SsmlPart("One [break] two")
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize(
    "ssml",
    [
        "<speak>Tom &amp; R&D&nbsp;x &unknown; می\u200cخواهم<break/> <p>one</p> two</speak>",
        '<speak><say-as interpret-as="characters">ABC1</say-as>! <sub alias="HACS">x</sub></speak>',
        '<speak>One. HACS <voice name="a">two.</voice> <emphasis>Three.</emphasis></speak>',
        '<!DOCTYPE s [<!ENTITY a "aaa">]><speak>&a; One &lt;b> <b>two</speak> HACS &amp; <',
    ],
)
def test_steps_do_not_matter(monkeypatch: pytest.MonkeyPatch, ssml: str, size: int) -> None:
    """What is said does not depend on where the steps lie in which a document is read."""
    settings = TextSettings(style="calm", pronunciations=parse_pronunciations("HACS: hacks"))
    whole = parse_ssml(ssml, Backend.S2_1_PRO, settings)
    monkeypatch.setattr("wyoming_fish.fish.cpu_turns.STEP_CHARS", size)
    assert parse_ssml(ssml, Backend.S2_1_PRO, settings) == whole != []


def test_too_long() -> None:
    """A document that is too long is read without its tags."""
    (part,) = _parts("<speak>" + "word " * (MAX_SSML_CHARS // 5) + "<break/></speak>")
    assert part.text.count("word") == MAX_SSML_CHARS // 5
    assert "[" not in part.text


def test_options() -> None:
    """Style and pronunciations are those of other text."""
    listed = parse_pronunciations("HACS: hacks")
    parts = _parts(
        "<speak>HACS<voice name='B'>hacs</voice></speak>", style="calm", pronunciations=listed
    )
    assert [part.text for part in parts] == ["[calm] hacks", "[calm] hacks"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<speak>", True),
        ("  <speak version='1.0'>", True),
        ("<?xml version='1.0'?>\n<speak>", True),
        ("<spe", None),
        ("<speak", None),
        ("", None),
        (" \n", None),
        ("<?xm", None),
        ("<?xml version='1.0'?>", None),
        ("<speaker>", False),
        ("Hello", False),
        ("<b>", False),
        ("<?xml version='1.0'?><svg>", False),
    ],
)
def test_begins(text: str, expected: bool | None) -> None:
    """SSML is known by its beginning, as soon as that has come."""
    assert begins_ssml(text) is expected


PIECES = [
    *(
        "<speak>",
        "</speak>",
        "<p>",
        "</p>",
        "<break time='9999999s'/>",
        "a ",
        "&",
        "&lt;",
        "<",
        ">",
    ),
    *("<prosody rate='-999%'>", "</prosody>", "<voice name='x'>", "</voice>", "]]>", "\x00", "'"),
    *("<say-as interpret-as='digits'>", "</say-as>", "<phoneme ph='aa'/>", "&#0;", "\ud800"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_never_raises(text: str) -> None:
    """Nothing that claims to be SSML raises, and all parts have settings that Fish takes."""
    for ssml in (text, f"<speak>{text}</speak>"):
        for part in _parts(ssml):
            assert part.text.strip() == part.text != ""
            assert 0.5 <= part.speed <= 2
            assert -20 <= part.volume <= 20
            part.text.encode()


@pytest.mark.parametrize(
    "pattern", ["<", "<a ", "<!DOCTYPE", "<!DOCTYPE[", "<!DOCTYPE[] ", "&", "&a", "<p>", "<break/>"]
)
def test_time_is_linear(pattern: str) -> None:
    """A document that is four times as long takes no more time for each of its characters."""
    # Twice is what a busy machine makes of it; what grows with the length is four.
    least = min(_seconds(pattern, MAX_SSML_CHARS // 4) for _ in range(3))
    assert min(_seconds(pattern, MAX_SSML_CHARS) for _ in range(2)) < 2.5 * max(least, 1e-7)


def _seconds(pattern: str, length: int) -> float:
    """Seconds of the processor for each character."""
    text = ("<speak>" + pattern * length)[:length]
    started = time.process_time()
    _parts(text)
    return (time.process_time() - started) / length


@pytest.mark.parametrize(
    ("alphabet", "phonemes", "expected"),
    [
        ("ipa", "təˈmeɪtoʊ", "T AH0 M EY1 T OW0"),
        ("ipa", "t͡ʃiːz", "CH IY1 Z"),
        ("ipa", "ˌɛn.dʒɪˈnɪɹ", "EH2 N JH IH0 N IH1 R"),
        ("x-arpabet", "eh1 n jh", "EH1 N JH"),
        ("x-arpabet", "not phonemes", ""),
        ("pinyin", "chong2", "chong2"),
        ("x-sampa", "a", ""),
        ("ipa", "a" * 500, ""),
    ],
)
def test_phonemes(alphabet: str, phonemes: str, expected: str) -> None:
    """Phonemes that Fish can take become its own, and others none."""
    wanted = f"<|phoneme_start|>{expected}<|phoneme_end|>" if expected else ""
    assert fish_phonemes(alphabet, phonemes) == wanted
