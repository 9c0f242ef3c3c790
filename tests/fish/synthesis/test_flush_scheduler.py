"""When text is handed to Fish, against a simulated clock, writer, Fish and player."""

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wyoming_fish.fish.connections.measurements import EXPECTED_SPEED
from wyoming_fish.fish.synthesis.flush_scheduler import (
    MARGIN_S,
    MAX_AHEAD_S,
    MAX_CHUNK_CHARS,
    MAX_CHUNK_S,
    MIN_FIRST_CHUNK_CHARS,
    S_PER_CHAR,
    TEXT_PAUSE_S,
    FlushScheduler,
)
from wyoming_fish.fish.text.sentences import CutKind, Sentences
from wyoming_fish.fish.text.sentences.ends import certainly_ends

from ..simulation import by_words, simulate

REPLY = (
    "I have turned off the kitchen lights and the radio. The back door is still open, so you may "
    "want to close it before you go to bed. Tomorrow will be sunny, with a high of 21.5 degrees."
)


@pytest.mark.parametrize("per_second", [10, 20, 40])
def test_the_first_sentence_goes_as_soon_as_it_is_certain(per_second: float) -> None:
    """The next word makes it certain, so it goes with that."""
    run = simulate(by_words(REPLY, per_second))
    at, piece = run.pieces[0]
    assert piece == "I have turned off the kitchen lights and the radio. "
    # Its last word is the tenth, number 9; the next one makes it certain.
    assert at == pytest.approx(10 / per_second)
    assert run.text == REPLY


def test_the_first_sentence_goes_at_a_pause() -> None:
    """Where nothing follows, a short pause after the mark is enough."""
    run = simulate([(0.0, "Let me see."), (5.0, " It is five.")])
    at, piece = run.pieces[0]
    assert piece == "Let me see."
    assert at == pytest.approx(TEXT_PAUSE_S)


def test_an_abbreviation_is_given_time() -> None:
    """What is mostly an abbreviation or a number is not cut at a short pause."""
    assert simulate([(0.0, "Ask Dr. "), (0.5, "Smith.")]).pieces[0][1] == "Ask Dr. Smith."
    assert simulate([(0.0, "It is 22."), (3.0, "5 degrees.")]).pieces[0][1] == "It is 22.5 degrees."


def test_all_at_once() -> None:
    """A text that is there is sent at once, its first sentence by itself."""
    run = simulate([(0.0, REPLY)])
    assert [at for at, _ in run.pieces] == [0.0, 0.0]
    assert run.pieces[0][1].endswith("radio. ")


def test_a_long_first_sentence_is_cut_at_a_clause() -> None:
    """Nobody waits for the end of a sentence that goes on and on."""
    text = "Well, " + "as far as I can see from here, it is raining and raining " * 5 + "now."
    run = simulate(by_words(text, 10))
    assert run.pieces[0][1] == "Well, as far as I can see from here, "
    assert run.pieces[0][0] < 2.0


def test_a_long_first_clause_is_cut_betweenby_words() -> None:
    """Without any mark, a long beginning is cut at a space."""
    run = simulate(by_words("so it goes on " * 30, 10))
    assert 100 < len(run.pieces[0][1]) <= MIN_FIRST_CHUNK_CHARS
    assert run.pieces[0][1].endswith(" ")


def test_sentences_are_joined_while_audio_is_in_hand() -> None:
    """Fast text becomes few pieces: Fish keeps its melody over several sentences."""
    run = simulate(by_words(f"{REPLY} " * 8, 40))
    assert len(run.pieces) <= 2 + len(run.text) // (MAX_CHUNK_CHARS // 2)
    assert all(len(piece) <= MAX_CHUNK_CHARS for _, piece in run.pieces)
    # Every piece ends with a sentence.
    assert all(piece.rstrip()[-1] in ".!?" for _, piece in run.pieces)


def test_no_long_gap_between_pieces() -> None:
    """Whole sentences are not held back for so long that a satellite would give up."""
    run = simulate(by_words(f"{REPLY} " * 8, 12))
    assert max(b - a for (a, _), (b, _) in pairwise(run.pieces)) < 4


ANSWER = 0.3


@pytest.mark.parametrize(
    ("text", "least"),
    [
        (REPLY, 0.0),
        ("It is, as far as I know, late. " * 20, 0.0),
        ("It goes on without any mark for a good while " * 6, 0.0),
        # Before the second sentence is there, the first one is over: that is a pause, and no more.
        ("Yes. I have turned on all of the lights in the living room for you and others.", ANSWER),
        ("No. " + "It goes on without any mark for a good while " * 6, ANSWER),
        ("Ok. Sure. Done. " + REPLY * 3, ANSWER),
    ],
)
@pytest.mark.parametrize("per_second", [10.0, 12.5, 20.0, 40.0])
@pytest.mark.parametrize("letter", [0.05, 0.065, 0.09])
def test_a_player_is_never_without_audio(
    text: str, least: float, per_second: float, letter: float
) -> None:
    """At ten words a second and more, no player that starts at the first byte runs dry."""
    run = simulate(by_words(text, per_second), answer=ANSWER, letter=letter)
    assert run.starved <= least + 1e-6
    assert run.text == text


LONG_SENTENCE = (
    "When you come home this evening the heating will be on in the living room, the lamps in the "
    "hall will be lit, the soup from yesterday will be warm on the stove, and the cat, who has "
    "been asleep on your chair since noon, will want her supper. "
)

# Seconds after which silence is put in, by default.
BRIDGE = 2.5


@pytest.mark.parametrize(
    "text", [REPLY * 3, LONG_SENTENCE * 2, "It is, as far as I know, late. " * 20]
)
@pytest.mark.parametrize("per_second", [10.0, 12.5, 20.0, 40.0])
@pytest.mark.parametrize("letter", [0.05, 0.065, 0.09])
@pytest.mark.parametrize("answer", [0.3, 0.5])
def test_no_silence_is_put_into_flowing_text(
    text: str, per_second: float, letter: float, answer: float
) -> None:
    """Where sentences or clauses end in time, their audio comes before a gap has to be bridged."""
    run = simulate(by_words(text, per_second), answer=answer, letter=letter)
    assert run.longest_gap < BRIDGE


def test_slow_text_is_not_cut_betweenby_words() -> None:
    """Where speech outruns the writer anyway, it waits for a clause or a sentence."""
    run = simulate(by_words(REPLY * 2, 2))
    assert all(piece.rstrip()[-1] in ".,!?" for _, piece in run.pieces)


TEXTS = st.lists(
    st.sampled_from(
        "Yes. Dr. Smith said: it is 22.5 degrees, (happy) [laugh out loud] ok! 天气很好。 is\n a "
        "3. z.B. wonderful \n\n morning, isn't it? — 10 000".split(" ")
    ),
    min_size=1,
    max_size=80,
).map(" ".join)


@given(TEXTS, st.lists(st.tuples(st.integers(0, 400), st.floats(0, 0.5)), max_size=40))
@settings(deadline=None)
def test_nothing_is_lost_and_nothing_is_cut(text: str, cuts: list[tuple[int, float]]) -> None:
    """However text comes and pauses, it is sent whole and in order, cut only where it may be."""
    pieces, start, now = [], 0, 0.0
    for at, pause in sorted(cuts):
        if start < at < len(text):
            pieces.append((now, text[start:at]))
            start = at
            now += pause
    run = simulate([*pieces, (now, text[start:])])
    assert run.text == text
    whole = Sentences()
    whole.write(text)
    allowed = {cut.at for cut in whole.cuts}
    # A pause may end a sentence before what follows is known.
    ends = {at for at, _ in cuts}
    at = 0
    for _, piece in run.pieces[:-1]:
        at += len(piece)
        assert at in allowed or at in ends


@given(TEXTS, st.lists(st.integers(0, 400), max_size=40))
@example("it? Yes.", [3])
@settings(deadline=None)
def test_pieces_of_text_do_not_matter(text: str, places: list[int]) -> None:
    """In whatever pieces a text comes, without pauses, its first piece is the same.

    But a piece of text that certainly ends a sentence is sent before the space after it is known.
    """
    ats = [0, *sorted({at for at in places if 0 < at < len(text)}), len(text)]
    pieces = [text[a:b] for a, b in pairwise(ats)]
    steps = [(number * 1e-4, piece) for number, piece in enumerate(pieces)]
    run = simulate([*steps, (1.0, "")])
    first = run.pieces[0][1]
    is_early = certainly_ends(first) and len(first) in ats
    assert is_early or first == simulate([(0.0, text), (1.0, "")]).pieces[0][1]


def test_cuts_are_of_the_best_kind() -> None:
    """A piece that is cut in need ends at a sentence rather than a clause, and so on."""
    text = "Yes. The first one, it seems, is long enough. And then, what follows is more of it "
    run = simulate([(0.0, text), (30.0, "and more.")])
    whole = Sentences()
    whole.write(text)
    kinds = {cut.at: cut.kind for cut in whole.cuts}
    assert kinds[len(run.pieces[0][1])] is CutKind.SENTENCE
    assert kinds[len(run.pieces[0][1]) + len(run.pieces[1][1])] is CutKind.SENTENCE


def test_a_slow_fish_is_given_text_earlier() -> None:
    """The audio in hand has to last for as long as Fish took to answer, and a little more."""
    scheduler, answer, audio = FlushScheduler(), 2.0, 3.0
    scheduler.write("Good morning to you. It is five. So", 0.0)
    assert scheduler.next_chunk(0.0) == "Good morning to you. "
    scheduler.on_audio(audio, answer)
    due = answer + audio - (answer + EXPECTED_SPEED.spread_s + MARGIN_S)
    assert scheduler.next_chunk(due - 0.01) == ""
    assert scheduler.next_chunk(due + 0.01) == "It is five. "


def test_fast_speech_is_over_sooner() -> None:
    """At twice the speed, the audio on its way lasts half as long, and text is due earlier."""
    for speed, piece in ((1.0, ""), (2.0, "It is five. ")):
        scheduler = FlushScheduler(speed)
        scheduler.write("Good morning to all of you in the house. It is five. So", 0.0)
        assert scheduler.next_chunk(0.0) == "Good morning to all of you in the house. "
        # Of its audio, 2.3 s at the usual speed, a little has come.
        scheduler.on_audio(0.3, 0.3)
        assert scheduler.next_chunk(0.75) == piece


def test_until_the_first_audio_sentences_are_joined() -> None:
    """While Fish has yet to answer, what is written waits, whatever the clock shows."""
    scheduler = FlushScheduler()
    scheduler.write("Good morning to you. It", 1000.0)
    assert scheduler.next_chunk(1000.0) == "Good morning to you. "
    scheduler.write(" is five. It is late. So", 1000.2)
    assert scheduler.next_chunk(1000.2) == ""
    # A Fish that takes its time is given more of it.
    wake = scheduler.next_deadline(1001.0)
    assert wake is not None
    assert scheduler.next_chunk(wake) == "It is five. It is late. "


@pytest.mark.parametrize("speed", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(
    ("sentence", "seconds"),
    [
        ("今天的天气很好，我们去公园走走，然后回家吃饭。", 0.2),
        ("Ask for 0123456789 and 9876543210, then wait. ", 0.11),
        ("All of the windows are closed, and the doors are too. ", 0.055),
    ],
)
def test_no_piece_is_longer_than_fish_can_speak(
    sentence: str, seconds: float, speed: float
) -> None:
    """Fish makes up to 47 s of audio of a piece, and loses what is left without a word."""
    scheduler = FlushScheduler(speed)
    scheduler.write(sentence * 40, 0.0)
    scheduler.complete()
    pieces = []
    while piece := scheduler.next_chunk(0.0):
        pieces.append(piece)
        scheduler.on_audio(MAX_CHUNK_S, 0.0)
    assert "".join(pieces) == sentence * 40
    # No more than one sentence beyond it, since that is not cut within a word.
    longest = max(MAX_CHUNK_S * speed / seconds, len(sentence))
    assert max(map(len, pieces)) <= min(MAX_CHUNK_CHARS, 1.1 * longest)


@pytest.mark.parametrize("text", ["x" * 50_000, "[x" * 20_000, "1" * 5000, "天" * 5000, "." * 5000])
def test_text_that_cannot_be_cut(text: str) -> None:
    """A text without words is sent in pieces as well, and no faster than it is heard."""
    scheduler, sent = FlushScheduler(), ""
    scheduler.write(text, 0.0)
    scheduler.complete()
    while piece := scheduler.next_chunk(0.0):
        assert len(piece) <= MAX_CHUNK_CHARS
        sent += piece
    assert len(sent) <= (MAX_AHEAD_S + MAX_CHUNK_S) / S_PER_CHAR
    while not scheduler.is_done:
        scheduler.on_audio(MAX_CHUNK_S, 1.0)
        sent += scheduler.next_chunk(1.0)
    assert sent == text


# A reply of 24 s, and one of some 9 minutes, as estimated.
SHORT, LONG = LONG_SENTENCE * 2, LONG_SENTENCE * 45


def test_a_reply_of_half_a_minute_is_sent_at_once() -> None:
    """Nothing changes the melody of a reply that is no longer than what may be ahead."""
    run = simulate([(0.0, SHORT)])
    assert {at for at, _ in run.pieces} == {0.0}


@pytest.mark.parametrize("leaves_at", [0.0, 1.0])
def test_a_listener_that_takes_nothing_costs_little(leaves_at: float) -> None:
    """However long the text is and however long it stays, half a minute and a piece are sent."""
    run = simulate([(0.0, LONG)], leaves_at=leaves_at)
    assert run.most_ahead <= MAX_AHEAD_S + MAX_CHUNK_S
    assert run.pieces[-1][0] <= leaves_at


@given(
    voice=st.floats(0.4, 2.5),
    pace=st.floats(0.05, 0.3),
    answer=st.floats(0.2, 0.5),
    buffer=st.floats(2.0, 20.0) | st.just(float("inf")),
    per_second=st.sampled_from([10.0, 40.0, float("inf")]),
)
@settings(deadline=None, max_examples=60)
def test_a_long_reply_is_paced_without_a_gap(
    voice: float, pace: float, answer: float, buffer: float, per_second: float
) -> None:
    """A player that takes it as it plays, or sooner, hears all of it, however fast the voice is."""
    reply_text = [(0.0, LONG)] if per_second == float("inf") else by_words(LONG, per_second)
    run = simulate(reply_text, answer=answer, pace=pace, letter=voice * S_PER_CHAR, buffer=buffer)
    assert run.starved <= (0.0 if per_second > 10 else answer) + 1e-6
    assert run.most_ahead <= MAX_AHEAD_S + MAX_CHUNK_S
