"""Wyoming events from hands that cannot be trusted."""

import asyncio
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wyoming.audio import AudioChunk
from wyoming.event import Event, async_read_event

from tests.damage import damaged
from wyoming_fish.events import EventParser, WireError, encode, encode_audio, text_of, voice_of

from .hostile import CORPUS, LARGE


def _read(data: bytes) -> list[Event]:
    parser = EventParser()
    parser.feed(data)
    events = []
    while (event := parser.next_event()) is not None:
        events.append(event)
    if parser.is_amid_event:
        raise WireError("the connection ended amid an event")
    return events


def test_reads_what_wyoming_writes() -> None:
    """Data in the line and data after it are one; a payload is passed over."""
    late = json.dumps({"b": 2}).encode()
    line = {"type": "ping", "data": {"a": 1}, "data_length": len(late), "payload_length": 3}
    data = json.dumps(line).encode() + b"\n" + late + b"abc" + b'{"type": "describe"}\n'
    assert _read(data) == [Event("ping", {"a": 1, "b": 2}), Event("describe")]


@pytest.mark.parametrize("name", sorted(CORPUS | LARGE))
def test_each_input_is_what_its_name_says(name: str) -> None:
    """Everything that is no event is one kind of error; all else is read."""
    data = (CORPUS | LARGE)[name]
    if name.startswith("fail"):
        with pytest.raises(WireError):
            _read(data)
    else:
        assert _read(data)


def test_the_corpus_is_there() -> None:
    """There are inputs of every kind."""
    assert {name.partition("-")[0] for name in CORPUS} == {"event", "fail", "senseless"}


@given(damaged(CORPUS, st.sampled_from([b'"', b"{", b"[", b"\\ud800", b"9" * 30, b"\n"])))
def test_damaged_inputs_break_nothing(data: bytes) -> None:
    """Whatever becomes of them, they are events with sound fields, or a WireError."""
    with contextlib.suppress(WireError):
        for event in _read(data):
            assert isinstance(event.type, str)
            for check in (text_of, voice_of):
                with contextlib.suppress(WireError):
                    check(event)


@given(st.binary(max_size=300))
def test_no_bytes_break_it(data: bytes) -> None:
    """Whatever bytes come, they are events, an end, or a WireError."""
    with contextlib.suppress(WireError):
        _read(data)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(
    st.dictionaries(
        st.sampled_from(["type", "data", "data_length", "payload_length", "version"]), _JSON
    ),
    st.binary(max_size=50),
)
def test_no_header_breaks_it(header: dict[str, object], rest: bytes) -> None:
    """Whatever the fields of a header hold, it is an event or a WireError."""
    with contextlib.suppress(WireError):
        _read(json.dumps(header).encode() + b"\n" + rest)


@given(_JSON, _JSON)
def test_fields_are_checked(text: object, voice: object) -> None:
    """Whatever stands for a text or a voice, it is one or a WireError."""
    event = Event("synthesize", {"text": text, "voice": voice})
    with contextlib.suppress(WireError):
        assert text_of(event) == text
    with contextlib.suppress(WireError):
        voice_of(event)


def test_half_a_character_is_refused() -> None:
    """A lone surrogate cannot be sent on, so it is refused where it comes in."""
    event = Event("synthesize", json.loads('{"text": "\\ud83d", "voice": {"name": "\\ud83d"}}'))
    with pytest.raises(WireError, match="half"):
        text_of(event)
    with pytest.raises(WireError):
        voice_of(event)


def test_voice() -> None:
    """A voice may be missing, or have a name, a language or a speaker."""
    assert voice_of(Event("synthesize")).name is None
    assert voice_of(Event("synthesize", {"voice": None})).name is None
    voice = voice_of(Event("synthesize", {"voice": {"name": "n", "speaker": "s"}}))
    assert (voice.name, voice.speaker) == ("n", "s")


@pytest.mark.parametrize(
    "event",
    [
        Event("synthesize-stopped"),
        Event("audio-chunk", {"rate": 44100, "timestamp": None}, b"\x00\n\xff"),
        Event("error", {"text": "Grüße"}),
    ],
)
async def test_wyoming_reads_what_is_written(event: Event) -> None:
    """An encoded event is what the `wyoming` package reads."""
    reader = asyncio.StreamReader()
    reader.feed_data(encode(event))
    assert await async_read_event(reader) == event


@given(st.sampled_from((8000, 44100)), st.integers(0, 2**40), st.binary(min_size=2, max_size=64))
def test_audio_is_encoded_as_every_event(rate: int, milliseconds: int, pcm: bytes) -> None:
    """What is written by hand, since there is so much of it, is what the package would write."""
    chunk = AudioChunk(rate, 2, 1, pcm, milliseconds)
    assert encode_audio(rate, milliseconds, pcm) == encode(chunk.event())
