"""Frames kept in corpus/, as they are and damaged: each is understood, passed over or refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.damage import damaged
from wyoming_fish.fish.api.live_protocol import Audio, Finish, LiveSession, SessionState
from wyoming_fish.fish.errors import FishError
from wyoming_fish.fish.synthesis.resume import SpokenTextTracker

FRAMES = {path.stem: path.read_bytes() for path in Path(__file__).parent.glob("corpus/*.msgpack")}

# By the beginning of a file's name, what its frame means.
MEANINGS = {"audio": Audio, "finish": Finish, "pass": type(None), "fail": FishError}


def _stopped() -> LiveSession:
    session = LiveSession()
    session.start({})
    session.stop()
    return session


@pytest.mark.parametrize("name", sorted(FRAMES))
def test_each_frame_means_what_its_name_says(name: str) -> None:
    """The first word of a file's name is what comes of its frame."""
    try:
        outcome: object = _stopped().receive(FRAMES[name])
    except FishError as error:
        outcome = error
    assert isinstance(outcome, MEANINGS[name.partition("-")[0]])


def test_the_corpus_is_there() -> None:
    """There are frames of every meaning."""
    assert {name.partition("-")[0] for name in FRAMES} == set(MEANINGS)


@given(st.lists(damaged(FRAMES, st.binary(max_size=5)), max_size=8))
def test_damaged_frames_break_nothing(frames: list[bytes]) -> None:
    """Whatever comes, a session goes on, ends or fails, and what is known of it stays sound."""
    session, progress = LiveSession(), SpokenTextTracker(24000)
    session.start({})
    pieces = ("Hello world. ", "約三分。")
    for piece in pieces:
        session.text(piece)
        progress.on_sent(piece)
    session.stop()
    for frame in frames:
        try:
            message = session.receive(frame)
        except FishError:
            assert session.state is SessionState.FAILED
            break
        assert message is None or len(message.pcm) % 2 == 0
        if isinstance(message, Audio):
            assert message.pcm or message.timing
            progress.on_audio(message)
        if isinstance(message, Finish):
            assert session.state is SessionState.FINISHED
            break
    assert progress.spoken() in (None, len(pieces[0]), len("".join(pieces)))
