"""Announcements from the disk, while slow clients read them."""

import asyncio
import contextlib
import os
import random
import socket
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.tts import Synthesize

from wyoming_fish.emulator import Emulator, EmulatorSettings
from wyoming_fish.server.requests.cache import CHECKSUM_BYTES, SLICE_BYTES, Cache

from ...support.server import Reply, Served, Serving

TEXT = "The washing machine is done."

# Far more than the buffers between the server and a client.
PCM = random.Random(1).randbytes(4 * 2**20 + 10)  # noqa: S311 - not a secret

CLIENTS = 20
# Of the server and of the client, which is in the same process.
MAX_CLIENT_BYTES = 170_000


def _content(pcm: bytes) -> bytes:
    return zlib.crc32(pcm).to_bytes(CHECKSUM_BYTES, "big") + pcm


@contextlib.asynccontextmanager
async def _playing(served: Served, text: str = TEXT) -> AsyncIterator[asyncio.StreamReader]:
    """A client that has read the first audio, and reads little ahead."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", served.port))
    reader, writer = await asyncio.open_connection(sock=client, limit=1024)
    try:
        await async_write_event(Synthesize(text).event(), writer)
        for wanted in ("audio-start", "audio-chunk"):
            event = await async_read_event(reader)
            assert event is not None
            assert event.type == wanted
        yield reader
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def _rest(reader: asyncio.StreamReader) -> Reply:
    """What comes after the first audio, to the end of the reply."""
    events: list[Event] = []
    while not events or events[-1].type not in ("audio-stop", "error"):
        event = await async_read_event(reader)
        assert event is not None
        events.append(event)
    return Reply(events)


@contextlib.asynccontextmanager
async def _serving_from_disk(serving: Serving, folder: Path) -> AsyncIterator[tuple[Served, Path]]:
    """A server that has PCM as the audio of TEXT, and the file that it is in."""
    settings = EmulatorSettings(voice="code")
    async with Emulator(settings) as emulator:
        flags = (f"--cache-dir={folder}", f"--base-url={emulator.url}")
        # It is written when the server has ended.
        async with serving(settings, *flags) as served, _playing(served) as reader:
            await _rest(reader)
        (file,) = await asyncio.to_thread(lambda: list(folder.iterdir()))
        file.write_bytes(_content(PCM))
        async with serving(settings, *flags) as served:
            yield served, file
        assert len(emulator.sessions) == 1


def _entries(folder: Path) -> set[Path]:
    return {file for file in folder.iterdir() if file.suffix != ".part"}


def _times_open(file: Path) -> int:
    """How many times this process has the file open."""
    times = 0
    for entry in Path("/proc/self/fd").iterdir():
        # Others are closed in the meantime.
        with contextlib.suppress(FileNotFoundError):
            times += entry.samefile(file)
    return times


async def test_a_slow_client_costs_little(serving: Serving, tmp_path: Path) -> None:
    """It holds neither the whole audio nor an open file, and hears all of it in the end."""
    async with (
        _serving_from_disk(serving, tmp_path) as (served, file),
        contextlib.AsyncExitStack() as stack,
    ):
        tracemalloc.start()
        try:
            readers = [await stack.enter_async_context(_playing(served)) for _ in range(CLIENTS)]
            used_bytes, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert used_bytes / CLIENTS < MAX_CLIENT_BYTES
        # Each of the cache's two threads may be reading.
        assert await asyncio.to_thread(_times_open, file) <= 2
        assert PCM.endswith((await _rest(readers[0])).pcm)


@pytest.mark.parametrize("harm", ["gone", "cut", "changed", "replaced", "longer"])
async def test_a_file_that_changes_while_it_is_played(
    serving: Serving, tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    """The client gets an error, nothing of another reply, and no reply that looks whole."""
    async with (
        _serving_from_disk(serving, tmp_path) as (served, file),
        _playing(served) as reader,
    ):
        content = {
            "cut": _content(PCM)[:-100],
            "changed": _content(PCM)[:-1] + bytes([PCM[-1] ^ 1]),
            "replaced": _content(PCM[::-1]),
            "longer": _content(PCM + bytes(2)),
        }
        if harm == "gone":
            file.unlink()
        else:
            file.write_bytes(content[harm])
        rest = await _rest(reader)
        assert rest.error.code == "broken-stream"
        assert "cannot be read from the cache" in rest.error.text
        assert str(tmp_path) not in rest.error.text
        assert rest.pcm in PCM
    assert "Cannot finish a reply from the cache" in caplog.text


@pytest.mark.parametrize("is_shared", [False, True])
async def test_a_late_listener_leaves_the_entry(
    serving: Serving, tmp_path: Path, *, is_shared: bool
) -> None:
    """A device that hears the same text in real time cuts no reply from the cache at its end.

    It may be on another server with the same folder.
    """
    text = TEXT * 12
    async with (
        Emulator(EmulatorSettings(voice="tone")) as emulator,
        contextlib.AsyncExitStack() as stack,
    ):
        flags = (f"--cache-dir={tmp_path}", f"--base-url={emulator.url}")
        served = [
            await stack.enter_async_context(serving(emulator.settings, *flags)) for _ in range(2)
        ]
        late = await stack.enter_async_context(_playing(served[is_shared], text))

        async def speak(text: str) -> None:
            """Have a text spoken, and wait until it is in the cache."""
            before = await asyncio.to_thread(_entries, tmp_path)
            async with _playing(served[is_shared], text) as reader:
                await _rest(reader)
            async with asyncio.timeout(5):
                while await asyncio.to_thread(_entries, tmp_path) == before:
                    pass

        await speak(text)
        (file,) = await asyncio.to_thread(_entries, tmp_path)
        inode = file.stat().st_ino
        playing = await stack.enter_async_context(_playing(served[0], text))
        assert len(emulator.sessions) == 2
        assert (await _rest(late)).events[-1].type == "audio-stop"
        # Entries are written in turn: what the late device heard is stored before this one.
        await speak("It is late.")
        assert (await _rest(playing)).events[-1].type == "audio-stop"
        assert file.stat().st_ino == inode


async def test_a_disk_that_stands_still_while_it_is_read(
    serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait for the next slice has an end, and the client gets an error."""
    monkeypatch.setattr("wyoming_fish.server.requests.cache.SLICE_TIMEOUT_S", 0.05)
    async with _serving_from_disk(serving, tmp_path) as (served, file), _playing(served) as reader:
        # It opens for reading when somebody opens it for writing.
        still = tmp_path / "still"
        os.mkfifo(still)
        await asyncio.to_thread(still.replace, file)
        try:
            assert (await _rest(reader)).error.code == "broken-stream"
        finally:
            # Opened for both, it waits for nobody.
            os.close(os.open(file, os.O_RDWR))


async def test_what_is_played_is_not_deleted_to_make_room(tmp_path: Path) -> None:
    """A client that reads for a long time still hears all of it."""
    pcm = PCM[: 2 * SLICE_BYTES]
    cache = Cache(tmp_path, 4 * SLICE_BYTES, "http://fish")
    played, other = tmp_path / cache.key("played"), tmp_path / cache.key("other")
    for file in (played, other):
        file.write_bytes(_content(pcm[:SLICE_BYTES] if file == other else pcm))
    slices = await cache.load(played.name)
    assert slices is not None
    for file, used_s in ((played, 1), (other, 2)):
        os.utime(file, ns=(used_s * 10**9, file.stat().st_mtime_ns))
    heard = await anext(slices)

    async def speech() -> AsyncIterator[bytes]:
        yield bytes(SLICE_BYTES)

    async for _ in cache.tee(cache.key("new"), speech()):
        pass
    await cache.close()
    assert [file.exists() for file in (played, other)] == [True, False]
    assert heard == pcm[:SLICE_BYTES]
