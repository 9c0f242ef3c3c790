"""Announcements that are kept on disk."""

import asyncio
import contextlib
import logging
import os
import resource
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from wyoming.client import AsyncTcpClient
from wyoming.tts import Synthesize, SynthesizeVoice

from wyoming_fish.cli.options import Options
from wyoming_fish.emulator import VOICES, Emulator, EmulatorSettings, Fault, decode_code_voice
from wyoming_fish.server.requests.cache import STALE_FILE_AGE_S, Cache
from wyoming_fish.server.server import Server

from ...support.server import Reply, check_envelope, receive, stream

TEXT = "The washing machine is done."
CODE = EmulatorSettings(voice="code")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the cache is to be; it is not there yet."""
    return tmp_path / "speech" / "cache"


@contextlib.asynccontextmanager
async def _server(emulator: Emulator, folder: Path, *flags: str) -> AsyncIterator[int]:
    """A server with a cache; its port. At its end, all is written."""
    options = Options.parse(
        [
            *("--uri=tcp://127.0.0.1:0", "--api-key=key", "--ready-connections=0"),
            *(f"--base-url={emulator.url}", f"--cache-dir={folder}", *flags),
        ],
        {},
    )
    assert options.endpoint is not None
    async with Server(options, options.endpoint) as server:
        yield int(server.uri.rpartition(":")[2])


async def _ask(port: int, text: str = TEXT, voice: str | None = None) -> Reply:
    wanted = None if voice is None else SynthesizeVoice(name=voice)
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Synthesize(text, voice=wanted).event())
        return await receive(client, "audio-stop")


def _files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


async def _spoken_once(emulator: Emulator, folder: Path, text: str = TEXT) -> bytes:
    """Have the text spoken by a server of its own."""
    async with _server(emulator, folder) as port:
        return (await _ask(port, text)).pcm


async def test_the_second_time_it_comes_from_disk(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The same announcement is the same audio in the same envelope, and Fish is not asked."""
    caplog.set_level(logging.INFO)
    async with Emulator(CODE) as emulator:
        first = await _spoken_once(emulator, folder)
        async with _server(emulator, folder) as port:
            for _ in range(3):
                again = await _ask(port)
                check_envelope(again, 44100, streamed=False)
                assert again.pcm == first
        assert decode_code_voice(first) == TEXT
        assert len(emulator.sessions) == 1
    assert "Spoke a reply: cache" in caplog.text


async def test_streamed_replies_are_not_kept(folder: Path) -> None:
    """A streamed reply is spoken again each time, even if the same text is in the cache."""
    async with Emulator(CODE) as emulator:
        await _spoken_once(emulator, folder)
        before = _files(folder)
        async with _server(emulator, folder) as port:
            for _ in range(2):
                async with AsyncTcpClient("127.0.0.1", port) as client:
                    await stream(client, [TEXT])
                    await receive(client, "synthesize-stopped")
        assert len(emulator.sessions) == 3
    assert _files(folder) == before


@pytest.mark.parametrize(
    "flag",
    [
        "--backend=s2-pro",
        f"--voice={VOICES[0].id}",
        "--latency=low",
        "--sample-rate=16000",
        "--speed=1.5",
        "--volume=-3",
        "--sentence-pause=0.5",
        "--style=calm",
    ],
)
async def test_what_changes_the_audio(folder: Path, flag: str) -> None:
    """With another setting it is another announcement; both are kept."""
    async with Emulator(CODE) as emulator:
        await _spoken_once(emulator, folder)
        for sessions in (2, 2):
            async with _server(emulator, folder, flag) as port:
                await _ask(port)
            assert len(emulator.sessions) == sessions
    assert len(_files(folder)) == 2


async def test_another_text_voice_or_server(folder: Path) -> None:
    """Another text, a voice that the client names, and another server are spoken again."""
    async with Emulator(CODE) as emulator:
        await _spoken_once(emulator, folder)
        async with _server(emulator, folder) as port:
            await _ask(port, TEXT.lower())
            await _ask(port, voice=VOICES[0].id)
        assert len(emulator.sessions) == 3
    async with Emulator(CODE) as another:
        await _spoken_once(another, folder)
        assert len(another.sessions) == 1
    assert len(_files(folder)) == 4


async def test_a_voice_that_is_named_in_the_text(folder: Path) -> None:
    """The voice of a name may change: SSML that names a voice is spoken again each time."""
    text = f"<speak>One. <voice name='{VOICES[0].id}'>Two.</voice></speak>"
    async with Emulator(CODE) as emulator:
        await _spoken_once(emulator, folder, text)
    assert _files(folder) == []


async def test_a_reply_that_breaks_off_is_not_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply that fails during its audio leaves nothing behind."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.RETRY_TIMEOUT_S", -1.0)
    settings = EmulatorSettings(voice="code", frame=0.01, faults=[Fault("audio", "drop", at=2)])
    async with Emulator(settings) as emulator:
        async with _server(emulator, folder) as port:
            reply = await _ask(port)
            assert reply.error.code == "broken-stream"
            assert reply.pcm
        assert _files(folder) == []
        # The next one is whole, and kept.
        assert decode_code_voice(await _spoken_once(emulator, folder)) == TEXT
    assert len(_files(folder)) == 1


async def test_a_reply_that_nobody_heard_to_its_end_is_not_kept(folder: Path) -> None:
    """A client that leaves during the audio leaves nothing behind."""
    settings = EmulatorSettings(
        voice="code", frame=0.01, faults=[Fault("audio", "stall", at=2, times=None)]
    )
    async with Emulator(settings) as emulator, _server(emulator, folder) as port:
        async with AsyncTcpClient("127.0.0.1", port) as client:
            await client.write_event(Synthesize(TEXT).event())
            await receive(client, "audio-chunk")
        await emulator.wait_for(lambda e: e.sessions[0].outcome == "left")
    assert _files(folder) == []


async def test_the_fallback_voice_is_not_kept(folder: Path) -> None:
    """What another voice says in Fish's place is not taken for Fish's."""
    failing = EmulatorSettings(voice="code", faults=[Fault("upgrade", 402, times=None)])
    async with (
        Emulator(CODE) as other,
        Emulator(failing) as emulator,
        _server(other, folder.parent / "other") as fallback,
        _server(emulator, folder, f"--fallback-uri=tcp://127.0.0.1:{fallback}") as port,
    ):
        assert decode_code_voice((await _ask(port)).pcm) == TEXT
    assert _files(folder) == []


@pytest.mark.parametrize("harm", ["cut", "changed", "emptied", "nothing but a checksum"])
async def test_a_damaged_file_is_made_anew(
    folder: Path, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever has become of a file, what is heard is whole, and the file is mended."""
    async with Emulator(CODE) as emulator:
        first = await _spoken_once(emulator, folder)
        (file,) = _files(folder)
        content = file.read_bytes()
        file.write_bytes(
            {
                "cut": content[:-100],
                "changed": content[:-1] + bytes([content[-1] ^ 1]),
                "emptied": b"",
                "nothing but a checksum": bytes(4),
            }[harm]
        )
        assert await _spoken_once(emulator, folder) == first
        assert len(emulator.sessions) == 2
    assert _files(folder) == [file]
    assert file.read_bytes() == content
    assert caplog.text.count("is damaged. It will be created again") == 1


async def test_nobody_else_may_read_it(folder: Path) -> None:
    """What is said in a house is private: the folder and the files are the server's own."""
    async with Emulator(CODE) as emulator:
        await _spoken_once(emulator, folder)
    modes = [path.stat().st_mode & 0o777 for path in (folder, *_files(folder))]
    assert modes == [0o700, 0o600]
    assert TEXT.encode() not in b"".join(file.read_bytes() for file in _files(folder))


async def test_the_same_at_once(folder: Path) -> None:
    """Who asks for the same at the same time hears all of it, and one whole file is kept."""
    async with Emulator(CODE) as emulator:
        async with _server(emulator, folder) as port:
            replies = await asyncio.gather(*(_ask(port) for _ in range(5)))
        assert {decode_code_voice(reply.pcm) for reply in replies} == {TEXT}
        spoken = len(emulator.sessions)
        await _spoken_once(emulator, folder)
        assert len(emulator.sessions) == spoken
    assert len(_files(folder)) == 1


async def test_a_folder_that_cannot_be_had(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where the folder cannot be made, all is spoken, and one warning says why."""
    async with Emulator(CODE) as emulator:
        async with _server(emulator, folder) as port:
            # It was one when the server started.
            folder.parent.write_text("no folder")
            for _ in range(3):
                assert decode_code_voice((await _ask(port)).pcm) == TEXT
        assert len(emulator.sessions) == 3
    warnings = [record for record in caplog.records if "cache" in record.getMessage()]
    assert {record.levelno for record in warnings} == {logging.WARNING}
    assert all("Not a directory" in record.getMessage() for record in warnings)


async def test_a_disk_that_is_full(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What does not fit on the disk is heard all the same, and no half of it stays behind."""
    async with Emulator(CODE) as emulator:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            assert decode_code_voice(await _spoken_once(emulator, folder)) == TEXT
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert _files(folder) == []
        assert caplog.text.count("Cannot write to the cache") == 1
        await _spoken_once(emulator, folder)
    assert len(_files(folder)) == 1


async def _keep(cache: Cache, key: str, pcm: bytes) -> None:
    async def speech() -> AsyncIterator[bytes]:
        yield pcm[:10]
        yield pcm[10:]

    async for _ in cache.tee(key, speech()):
        pass


async def _kept(cache: Cache, key: str) -> bytes | None:
    slices = await cache.load(key)
    return None if slices is None else b"".join([pcm async for pcm in slices])


async def test_what_was_used_the_longest_ago_goes_first(folder: Path) -> None:
    """The folder never has more bytes than it may; what is used stays, also over a restart."""
    size, limit = 1000, 4500
    for number in range(20):
        cache = Cache(folder, limit, "http://fish")
        await _keep(cache, cache.key(number), bytes([number]) * size)
        await cache.close()
        assert sum(file.stat().st_size for file in _files(folder)) <= limit
        # Files of one moment have no order.
        for file in _files(folder):
            os.utime(file, (file.stat().st_atime - 10, file.stat().st_mtime))
        cache = Cache(folder, limit, "http://fish")
        assert await _kept(cache, cache.key(0)) == bytes(size)
        await cache.close()
    cache = Cache(folder, limit, "http://fish")
    kept = [number for number in range(20) if await _kept(cache, cache.key(number))]
    await cache.close()
    assert kept == [0, 17, 18, 19]


async def test_what_is_too_large_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An announcement that is larger than the folder, or than any is kept, leaves the others."""
    monkeypatch.setattr("wyoming_fish.server.requests.cache.MAX_ENTRY_BYTES", 2000)
    for limit in (1500, 4000):
        cache = Cache(folder, limit, "http://fish")
        await _keep(cache, cache.key("small"), bytes(1000))
        await _keep(cache, cache.key("large"), bytes(2001))
        await cache.close()
        cache = Cache(folder, limit, "http://fish")
        assert await _kept(cache, cache.key("small")) == bytes(1000)
        assert await _kept(cache, cache.key("large")) is None
        await cache.close()


async def test_what_others_have_in_the_folder_stays(folder: Path) -> None:
    """Only files of the cache's own are deleted; those of a server that died, after a while."""
    (folder / ("a" * 64)).mkdir(parents=True)
    (folder / "letter.txt").write_bytes(bytes(5000))
    (folder / ("a" * 64 + ".backup")).write_bytes(bytes(5000))
    fresh, old = folder / f"{'b' * 64}.x1.part", folder / f"{'c' * 64}.y2.part"
    for part in (fresh, old):
        part.write_bytes(bytes(10))
    then = time.time() - STALE_FILE_AGE_S - 1
    os.utime(old, (then, then))
    others = set(_files(folder)) - {old}
    cache = Cache(folder, 2000, "http://fish")
    for number in range(3):
        await _keep(cache, cache.key(number), bytes([number]) * 1500)
    key = cache.key(2)
    await cache.close()
    assert set(_files(folder)) == others | {folder / key}


async def test_a_disk_that_stands_still(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that does not answer is not waited for for long, by nobody."""
    monkeypatch.setattr("wyoming_fish.server.requests.cache.READ_TIMEOUT_S", 0.05)
    monkeypatch.setattr("wyoming_fish.server.requests.cache.SLICE_TIMEOUT_S", 300)
    async with Emulator(CODE) as emulator:
        await _spoken_once(emulator, folder)
        (file,) = _files(folder)
        file.unlink()
        # It opens for reading when somebody opens it for writing.
        os.mkfifo(file)
        door = folder.parent / "door"
        door.hardlink_to(file)
        try:
            async with _server(emulator, folder) as port:
                for _ in range(2):
                    assert decode_code_voice((await _ask(port)).pcm) == TEXT
        finally:
            await asyncio.to_thread(door.write_bytes, b"")
    assert "does not answer" in caplog.text
