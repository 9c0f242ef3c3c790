"""Wyoming events from hands that cannot be trusted."""

import asyncio
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wyoming.event import Event, async_read_event

from wyoming_fish.wire import LINE_LIMIT, Wire, WireError, encode, text_of, voice_of


class _NoWriter(asyncio.StreamWriter):
    """For a wire that is only read from."""

    def __init__(self) -> None:
        """Leave out the transport."""

    def __del__(self) -> None:
        """Nothing to close."""


async def _read(data: bytes) -> list[Event]:
    reader = asyncio.StreamReader(limit=LINE_LIMIT)
    reader.feed_data(data)
    reader.feed_eof()
    wire = Wire(reader, _NoWriter())
    events = []
    while (event := await wire.read()) is not None:
        events.append(event)
    return events


async def test_reads_what_wyoming_writes() -> None:
    """Data in the line and data after it are one; a payload is passed over."""
    late = json.dumps({"b": 2}).encode()
    line = {"type": "x", "data": {"a": 1}, "data_length": len(late), "payload_length": 3}
    data = json.dumps(line).encode() + b"\n" + late + b"abc" + b'{"type": "describe"}\n'
    assert await _read(data) == [Event("x", {"a": 1, "b": 2}), Event("describe")]


@pytest.mark.parametrize(
    "data",
    [
        b"[1]\n",
        b'"text"\n',
        b"{}\n",
        b'{"type": 7}\n',
        b"no json\n",
        b"\xff\xfe\n",
        b'{"type": "synthesize", "data": null}\n',
        b'{"type": "synthesize", "data": [1]}\n',
        b'{"type": "x", "data_length": "12"}\n',
        b'{"type": "x", "data_length": true}\n',
        b'{"type": "x", "data_length": -1}\n',
        b'{"type": "x", "data_length": 1.5}\n',
        b'{"type": "x", "data_length": 99999999999}\n',
        b'{"type": "x", "payload_length": 1000000000000}\n',
        b'{"type": "x", "data_length": 3}\n[1]',
        b'{"type": "x", "data_length": 30}\n{"cut": ',
        b'{"type": "x", "payload_length": 30}\nshort',
        b'{"type": "' + b"x" * LINE_LIMIT + b'"}\n',
        b'{"type": "x", "data": ' + b"[" * 30_000 + b"]" * 30_000 + b"}\n",
        b"[" * 30_000 + b"\n",
        b'{"type": "x", "n": ' + b"9" * 5000 + b"}\n",
    ],
)
async def test_what_is_no_event(data: bytes) -> None:
    """Everything that is wrong is one kind of error."""
    with pytest.raises(WireError):
        await _read(data)


@given(st.binary(max_size=300))
def test_no_bytes_break_it(data: bytes) -> None:
    """Whatever bytes come, they are events, an end, or a WireError."""
    with contextlib.suppress(WireError):
        asyncio.run(_read(data))


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
        asyncio.run(_read(json.dumps(header).encode() + b"\n" + rest))


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
