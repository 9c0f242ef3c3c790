"""A client that is refused reads why, whatever it does meanwhile."""

import asyncio
import contextlib
import errno
import itertools
import json
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from wyoming.event import async_read_event
from wyoming.info import Describe
from wyoming.tts import Synthesize, SynthesizeStart

from wyoming_fish.emulator import EmulatorSettings, Fault, decode_code_voice

from ...support.server import Served, Serving, receive

TEXT = "Good night. The doors are locked."

# Clients of each kind: enough for a lost error to show (one in three was, without the rule).
CLIENTS = 50

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def _event(event_type: str, **data: object) -> bytes:
    return json.dumps({"type": event_type, "data": data}).encode() + b"\n"


def _more() -> Iterator[bytes]:
    """What a client goes on to write, without end."""
    return itertools.repeat(_event("synthesize-chunk", text="") * 100)


async def _types(reader: asyncio.StreamReader) -> list[str]:
    types = []
    while (event := await async_read_event(reader)) is not None:
        types.append(event.type)
    return types


async def _write(writer: asyncio.StreamWriter, *first: bytes) -> None:
    for data in itertools.chain(first, _more()):
        writer.write(data)
        await writer.drain()


async def _hears(streams: Streams, *first: bytes) -> list[str]:
    """The types of what a client reads that writes ``first``, and then does not stop to write."""
    reader, writer = streams
    writing = asyncio.create_task(_write(writer, *first))
    try:
        return await _types(reader)
    finally:
        writing.cancel()
        writer.transport.abort()
        with contextlib.suppress(asyncio.CancelledError):
            await writing


@pytest.fixture(params=["tcp", "unix"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the server listens."""
    return "tcp://127.0.0.1:0" if request.param == "tcp" else f"unix://{tmp_path / 'fish.sock'}"


async def _connect(served: Served) -> Streams:
    scheme, _, where = served.server.uri.partition("://")
    if scheme == "unix":
        return await asyncio.open_unix_connection(where)
    return await asyncio.open_connection("127.0.0.1", served.port)


START = _event("synthesize-start")
WORDS = _event("synthesize-chunk", text="Good night. The ")


@pytest.mark.parametrize(
    ("first", "code"),
    [
        pytest.param([_event("synthesize-start", voice={"name": "Sarah"})], "no", id="before"),
        pytest.param([_event("synthesize-start", voice={"name": 5})], "invalid-event", id="start"),
        pytest.param([START, WORDS, START], "invalid-event", id="within"),
    ],
)
async def test_a_client_that_goes_on_writing(
    serving: Serving, address: str, first: list[bytes], code: str
) -> None:
    """A client that is refused while it writes reads the error and the end of its reply."""
    async with serving(EmulatorSettings(voice="code"), f"--uri={address}") as served:
        for _ in range(CLIENTS):
            types = await _hears(await _connect(served), *first)
            assert types[-2:] == ["error", "synthesize-stopped"]


async def test_a_failed_reply(serving: Serving, address: str) -> None:
    """A reply that fails while its text is being written is an error to its client."""
    settings = EmulatorSettings(faults=[Fault("upgrade", 402, times=None)])
    async with serving(settings, f"--uri={address}") as served:
        for _ in range(CLIENTS):
            types = await _hears(await _connect(served), START, WORDS)
            assert types == ["error", "synthesize-stopped"]


async def test_too_many_connections(serving: Serving, address: str) -> None:
    """A client that is one too many reads so, also when many are at the same time."""
    flags = (f"--uri={address}", "--max-connections=1")
    async with serving(EmulatorSettings(), *flags) as served:
        reader, writer = await _connect(served)
        writer.write(_event("describe"))
        await reader.readline()
        refused = [await _connect(served) for _ in range(CLIENTS)]
        heard = await asyncio.gather(*(_hears(streams, START) for streams in refused))
        assert heard == [["error"]] * CLIENTS
        writer.close()


async def test_who_does_not_close_makes_room(serving: Serving) -> None:
    """A client that is refused and stays holds no place that another one needs."""
    async with serving(EmulatorSettings(voice="code"), "--max-connections=2") as served:
        staying = [await _connect(served) for _ in range(2)]
        for reader, writer in staying:
            writer.write(b"rubbish\n")
            assert await _types(reader) == ["error"]
        async with served.client() as client, served.client() as other:
            for each in (client, other):
                await each.write_event(Synthesize(TEXT).event())
                assert decode_code_voice((await receive(each, "audio-stop")).pcm) == TEXT
        for _, writer in staying:
            writer.close()


@pytest.mark.parametrize(
    ("bound", "least"),
    [
        ("wyoming_fish.server.connection.LINGER_TIMEOUT_S", 0.05),
        ("wyoming_fish.server.stream.MAX_LINGER_BYTES", 9),
    ],
)
async def test_who_does_not_close_is_closed(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, bound: str, least: float
) -> None:
    """A client that is refused and goes on for long, or writes much, is cut off."""
    monkeypatch.setattr(bound, least)
    async with serving(EmulatorSettings()) as served:
        reader, writer = await _connect(served)
        writer.write(b"rubbish\n")
        assert await _types(reader) == ["error"]
        with pytest.raises(ConnectionError):
            await _write(writer)
        writer.close()


async def test_a_thousand_refused(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that are too many and do not close are cut off by those that come later."""
    monkeypatch.setattr("wyoming_fish.server.server.MAX_REFUSALS", 2)
    monkeypatch.setattr("wyoming_fish.server.stream.MAX_LINGER_BYTES", 2**60)
    async with serving(EmulatorSettings(), "--max-connections=1") as served, served.client() as one:
        await one.write_event(Describe().event())
        assert await one.read_event()
        first, *others = [await _connect(served) for _ in range(4)]
        for reader, _ in (first, *others):
            assert await _types(reader) == ["error"]
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(5):
                await _write(first[1])
        for _, writer in (first, *others):
            writer.close()


async def test_refused_clients_do_not_delay_the_end(serving: Serving) -> None:
    """A client that is refused and stays is not waited for when the server stops."""
    async with serving(EmulatorSettings()) as served:
        reader, writer = await _connect(served)
        writer.write(b"rubbish\n")
        assert await _types(reader) == ["error"]
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 2
    writer.close()


async def _bug(*_: object, **__: object) -> AsyncIterator[bytes]:
    for piece in list[bytes]():
        yield piece
    raise RuntimeError("a bug")


async def _bug_during_audio(*_: object, **__: object) -> AsyncIterator[bytes]:
    yield bytes(100)
    raise KeyError("a bug")


@pytest.mark.parametrize(
    ("bug", "ending"),
    [
        (_bug, ["error", "synthesize-stopped"]),
        (_bug_during_audio, ["audio-stop", "synthesize-stopped", "error"]),
    ],
)
async def test_a_bug(
    serving: Serving,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    bug: object,
    ending: list[str],
) -> None:
    """What nobody has foreseen is told to the client, and once to the log with its traceback."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.synthesizer.Synthesizer.audio", bug)
    async with serving(EmulatorSettings()) as served, served.client() as client:
        await client.write_event(SynthesizeStart().event())
        reply = await receive(client, "no such event")
        assert reply.types[-len(ending) :] == ending
        assert reply.error.code == "internal-error"
    (traceback,) = [record for record in caplog.records if record.exc_info]
    assert "Report this error" in traceback.message


async def test_a_bug_in_an_answer(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """So is what goes wrong with any other event."""
    monkeypatch.setattr("wyoming_fish.server.requests.queue.text_of", lambda _: 1 / 0)
    async with serving(EmulatorSettings()) as served, served.client() as client:
        await client.write_event(Synthesize(TEXT).event())
        assert (await receive(client, "no such event")).error.code == "internal-error"
    (traceback,) = [record for record in caplog.records if record.exc_info]
    assert "Report this error" in traceback.message


UNREACHABLE = [
    OSError(errno.EHOSTUNREACH, "No route to host"),
    OSError(errno.ENETUNREACH, "Network is unreachable"),
    OSError(errno.ETIMEDOUT, "Connection timed out"),
    OSError(errno.ECONNRESET, "Connection reset by peer"),
]


@pytest.mark.parametrize("error", UNREACHABLE, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("speaking", [False, True])
async def test_a_client_that_has_vanished(
    serving: Serving, caplog: pytest.LogCaptureFixture, error: OSError, speaking: bool
) -> None:
    """No kernel error is logged as a bug: the session ends, and nothing is logged."""
    caplog.set_level(logging.INFO)
    async with serving(EmulatorSettings(pace=1, frame=0.02)) as served:
        reader, writer = await _connect(served)
        writer.write(_event("synthesize", text=TEXT) if speaking else _event("ping"))
        await reader.readline()
        (task, client), *_ = served.server._connections.items()  # noqa: SLF001 - no other way
        # As the kernel does when a host is gone.
        client._stream._transport._fatal_error(error)  # type: ignore[attr-defined] # noqa: SLF001
        await asyncio.wait((task,))
        await served.emulator.wait_for(lambda e: e.sessions_open == 0)
        writer.close()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
