"""The live protocol, without a socket."""

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wyoming_fish.fish.api.live_protocol import (
    Alignment,
    Audio,
    Finish,
    LiveSession,
    Segment,
    SessionState,
    Timing,
)
from wyoming_fish.fish.api.pcm import PcmAligner
from wyoming_fish.fish.errors import (
    BrokenStreamError,
    FishError,
    KeyRefusedError,
    LimitError,
    NoCreditError,
    ProtocolError,
    RequestRefusedError,
    SettingsError,
    UnavailableError,
    VoiceNotFoundError,
)

REQUEST = {"text": "", "format": "pcm", "references": [{"audio": b"\x00\xff", "text": "hm"}]}

# As Fish's documentation gives it: the sizes are placeholders.
WAV_HEADER = (
    b"RIFF\x24\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x80\xbb\x00\x00\x00w\x01\x00"
    b"\x02\x00\x10\x00data\x00\xff\xff\xff"
)


def _opened() -> LiveSession:
    session = LiveSession()
    session.start(REQUEST)
    return session


def _stopped() -> LiveSession:
    session = _opened()
    session.stop()
    return session


def _frame(**message: object) -> bytes:
    return ormsgpack.packb(message)


def test_frames_are_messagepack_maps() -> None:
    """Each step is one map, with text as str and bytes as bin."""
    session = LiveSession()
    start = ormsgpack.unpackb(session.start(REQUEST))
    assert start == {"event": "start", "request": REQUEST}
    assert ormsgpack.unpackb(session.text("Grüß dich")) == {"event": "text", "text": "Grüß dich"}
    assert ormsgpack.unpackb(session.flush()) == {"event": "flush"}
    assert ormsgpack.unpackb(session.stop()) == {"event": "stop"}


def test_half_a_character_is_refused() -> None:
    """A lone surrogate is a SettingsError, and the session can go on."""
    session = _opened()
    with pytest.raises(SettingsError, match="half"):
        session.text("\ud83d")
    assert session.text("still there")


@pytest.mark.parametrize("step", ["text", "flush", "stop"])
def test_nothing_before_start(step: str) -> None:
    """A session that has not begun takes no text, flush or stop."""
    session = LiveSession()
    with pytest.raises(ProtocolError):
        session.text("hi") if step == "text" else getattr(session, step)()


@pytest.mark.parametrize("step", ["start", "text", "flush", "stop"])
def test_nothing_after_stop(step: str) -> None:
    """After stop, nothing more can be sent."""
    session = _stopped()
    arguments = {"start": (REQUEST,), "text": ("hi",)}
    with pytest.raises(ProtocolError):
        getattr(session, step)(*arguments.get(step, ()))


def test_audio_then_finish() -> None:
    """Audio is given as it comes, and the session ends with its finish."""
    session = _stopped()
    assert session.receive(_frame(event="audio", audio=b"\x01\x02\x03\x04", time=12)) == Audio(
        b"\x01\x02\x03\x04"
    )
    assert session.receive(_frame(event="finish", reason="stop", time=99)) == Finish(b"")
    assert session.state is SessionState.FINISHED


ALIGNMENT = {
    "segments": [{"text": "Hello", "start": 0, "end": 0.42}],
    "audio_duration": 0.86,
}


@pytest.mark.parametrize(
    ("fields", "alignment"),
    [
        ({"alignment": ALIGNMENT}, Alignment((Segment("Hello", 0.0, 0.42),), 0.86)),
        ({"alignment": {"segments": []}}, Alignment((), 0.0)),
        (
            {"alignment": {**ALIGNMENT, "audio_duration": None}},
            Alignment((Segment("Hello", 0.0, 0.42),), 0.42),
        ),
        ({"alignment": None}, None),
        ({}, None),
        ({"alignment": {"segments": [{"text": "Hello", "start": 0}]}}, None),
        ({"alignment": {"segments": [{"text": 5, "start": 0, "end": 1}]}}, None),
        ({"alignment": {"segments": [{"text": "a", "start": 0, "end": float("nan")}]}}, None),
        ({"alignment": "later"}, None),
    ],
)
def test_audio_tells_its_words(fields: dict[str, object], alignment: Alignment | None) -> None:
    """What the socket with timestamps adds is read where it is whole, and else passed over."""
    timed = {"chunk_seq": 2, "chunk_audio_offset_sec": 16.24, "content": "Hello"}
    timing = Timing(2, 16.24, "Hello", alignment, correction=False)
    frame = _frame(event="audio", audio=b"\1\2", **timed, **fields)
    assert _opened().receive(frame) == Audio(b"\1\2", timing)
    frame = _frame(event="audio", audio=b"", **timed, **fields)
    assert _opened().receive(frame) == Audio(
        b"", Timing(2, 16.24, "Hello", alignment, correction=True)
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"chunk_seq": 0},
        {"chunk_seq": -1, "chunk_audio_offset_sec": 0.0},
        {"chunk_seq": True, "chunk_audio_offset_sec": 0.0},
        {"chunk_seq": 1.0, "chunk_audio_offset_sec": 0.0},
        {"chunk_seq": 0, "chunk_audio_offset_sec": -0.5},
        {"chunk_seq": 0, "chunk_audio_offset_sec": "0"},
    ],
)
def test_audio_that_tells_nothing(fields: dict[str, object]) -> None:
    """Where it is not said which chunk is meant, the audio is good and tells nothing."""
    frame = _frame(event="audio", audio=b"\1\2", alignment=ALIGNMENT, **fields)
    assert _opened().receive(frame) == Audio(b"\1\2")


def test_half_a_sample_is_waiting() -> None:
    """A session knows whether all that came has been given."""
    session = _opened()
    whole = []
    for audio in (b"\1\2", b"\3", b"\4", b"R", b"est"):
        session.receive(_frame(event="audio", audio=audio))
        whole.append(session.whole)
    assert whole == [True, False, True, False, True]


@pytest.mark.parametrize(
    "message",
    [
        _frame(event="log", message="debug"),
        _frame(event="something-new", audio=b"\x01\x02"),
        _frame(event=7),
        _frame(no="event"),
        _frame(event="audio", audio=b""),
        "a text frame",
    ],
)
def test_what_may_be_passed_over(message: bytes | str) -> None:
    """Logs, unknown events, empty audio and text frames say nothing."""
    session = _opened()
    assert session.receive(message) is None
    assert session.state is SessionState.OPEN


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ({"event": "finish", "reason": "error", "message": "boom"}, BrokenStreamError),
        ({"event": "finish", "reason": "error"}, BrokenStreamError),
        (
            {"event": "finish", "reason": "error", "message": "Reference not found"},
            VoiceNotFoundError,
        ),
        (
            {"event": "finish", "reason": "error", "error": "Reference not found"},
            VoiceNotFoundError,
        ),
        (
            {"event": "error", "error": "Concurrency limit exceeded", "max_concurrency": 8},
            LimitError,
        ),
        ({"event": "error", "error": "exceeded your current concurrency limit"}, LimitError),
        ({"event": "error", "error": "Reference not found"}, VoiceNotFoundError),
        ({"event": "error", "message": "Reference not found"}, VoiceNotFoundError),
        ({"event": "error", "error": "Insufficient API credit."}, NoCreditError),
        ({"event": "error", "error": "Internal server error"}, UnavailableError),
        ({"event": "error", "error": "Invalid Token"}, KeyRefusedError),
        (
            {"event": "error", "error": "Invalid sample rate 22050 for format pcm"},
            RequestRefusedError,
        ),
        ({"event": "error"}, RequestRefusedError),
        ({"event": "audio", "audio": "text"}, ProtocolError),
        ({"event": "audio"}, ProtocolError),
    ],
)
def test_failures(message: dict[str, object], error: type[FishError]) -> None:
    """Each report of the server becomes its own kind of error, and the session has failed."""
    session = _stopped()
    with pytest.raises(error) as caught:
        session.receive(ormsgpack.packb(message))
    assert caught.type is error
    assert session.state is SessionState.FAILED
    with pytest.raises(ProtocolError):
        session.receive(_frame(event="audio", audio=b"\x01\x02"))


def test_limit_is_learnt() -> None:
    """A refusal for concurrency carries the number that the account may have."""
    with pytest.raises(LimitError) as caught:
        _opened().receive(_frame(event="error", error="no", max_concurrency=8))
    assert caught.value.limit == 8


def test_finish_before_stop() -> None:
    """A finish before all text was sent is not a success."""
    with pytest.raises(BrokenStreamError, match="before the end of the text"):
        _opened().receive(_frame(event="finish", reason="stop"))


def test_nothing_is_read_before_start() -> None:
    """Audio outside of a session is somebody else's."""
    with pytest.raises(ProtocolError):
        LiveSession().receive(_frame(event="audio", audio=b"\x01\x02"))


@given(st.binary(max_size=200))
def test_no_frame_breaks_it(data: bytes) -> None:
    """Whatever bytes come, the outcome is a message, nothing, or a FishError."""
    session = _stopped()
    try:
        session.receive(data)
    except FishError:
        assert session.state is SessionState.FAILED


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-10, 2**40) | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    ),
    st.sampled_from(["audio", "finish", "error", "log"]),
    st.sampled_from(["audio", "reason", "message", "error", "max_concurrency", "time"]),
)
def test_no_field_breaks_it(value: object, event: str, name: str) -> None:
    """Whatever a field holds, the outcome is a message, nothing, or a FishError."""
    session = _stopped()
    try:
        session.receive(ormsgpack.packb({"event": event, name: value}))
    except FishError:
        assert session.state is SessionState.FAILED


def _cut(data: bytes, places: list[int]) -> list[bytes]:
    at = sorted({place % (len(data) + 1) for place in places})
    return [data[a:b] for a, b in zip([0, *at], [*at, len(data)], strict=True)]


@given(
    st.binary(max_size=400),
    st.booleans(),
    st.lists(st.integers(min_value=0), max_size=20),
)
def test_samples_stay_whole(pcm: bytes, header: bool, places: list[int]) -> None:
    """However the bytes are cut, whole samples come out, in order and without the header."""
    if pcm.startswith(b"RIFF"):
        pcm = pcm[1:]
    reader = PcmAligner()
    out = [reader.feed(piece) for piece in _cut((WAV_HEADER if header else b"") + pcm, places)]
    out.append(reader.end())
    assert all(len(piece) % 2 == 0 for piece in out)
    assert b"".join(out) == pcm[: len(pcm) // 2 * 2]


def test_riff_in_speech_is_speech() -> None:
    """Samples that happen to read RIFF are no header, also at the very end."""
    reader = PcmAligner()
    assert reader.feed(b"RIFFnot a wave at all!") == b"RIFFnot a wave at all!"
    assert reader.feed(b"RI") == b""
    assert reader.feed(b"ff") == b"RIff"
    assert reader.feed(b"RIFF") == b""
    assert reader.end() == b"RIFF"


def test_header_during_the_stream() -> None:
    """A header that begins a later event is taken off too."""
    reader = PcmAligner()
    assert reader.feed(b"\x01\x02") == b"\x01\x02"
    assert reader.feed(WAV_HEADER + b"\x03\x04") == b"\x03\x04"


def test_header_with_more_chunks() -> None:
    """Chunks between fmt and data are part of the header, an odd one with its padding."""
    listed = WAV_HEADER[:-8] + b"LIST\x03\x00\x00\x00abc\x00" + WAV_HEADER[-8:]
    assert PcmAligner().feed(listed + b"\x05\x06") == b"\x05\x06"


def test_header_without_end() -> None:
    """A header that claims to go on for ever is refused, not gathered."""
    reader = PcmAligner()
    with pytest.raises(ProtocolError):
        reader.feed(WAV_HEADER[:-8] + b"LIST\xff\xff\xff\x7f")
