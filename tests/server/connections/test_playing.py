"""Clients that play as they read: the kernel's buffers are real, and the clock leaps."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest
from wyoming.event import Event, async_read_event

from tests.support import idle_clock
from wyoming_fish.fish.settings import SAMPLE_RATES
from wyoming_fish.server.events import encode, encode_audio
from wyoming_fish.server.memory_budget import MemoryBudget
from wyoming_fish.server.stream import MAX_OUTPUT_BYTES, ClientStalledError, WyomingStream

# Seconds of audio: without a bound, the kernel's buffer alone holds two minutes.
LENGTH_S: Final = 300
# Seconds that the client plays between two reads.
STEP_S: Final = 2
WRITE_TIMEOUT_S: Final = 30.0


@asynccontextmanager
async def _connected(
    kind: str, path: Path
) -> AsyncIterator[tuple[WyomingStream, asyncio.StreamReader, asyncio.StreamWriter]]:
    """The server's end of a connection, and the client's."""
    wires: asyncio.Queue[WyomingStream] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def new_wire() -> WyomingStream:
        return WyomingStream(
            wires.put_nowait, MemoryBudget(0).share(), write_timeout_s=WRITE_TIMEOUT_S
        )

    if kind == "unix":
        server = await loop.create_unix_server(new_wire, str(path))
        reader, writer = await asyncio.open_unix_connection(str(path), limit=1024)
    else:
        server = await loop.create_server(new_wire, "127.0.0.1", 0)
        client = socket.socket()
        if kind == "small":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, server.sockets[0].getsockname())
        reader, writer = await asyncio.open_connection(sock=client, limit=1024)
    stream = await wires.get()
    try:
        yield stream, reader, writer
    finally:
        writer.transport.abort()
        await stream.close()
        server.close()


async def _play(reader: asyncio.StreamReader, rate: int) -> int:
    """Read as a player does, and return the bytes that were heard."""
    heard = 0
    while data := await reader.read(1024):
        heard += len(data)
        if heard % (2 * rate * STEP_S) < len(data):
            await idle_clock.pass_time(STEP_S)
    return heard


async def _speak(stream: WyomingStream, rate: int, length: int = LENGTH_S) -> int:
    """Write so many seconds of audio as fast as there is room, and return its bytes."""
    written = 0
    for second in range(length):
        event = encode_audio(rate, second * 1000, bytes(2 * rate))
        await stream.write(event)
        written += len(event)
    await stream.close()
    return written


@pytest.mark.parametrize("rate", SAMPLE_RATES)
@pytest.mark.parametrize("kind", ["tcp", "small", "unix"])
def test_a_client_that_plays_as_it_reads(kind: str, rate: int, tmp_path: Path) -> None:
    """It hears a long reply to its end, however much of it lies in buffers."""

    async def run() -> None:
        async with _connected(kind, tmp_path / "fish.sock") as (stream, reader, writer):
            playing = asyncio.create_task(_play(reader, rate))
            playing.add_done_callback(lambda _: writer.close())
            written = await _speak(stream, rate)
            assert await playing == written

    idle_clock.run(run())


@pytest.mark.parametrize("kind", ["tcp", "small", "unix"])
def test_events_of_several_tasks_go_out_whole(kind: str, tmp_path: Path) -> None:
    """Each in the order of writing, however long others wait for room, and so does the last one."""

    async def run() -> None:
        async with _connected(kind, tmp_path / "fish.sock") as (stream, reader, _):

            async def write(source: int) -> None:
                for number in range(20):
                    # Larger and smaller ones than what is written at a time.
                    size = (3 * MAX_OUTPUT_BYTES, MAX_OUTPUT_BYTES // 2, 100)[source]
                    payload = bytes([ord("A") + number % 26]) * size
                    await stream.write(encode(Event("x", {"at": [source, number]}, payload)))

            writing = [asyncio.create_task(write(source)) for source in range(3)]
            seen: list[list[int]] = []
            while len(seen) < 30:
                event = await async_read_event(reader)
                assert event is not None
                assert len(set(event.payload or b"")) == 1
                seen.append(event.data["at"])
                await idle_clock.pass_time(1)
            # The client is refused within an event.
            stream.write_last(encode(Event("last")))
            for task in writing:
                task.cancel()
            await asyncio.wait(writing)
            closing = asyncio.create_task(stream.close())
            while (event := await async_read_event(reader)) is not None and event.type == "x":
                seen.append(event.data["at"])
            assert event == Event("last")
            assert await reader.read() == b""
            closing.cancel()
            for source in range(3):
                own = [number for at, number in seen if at == source]
                assert own == list(range(len(own)))
                assert own

    idle_clock.run(run())


@pytest.mark.parametrize("kind", ["tcp", "small"])
def test_a_client_that_reads_slowly(kind: str, tmp_path: Path) -> None:
    """As long as it reads anything it is not let go, however long the server waits for room."""

    async def run() -> None:
        async with _connected(kind, tmp_path / "fish.sock") as (stream, reader, writer):
            # An eighth of what it would have to read to play.
            playing = asyncio.create_task(_play(reader, 1000))
            playing.add_done_callback(lambda _: writer.close())
            written = await _speak(stream, 8000, length=30)
            assert await playing == written

    idle_clock.run(run())


@pytest.mark.parametrize("kind", ["tcp", "small", "unix"])
def test_a_client_that_takes_nothing(kind: str, tmp_path: Path) -> None:
    """It is let go after the write timeout, and not long after it."""

    async def run() -> float:
        async with _connected(kind, tmp_path / "fish.sock") as (stream, _, _):
            began = asyncio.get_running_loop().time()
            with pytest.raises(ClientStalledError):
                await _speak(stream, 8000)
            return asyncio.get_running_loop().time() - began

    # The kernel, which knows nothing of this clock, may take a little more in the meantime.
    assert WRITE_TIMEOUT_S <= idle_clock.run(run()) <= 2 * WRITE_TIMEOUT_S


@pytest.mark.parametrize("kind", ["tcp", "small", "unix"])
def test_what_it_has_not_taken_is_not_kept(kind: str, tmp_path: Path) -> None:
    """A client that is cut off gets what the kernel has, and the server keeps nothing for it."""

    async def run() -> None:
        async with _connected(kind, tmp_path / "fish.sock") as (stream, reader, _):
            # More than the kernel takes.
            event = encode_audio(8000, 0, bytes(64 * 2**20))
            with pytest.raises(ClientStalledError):
                await stream.write(event)
            assert _kept(stream) <= 2 * MAX_OUTPUT_BYTES
            await stream.close()
            assert _kept(stream) == 0
            heard = 0
            with contextlib.suppress(ConnectionError):
                while data := await reader.read(65536):
                    heard += len(data)
            assert heard < len(event)

    idle_clock.run(run())


def _kept(stream: WyomingStream) -> int:
    """Bytes of output that wait in this process."""
    return stream._transport.get_write_buffer_size()  # noqa: SLF001 - no other way
