"""Wyoming events from hands that cannot be trusted."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wyoming.audio import AudioChunk
from wyoming.event import Event, async_read_event

from tests.support import idle_clock
from tests.support.damage import damaged
from wyoming_fish.server.events import (
    MAX_DATA_BYTES,
    MAX_NAME_CHARS,
    EventError,
    EventParser,
    encode,
    encode_audio,
    is_ssml,
    text_of,
    voice_of,
)
from wyoming_fish.server.memory_budget import RESERVED_BYTES, MemoryBudget
from wyoming_fish.server.stream import EVENT_TIMEOUT_S, MAX_INPUT_BYTES, READ_BYTES, WyomingStream

from ...support.hostile_events import CORPUS, LARGE


def _read(data: bytes) -> list[Event]:
    parser = EventParser()
    parser.feed(data)
    events = []
    while (event := parser.next_event()) is not None:
        events.append(event)
    if parser.has_incomplete_event:
        raise EventError("the connection ended within an event")
    return events


def test_reads_what_wyoming_writes() -> None:
    """Data in the line and data after it are one; a payload is passed over."""
    late = json.dumps({"b": 2}).encode()
    line = {"type": "ping", "data": {"a": 1}, "data_length": len(late), "payload_length": 3}
    data = json.dumps(line).encode() + b"\n" + late + b"abc" + b'{"type": "describe"}\n'
    assert _read(data) == [Event("ping", {"a": 1, "b": 2}), Event("describe")]


@pytest.mark.parametrize("name", sorted(CORPUS | LARGE))
def test_each_input_is_what_its_name_says(name: str) -> None:
    """All input that is not an event gives the same kind of error. All other input is read."""
    data = (CORPUS | LARGE)[name]
    if name.startswith("fail"):
        with pytest.raises(EventError):
            _read(data)
    else:
        assert _read(data)


def test_the_corpus_is_there() -> None:
    """There are inputs of every kind."""
    assert {name.partition("-")[0] for name in CORPUS} == {"event", "fail", "senseless"}


@given(damaged(CORPUS, st.sampled_from([b'"', b"{", b"[", b"\\ud800", b"9" * 30, b"\n"])))
def test_damaged_inputs_break_nothing(data: bytes) -> None:
    """Whatever becomes of them, they are events with sound fields, or an EventError."""
    with contextlib.suppress(EventError):
        for event in _read(data):
            assert isinstance(event.type, str)
            for check in (text_of, voice_of):
                with contextlib.suppress(EventError):
                    check(event)


@given(st.binary(max_size=300))
def test_no_bytes_break_it(data: bytes) -> None:
    """Whatever bytes come, they are events, an end, or an EventError."""
    with contextlib.suppress(EventError):
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
    """Whatever the fields of a header hold, it is an event or an EventError."""
    with contextlib.suppress(EventError):
        _read(json.dumps(header).encode() + b"\n" + rest)


@given(_JSON, _JSON)
def test_fields_are_checked(text: object, voice: object) -> None:
    """Whatever stands for a text or a voice, it is one or an EventError."""
    event = Event("synthesize", {"text": text, "voice": voice})
    with contextlib.suppress(EventError):
        assert text_of(event) == text
    with contextlib.suppress(EventError):
        voice_of(event)


def test_half_a_character_is_refused() -> None:
    """A lone surrogate cannot be sent on, so it is refused where it comes in."""
    event = Event("synthesize", json.loads('{"text": "\\ud83d", "voice": {"name": "\\ud83d"}}'))
    with pytest.raises(EventError, match="not valid Unicode"):
        text_of(event)
    with pytest.raises(EventError):
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


@pytest.mark.parametrize("name", ["name", "language", "speaker"])
def test_long_names_are_refused(name: str) -> None:
    """A voice's name, language and speaker have a bound, as they are kept."""
    voice_of(Event("synthesize", {"voice": {name: "x" * MAX_NAME_CHARS}}))
    with pytest.raises(EventError, match=f"more than {MAX_NAME_CHARS} characters"):
        voice_of(Event("synthesize", {"voice": {name: "x" * (MAX_NAME_CHARS + 1)}}))


def test_a_long_type_is_refused() -> None:
    """So has an event's type, which is logged."""
    with pytest.raises(EventError, match=f"more than {MAX_NAME_CHARS} characters"):
        _read(b'{"type": "%b"}\n' % (b"x" * (MAX_NAME_CHARS + 1)))


@pytest.mark.parametrize("pad", ["x", "\\", '"', "\n", "🐟", "[{", '\\"[{'])
@pytest.mark.parametrize("ensure_ascii", [False, True])
def test_a_long_text_is_read(pad: str, ensure_ascii: bool) -> None:
    """Whatever a text consists of, it is not taken for structure."""
    data = {"text": pad * 5000, "voice": {"name": "n"}, "text_format": "ssml"}
    encoded = json.dumps(data, ensure_ascii=ensure_ascii).encode()
    (event,) = _read(b'{"type": "synthesize", "data_length": %d}\n' % len(encoded) + encoded)
    assert text_of(event) == pad * 5000
    assert is_ssml(event)


def test_data_is_parsed_when_the_event_is_whole() -> None:
    """As long as the payload is missing, what has come is kept as bytes."""
    parser = EventParser()
    parser.feed(b'{"type": "ping", "data_length": 4, "payload_length": 2}\nnullx')
    assert parser.next_event() is None
    assert parser.held < 100
    parser.feed(b"x")
    with pytest.raises(EventError):
        parser.next_event()


def test_data_that_nobody_uses_is_dropped() -> None:
    """What comes with an event that is passed over is not kept while it comes."""
    parser = EventParser()
    parser.feed(b'{"type": "x", "data_length": %d}\n' % MAX_DATA_BYTES + bytes(MAX_DATA_BYTES - 1))
    assert parser.next_event() is None
    assert parser.held == 0


@asynccontextmanager
async def _connected(
    budget: MemoryBudget,
) -> AsyncIterator[tuple[WyomingStream, asyncio.StreamWriter]]:
    """The server's end of a connection, and what a client writes with."""
    wires: asyncio.Queue[WyomingStream] = asyncio.Queue()
    server = await asyncio.get_running_loop().create_server(
        lambda: WyomingStream(wires.put_nowait, budget.share()), "127.0.0.1", 0
    )
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    stream = await wires.get()
    try:
        yield stream, writer
    finally:
        writer.transport.abort()
        await stream.close()
        server.close()


@pytest.mark.parametrize(
    "begin", [b'{"type":', b'{"type": "ping", "data_length": 9999, "payload_length": 9}\n']
)
def test_an_event_that_does_not_end(begin: bytes) -> None:
    """An event that has begun must end soon; a byte now and then does not give it more time."""

    async def run() -> float:
        async with _connected(MemoryBudget(0)) as (stream, writer):
            reading = asyncio.create_task(stream.read())
            began = asyncio.get_running_loop().time()
            writer.write(begin)
            while not reading.done():
                writer.write(b" ")
                await asyncio.wait((reading,), timeout=1)
            with pytest.raises(EventError, match="was not complete within 10 s"):
                await reading
            return asyncio.get_running_loop().time() - began

    assert EVENT_TIMEOUT_S <= idle_clock.run(run()) <= EVENT_TIMEOUT_S + 1


def test_each_event_has_its_time() -> None:
    """Slow events are read, each within its own time, however long the pauses between them."""

    async def run() -> None:
        async with _connected(MemoryBudget(0)) as (stream, writer):
            for _ in range(3):
                reading = asyncio.create_task(stream.read())
                await idle_clock.pass_time(2 * EVENT_TIMEOUT_S)
                for part in (b'{"type": "ping", ', b'"data_length": 2}\n', b"{", b"}"):
                    writer.write(part)
                    await idle_clock.pass_time(EVENT_TIMEOUT_S / 4)
                assert await reading == Event("ping")

    idle_clock.run(run())


def test_input_waits_in_the_kernel() -> None:
    """Whenever nothing is read, little is taken in; all of it is read later."""

    async def run() -> None:
        async with _connected(MemoryBudget(0)) as (stream, writer):
            writer.write(b'{"type": "ping"}\n' * 100_000)
            writer.write_eof()
            for _ in range(2):
                await idle_clock.pass_time(1)
                assert stream._parser.held <= MAX_INPUT_BYTES + READ_BYTES  # noqa: SLF001
                for _ in range(50_000):
                    assert await stream.read() == Event("ping")
            assert await stream.read() is None

    idle_clock.run(run())


def test_part_of_an_event_counts() -> None:
    """Bytes of an event that has come in part are counted, until it is whole."""

    async def run(budget: MemoryBudget) -> None:
        async with _connected(budget) as (stream, writer):
            for end in (b'"}', b"no JSON"):
                reading = asyncio.create_task(stream.read())
                writer.write(b'{"type": "ping", "data_length": %d}\n' % MAX_DATA_BYTES)
                writer.write(b'{"text": "' + b"x" * (MAX_DATA_BYTES - 10 - len(end)))
                await idle_clock.pass_time(1)
                assert budget.pooled == pytest.approx(MAX_DATA_BYTES - RESERVED_BYTES, abs=100)
                writer.write(end)
                await asyncio.wait((reading,))
                assert (reading.exception() is None) == (end == b'"}')
                assert budget.pooled == 0 or reading.exception()
        assert budget.pooled == 0

    idle_clock.run(run(MemoryBudget(0)))
