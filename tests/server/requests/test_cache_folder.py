"""The cache's folder: what is said in a house is private."""

import asyncio
import os
from pathlib import Path

import pytest
from wyoming.tts import Synthesize

from wyoming_fish.emulator import EmulatorSettings

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
