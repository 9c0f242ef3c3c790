"""Where a text may be cut."""

from itertools import combinations, pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wyoming_fish.fish.text.sentences import MAX_SENTENCE_CHARS, Cut, CutKind, Sentences
from wyoming_fish.fish.text.sentences.abbreviations import (
    ABBREVIATIONS,
    BEFORE_NUMBERS,
    BESIDE_NUMBERS,
    FINAL_WORDS,
    LIST_ENDS,
    MAY_END,
)


def _sentences(text: str) -> list[str]:
    """The sentences that are certain, and the rest."""
    sentences = Sentences()
    sentences.write(text)
    cuts = [0, *(cut.at for cut in sentences.cuts if cut.kind is CutKind.SENTENCE), len(text)]
    return [text[a:b] for a, b in pairwise(cuts) if b > a]


# One line for each text: its sentences, with | between them.
SENTENCES = """\
Hello there. |It is warm. |Bye
It is 22.5 degrees. |That is 72,5 % more than 1.234,56 €. |Yes
No. |The door is locked.
See No. 5 and Nr. 77. |Then go on.
Dr. Smith met Mrs. Jones. |Prof. Dr. Meier did not.
J. R. R. Tolkien wrote it. |He did.
He lives in the U.S. Army base. |Really.
At 10 a.m. we go. |At 10 p.m. |We return.
Bring apples, pears, etc. |Then come.
Use e.g. apples or i.e. fruit. |Good.
Am 3. Mai kommt sie. |Am 14. Juni auch.
Das kostet z. B. fünf Euro. |Gut!
It was in 1999. |Then came 2000.
The answer is 42. |Good.
Really? |Yes! |No way?! |Fine.
"Really?" she asked. |"Yes." |He left.
«Vraiment ?» |Oui ! |Bon.
(He knew.) |She did not. |[laugh] Well.
Wait... and see. |Wait… |Then see.
Is it 12:30? |No, it is 13:45. |Good.
Visit https://example.com/a?b=c. |Then example.org. |Ok.
Say [soft, slow. voice] hello. |Then (sighing. loudly) go. |Bye
今天天气很好。|明天会下雨！|「真的吗？」|是的
約三分です。|お待ちください。|はい
오늘은 맑습니다. |내일은 비가 옵니다. |네
यह ठीक है। |अब सो जाओ।|
كيف حالك؟ |أنا بخير. |شكرا
Привет. |Как дела? |Это ул. Ленина. |Хорошо
Ինչպես ես։ |Լավ
วันนี้อากาศดี พรุ่งนี้ฝนจะตก
10 000 people came. |22 °C is warm.
Milk costs 3.50. |Bread 2.
Die 3 Std. Fahrt war lang. |Ja
Er wohnt in der Hauptstr. 5 in Berlin. |Ja
Das gilt bzw. St. Pauli. |Gut
Es kostet 5 € inkl. MwSt. |Ja
Am 3. Okt. Zeit umstellen. |Ja
Dr. med. Anna Huber ruft an. |Ja
Ludwig XIV. König von Frankreich. |Ja
1.) Open the door. |2.) Close it.
Il faut env. 20 minutes. |Oui
12 av. Foch est fermé. |Oui
Faltan aprox. 20 minutos. |Sí
Vive en EE. UU. Norte. |Sí
Vive en EE.UU. Norte. |Sí
L'avv. Neri è qui. |Sì
Mieszka przy ul. Długiej 5. |Tak jest
Např. Praha je hezká. |Ano
Це вул. Шевченка. |Так
Проф. Иванов здесь. |Да
डॉ. शर्मा आए हैं। |हाँ
Tôi ở TP. Hồ Chí Minh. |Vâng
Jl. Sudirman macet. |Ya
See Sec. 2.1 for more. |Yes
Cats vs. Dogs is on. |Yes
It is at 10 a.m. Pacific time. |Yes
It's 10 a.m. |The door is open.
Τι ώρα είναι; |Είναι πέντε.
ሰላም ነው።|እሺ
今日は晴れ．|明日は雨．|はい
“关灯！”他说。|好
「はい。」と言った。|え
他说：“关灯！”|好的
« Bonjour ! » |Oui
Il a dit « Bonjour ! » hier. |Oui
Es ist 20. |The light
Der 12. Spieler kam. |Ja
A Ph.D. Student came. |Yes
World War II. |The end
Lampan är av. |Dörren är öppen.
Call Don. |He knows.
2024. 05. 12. péntek. |Igen
The answer is 3. |The door is open.
1. The milk is here. |Yes
ok. 20 minut. |Tak
Ok. |20 minutes left.
Min. 20 °C. |Gut
He lives in the U.S. |It is big.
He lives in the U.S. Army base. |Yes
"""


@pytest.mark.parametrize("line", SENTENCES.splitlines())
def test_sentences(line: str) -> None:
    """Each line of the table above is cut at its bars, and nowhere else."""
    expected = line.split("|")
    # The last one is not certain before something follows it.
    assert _sentences("".join(expected)) == [part for part in expected if part]


def test_open_brackets() -> None:
    """A bracket holds back what may be its cue, and no longer than a cue is."""
    assert _sentences("An open [bracket. Then") == ["An open [bracket. Then"]
    long = "and more " * 12
    assert _sentences(f"An open [bracket. Then {long}") == ["An open [bracket. ", f"Then {long}"]


@pytest.mark.parametrize(
    "lines",
    [
        ["Here is the list:\n", "- Milk\n", "- Eggs\n", "That is all"],
        ["A heading\n\n", "A text that is\nwrapped. ", "Good."],
        ["1. First\n", "2. Second\n", "3. Third"],
        ["Your list:\n", "oat milk\n\n", "eggs and\nbread"],
    ],
)
def test_lines(lines: list[str]) -> None:
    """The end of a line ends a sentence, but for one that just goes on in small letters."""
    assert _sentences("".join(lines)) == lines


@pytest.mark.parametrize(
    ("text", "ends", "ends_in_time"),
    [
        ("It works.", True, True),
        ("It works!” ", True, True),
        ("好的。", True, True),
        ("A list:\n", True, True),
        ("Dear Dr.", False, True),
        ("Initial J. ", False, True),
        ("It is 22.", False, False),
        ("It is 22. ", False, True),
        ("It works", False, False),
        ("It works. [whis", False, False),
        ("", False, False),
        ("  ", False, False),
    ],
)
def test_pauses(text: str, ends: bool, ends_in_time: bool) -> None:
    """What pauses at a mark has ended, sooner or later by how likely it is to go on."""
    sentences = Sentences()
    sentences.write(text)
    assert sentences.ends_well() == ends
    assert sentences.ends_well(any_mark=True) == ends_in_time


ALPHABET = "aAbßЖ天あก 0123.,!?…:;-–'\"»)([]<|>\n\u00a0。，！」।؟"
TEXTS = st.text(ALPHABET, max_size=300) | st.lists(
    st.sampled_from(
        "Yes. Dr. Smith 22.5 3. e.g. z.B. well, [laugh] (happy) ok! 天气。 \n \n\n 10 000 …".split(
            " "
        )
    ),
    max_size=60,
).map(" ".join)


@given(TEXTS, st.lists(st.integers(0, 300), max_size=30))
@example("x" * 3 * MAX_SENTENCE_CHARS, [5])
@example(" " * 3 * MAX_SENTENCE_CHARS, [5])
def test_pieces_do_not_matter(text: str, places: list[int]) -> None:
    """The cuts are those of the text, in whatever pieces it came, and they stay."""
    whole = Sentences()
    whole.write(text)
    pieces = Sentences()
    at = [0, *sorted({place for place in places if place < len(text)}), len(text)]
    seen: list[Cut] = []
    for a, b in pairwise(at):
        pieces.write(text[a:b])
        assert pieces.cuts[: len(seen)] == seen
        seen = list(pieces.cuts)
    assert pieces.text == text
    assert pieces.cuts == whole.cuts


@given(TEXTS)
def test_no_cut_inside_of_anything(text: str) -> None:
    """No cut lies inside a word, a number or a cue, and each lies after its spaces."""
    sentences = Sentences()
    sentences.write(text)
    for at, kind in sentences.cuts:
        before, after = text[at - 1], text[at]
        assert before.isspace() or not after.isspace() or before in "。，！」।؟"
        if not before.isspace():
            assert before in "。，！」.!?…'\"»)]؟।", (text[:at], text[at:])
        assert not (text[:at].rstrip(" ")[-1:].isdecimal() and after.isdecimal()), kind
        opened = text[:at].rfind("[")
        closed = text.find("]", opened)
        if opened >= 0 and 0 < closed - opened < 100 and "\n" not in text[opened:closed]:
            assert closed < at


@given(TEXTS, st.lists(st.integers(1, 400), max_size=20))
def test_taking_loses_nothing(text: str, ats: list[int]) -> None:
    """What is taken and what is left are the text."""
    sentences = Sentences()
    sentences.write(text)
    taken = [sentences.take(at) for at in ats]
    assert "".join(taken) + sentences.text == text
    assert all(0 < cut.at <= len(sentences.text) for cut in sentences.cuts)


@pytest.mark.parametrize(
    "pattern", ["word ", "[", "(", "<|", ".", "\n", "a. ", "。", " ", "x", "[a "]
)
def test_time_is_linear(pattern: str) -> None:
    """No text makes it slow: 200,000 characters, letter by letter and all at once."""
    sentences = Sentences()
    sentences.write(pattern * (100_000 // len(pattern)))
    for letter in pattern * (100_000 // len(pattern)):
        sentences.write(letter)
        if sentences.cuts:
            sentences.take(sentences.cuts[-1].at)


def test_a_small_letter_may_begin_a_line() -> None:
    """A line with one letter so far is not known to go on: it may be the name of a phone."""
    text = "The phone\niPad is here. "
    whole, letters = Sentences(), Sentences()
    whole.write(text)
    for letter in text:
        letters.write(letter)
    assert letters.cuts == whole.cuts
    assert Cut(10, CutKind.SENTENCE) in whole.cuts


@pytest.mark.parametrize(
    ("text", "is_certain"),
    [
        ("The humidity is forty percent.", True),
        ("Is that okay?", True),
        ("Es ist 21,5 °C.", True),
        ("Es sind 40 %.", True),
        ("The light is off", False),
        ("The light is off. ", False),
        ('He said "okay?', False),
        ("Open example.", False),
        ("Call Dr.", False),
        ("It is 21.", False),
        ("Yahoo!", False),
    ],
)
def test_an_end_is_certain(text: str, is_certain: bool) -> None:
    """After some words, a mark ends the sentence before anything follows it."""
    sentences = Sentences()
    sentences.write(text)
    assert sentences.ends_certainly is is_certain


def test_a_word_is_in_one_list() -> None:
    """Each abbreviation has one rule: "No." is one before a number only, "Mr." always."""
    lists = (ABBREVIATIONS, BEFORE_NUMBERS, BESIDE_NUMBERS, MAY_END, LIST_ENDS, FINAL_WORDS)
    assert [first & second for first, second in combinations(lists, 2) if first & second] == []
