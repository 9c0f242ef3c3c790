"""What has certainly been heard, by what the socket with timestamps tells."""

import time
from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wyoming_fish.fish.api.live_protocol import Alignment, Audio, Segment, Timing
from wyoming_fish.fish.synthesis.resume import (
    MAX_CHUNK_TOLD_CHARS,
    MIN_OPEN_CHUNKS,
    WORD_CHARS,
    SpokenTextTracker,
)

RATE = 8000

PIECES = ("Good night. ", "The doors are locked. ")


def _alignment(*said: tuple[str, float, float], duration: float = 0.0) -> Alignment:
    segments = tuple(Segment(*each) for each in said)
    return Alignment(segments, max(duration, *(segment.end for segment in segments)))


FIRST = Timing(
    0, 0.0, "Good night. ", _alignment(("Good", 0.0, 0.4), ("night", 0.4, 0.9)), correction=False
)


def _audio(seconds: float, timing: Timing | None) -> Audio:
    return Audio(b"\1\1" * int(seconds * RATE), timing)


def _progress(*events: Audio, pieces: tuple[str, ...] = PIECES) -> SpokenTextTracker:
    progress = SpokenTextTracker(RATE)
    for piece in pieces:
        progress.on_sent(piece)
    for event in events:
        progress.on_audio(event)
    return progress


def _correction(timing: Timing) -> Audio:
    return Audio(b"", replace(timing, correction=True))


def test_a_correction_without_audio_ends_a_piece() -> None:
    """After it, the piece has been heard, and nothing of the next."""
    progress = _progress(_audio(0.9, FIRST), _correction(FIRST))
    assert progress.spoken() == len(PIECES[0])
    assert progress.left()


def test_without_it_the_last_word_may_not_be_over() -> None:
    """A snapshot tells its last word as if it were over, whether it is or not."""
    assert _progress(_audio(0.9, FIRST)).spoken() is None


def test_at_the_end_words_may_be_missing() -> None:
    """More words than can be in what was heard and not told were certainly not spoken."""
    assert _progress(_audio(0.9, FIRST)).left()
    # Two more may be passed over by what tells them.
    assert not _progress(_audio(0.9, FIRST), pieces=("Good night to you.",)).left()
    # A few may be in audio that nobody has described yet, or the text may be told otherwise.
    assert not _progress(_audio(1.1, FIRST)).left()
    assert not _progress(_audio(0.9, FIRST), pieces=("It’s 9 PM. ", *PIECES)).left()
    assert not _progress(_audio(0.9, None)).left()
    unknown = replace(FIRST, alignment=None)
    assert _progress(_audio(0.1, unknown)).left()
    assert not _progress(_audio(0.9, unknown)).left()


def test_a_pause_ends_a_piece() -> None:
    """Where the alignment describes a pause after the piece's last word, that was heard."""
    assert FIRST.alignment
    pause = replace(FIRST, alignment=replace(FIRST.alignment, duration=1.2))
    assert _progress(_audio(1.2, pause)).spoken() == len(PIECES[0])
    # Not described, it may be the next word.
    assert _progress(_audio(1.2, FIRST)).spoken() is None
    # Described, but not heard.
    assert _progress(_audio(1.0, pause)).spoken() is None


def test_a_pause_within_a_piece_ends_nothing() -> None:
    """After a word that is not its piece's last, nothing is certain enough."""
    timing = Timing(0, 0.0, "", _alignment(("Good", 0.0, 0.4), duration=1.0), correction=False)
    assert _progress(_audio(1.0, timing)).spoken() is None
    assert _progress(_audio(1.0, timing), _correction(timing)).spoken() is None


def test_all_may_have_been_heard() -> None:
    """Where the last piece was heard, nothing is left."""
    progress = _progress(_audio(0.9, FIRST), _correction(FIRST), pieces=("Good night.",))
    assert progress.spoken() == len("Good night.")
    assert not progress.left()


def test_words_that_were_not_heard() -> None:
    """An alignment that is ahead of the audio does not count."""
    assert _progress(_audio(0.5, FIRST), _correction(FIRST)).spoken() is None


def test_audio_that_nobody_described() -> None:
    """Where more was heard than was told, or a chunk told nothing, nothing is certain."""
    second = Timing(1, 0.9, "", None, correction=False)
    heard = (_audio(0.9, FIRST), _correction(FIRST))
    assert _progress(*heard, _audio(0.3, second)).spoken() is None
    assert _progress(*heard, _audio(0.3, FIRST)).spoken() is None
    assert _progress(*heard, _audio(0.3, None)).spoken() is None
    assert _progress().spoken() is None


def test_half_a_sample_is_not_heard() -> None:
    """Audio that came and could not be played yet makes the end uncertain."""
    progress = _progress(_audio(0.9, FIRST), _correction(FIRST))
    progress.whole = False
    assert progress.spoken() is None


def test_the_next_chunk_may_be_told_before_it_is_heard() -> None:
    """What is told of a chunk without audio does not undo the one before."""
    ahead = Timing(1, 0.9, "The", _alignment(("The", 0.0, 0.2)), correction=True)
    progress = _progress(_audio(0.9, FIRST), _correction(FIRST), Audio(b"", ahead))
    assert progress.spoken() == len(PIECES[0])


def test_a_piece_of_several_chunks() -> None:
    """A piece that Fish cuts in two has been heard when both have."""
    chunks = [
        Timing(0, 0.0, "", _alignment(("Good", 0.0, 0.4)), correction=False),
        Timing(1, 0.4, "", _alignment(("night", 0.0, 0.5)), correction=False),
    ]
    first = (_audio(0.4, chunks[0]), _correction(chunks[0]))
    assert _progress(*first).spoken() is None
    assert _progress(*first, _audio(0.5, chunks[1]), _correction(chunks[1])).spoken() == len(
        PIECES[0]
    )


def test_a_piece_without_words() -> None:
    """Marks alone belong to what follows, or have been heard unseen: then nothing is certain."""
    pieces = ("Good night. ", "\n", "… ", "The doors are locked. ")
    heard = (_audio(0.9, FIRST), _correction(FIRST))
    assert _progress(*heard, pieces=pieces).spoken() == len(pieces[0])
    dots = Timing(1, 0.9, "… ", _alignment(("…", 0.0, 0.3)), correction=False)
    assert _progress(*heard, _audio(0.3, dots), _correction(dots), pieces=pieces).spoken() is None


def test_the_content_tells_what_the_words_do_not() -> None:
    """A number at a piece's end is read out in the words, and as it was written in the content."""
    pieces = ("It is 19.5. ", "Good night.")
    said = _alignment(("It", 0.0, 0.2), ("is", 0.2, 0.4), ("nineteen point five", 0.4, 1.4))
    timing = Timing(0, 0.0, pieces[0], said, correction=False)
    audio = _audio(1.4, timing)
    assert _progress(audio, _correction(timing), pieces=pieces).spoken() == len(pieces[0])
    # The content may be ahead of the words while more is to come.
    pause = replace(timing, alignment=replace(said, duration=1.8))
    assert _progress(_audio(1.8, pause), pieces=pieces).spoken() is None


@given(
    st.lists(
        st.lists(st.sampled_from("yes no 5 well".split()), min_size=1, max_size=4),
        min_size=1,
        max_size=5,
    ),
    st.integers(0, 60),
    st.integers(1, 7),
)
@pytest.mark.parametrize("spelt", [False, True])
def test_it_is_right_or_says_nothing(
    spelt: bool, sentences: list[list[str]], events: int, frame: int
) -> None:
    """Wherever a session breaks off, the answer is the end of the piece heard last, or none."""
    pieces = [" ".join(sentence).capitalize() + ". " for sentence in sentences]
    all_events: list[tuple[Audio, int | None]] = []
    offset = 0.0
    for chunk, (sentence, piece, end) in enumerate(
        zip(sentences, pieces, accumulate(map(len, pieces)), strict=True)
    ):
        read = ["five" if spelt and word == "5" else word for word in sentence]
        words = [(word, 0.3 * at, 0.3 * (at + 1)) for at, word in enumerate(read)]
        length = 0.3 * len(words)
        # Frames of tenths of a second, their snapshots one behind and the last word cut.
        tenths = round(length * 10)
        aligned: Alignment | None = None
        for begin in range(0, tenths, frame):
            until = min(begin + frame, tenths)
            timing = Timing(chunk, offset, piece if aligned else "", aligned, correction=False)
            all_events.append((_audio((until - begin) / 10, timing), None))
            told = [(w, a, min(b, until / 10)) for w, a, b in words if a < until / 10]
            aligned = _alignment(*told, duration=until / 10)
        timing = Timing(chunk, offset, piece, _alignment(*words), correction=True)
        all_events.append((Audio(b"", timing), end))
        offset += length
    heard = all_events[:events]
    progress = _progress(*(event for event, _ in heard), pieces=tuple(pieces))
    spoken = progress.spoken()
    if not heard:
        assert spoken is None
    elif spelt:
        assert spoken in (None, heard[-1][1])
    else:
        # Only what is certain, and all that is.
        assert spoken == heard[-1][1]


@pytest.mark.parametrize(("more", "spoken"), [(0, 12), (1, None)])
def test_a_chunk_that_tells_more_than_anyone_says(more: int, spoken: int | None) -> None:
    """Nothing of it is read, since that would take long, and nothing is certain any more."""
    said = _alignment(("Good", 0.0, 0.4), ("night", 0.4, 0.9))
    marks = "." * (MAX_CHUNK_TOLD_CHARS - len("Good night. Goodnight") - 2 * 20 + more)
    timing = Timing(0, 0.0, f"Good night. {marks}", said, correction=False)
    assert _progress(_audio(1.0, timing), _correction(timing)).spoken() == spoken


def test_long_ago() -> None:
    """What was told at any time counts, and only the newest of it is kept."""
    pieces = tuple(f"Sentence {number} is this. " for number in range(100))
    progress = _progress(pieces=pieces)
    said: Alignment | None = None
    for number, piece in enumerate(pieces):
        words = piece.split()
        said = _alignment(*((word, at / 4, (at + 1) / 4) for at, word in enumerate(words)))
        progress.on_audio(_audio(1.0, Timing(number, float(number), piece, said, correction=False)))
        assert len(progress._chunks) <= MIN_OPEN_CHUNKS  # noqa: SLF001 - what it keeps
    last = Timing(99, 99.0, pieces[-1], said, correction=True)
    progress.on_audio(Audio(b"", last))
    assert progress.spoken() == len("".join(pieces))
    assert not progress.left()


def test_words_are_counted_no_further_than_they_matter() -> None:
    """A long text of which nothing was said costs no more than a short one."""
    progress = _progress(_audio(0.9, FIRST), pieces=PIECES + ("ﷺ" * 300,) * 700)
    started = time.process_time()
    assert progress.left()
    assert time.process_time() - started < 0.05


@pytest.mark.parametrize("characters", [900, MAX_CHUNK_TOLD_CHARS - WORD_CHARS])
def test_what_a_hostile_server_tells_is_compared_within_a_bound(characters: int) -> None:
    """A character can stand for four words, and many chunks can become final at the same time."""
    told = "ﷺ" * characters
    said = _alignment((told, 0.0, 1.0))
    progress = _progress(pieces=(told,) * 50)
    for number in range(48):
        progress.on_audio(Audio(b"", Timing(number, 0.0, "", said, correction=True)))
    started = time.process_time()
    progress.on_audio(_audio(1.0, Timing(48, 0.0, "", said, correction=False)))
    assert time.process_time() - started < 0.5
