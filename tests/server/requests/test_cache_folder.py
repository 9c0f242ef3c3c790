"""The cache's folder: what is said in a house is private."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from wyoming.tts import Synthesize

from wyoming_fish.emulator import EmulatorSettings
from wyoming_fish.server.requests.cache import Cache

from ...support.server import Serving, receive


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        (0o700, None),
        (0o755, "can find out which texts were spoken"),
        (0o750, "can find out which texts were spoken"),
        (0o770, "can replace the audio"),
        (0o777, "can replace the audio"),
    ],
)
async def test_a_folder_that_others_can_open(
    serving: Serving,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    mode: int,
    said: str | None,
) -> None:
    """The server warns at its start, with the command that closes the folder."""
    await asyncio.to_thread(tmp_path.chmod, mode)
    async with serving(EmulatorSettings(), f"--cache-dir={tmp_path}"):
        warnings = [message for message in caplog.messages if "cache folder" in message]
    assert [f"{said}: the mode" in warning for warning in warnings] == [True] * bool(said)
    assert all(warning.endswith(f"Run: chmod 700 {tmp_path}") for warning in warnings)


async def test_what_is_kept_is_for_the_server_alone(serving: Serving, tmp_path: Path) -> None:
    """Neither the folder nor a file in it can be opened by others, whatever the umask."""
    folder = tmp_path / "cache"
    umask = os.umask(0)
    try:
        async with (
            serving(EmulatorSettings(voice="tone"), f"--cache-dir={folder}") as served,
            served.client() as client,
        ):
            await client.write_event(Synthesize("Good night.").event())
            await receive(client, "audio-stop")
    finally:
        os.umask(umask)
    modes = [path.stat().st_mode & 0o777 for path in (folder, *folder.iterdir())]
    assert modes == [0o700, 0o600]


@pytest.mark.parametrize("has_hard_links", [True, False])
async def test_an_entry_of_another_server_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_hard_links: bool
) -> None:
    """An entry that appears during a write is replaced only on a filesystem without hard links."""
    link = os.link

    def link_late(source: Path, target: Path) -> None:
        target.write_bytes(b"of another server")
        if not has_hard_links:
            raise PermissionError
        link(source, target)

    async def speech() -> AsyncIterator[bytes]:
        yield bytes(1000)

    monkeypatch.setattr(os, "link", link_late)
    cache = Cache(tmp_path, 4500, "http://fish")
    async for _ in cache.tee("key", speech()):
        pass
    await cache.close()
    (file,) = await asyncio.to_thread(lambda: list(tmp_path.iterdir()))
    assert (file.read_bytes() == b"of another server") is has_hard_links
