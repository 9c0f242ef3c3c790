"""A client that is refused reads why, whatever it does meanwhile."""

import asyncio
import contextlib
import itertools
import json
import logging
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from wyoming.event import async_read_event
from wyoming.info import Describe
from wyoming.tts import Synthesize, SynthesizeStart

from wyoming_fish.emulator import EmulatorSettings, Fault, decode_code_voice

from .conftest import Served, Serving, receive

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
        pytest.param([_event("synthesize-start", voice={"name": 5})], "bad-event", id="start"),
        pytest.param([START, WORDS, START], "bad-event", id="amid"),
    ],
)
async def test_a_client_that_goes_on_writing(
    serving: Serving, address: str, first: list[bytes], code: str
) -> None:
    """A client that is refused amid its writing reads the error and the end of its reply."""
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
