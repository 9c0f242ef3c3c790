"""`wyoming-fish-say` while it waits: for the server, and for a player."""

import argparse
import asyncio
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

import pytest
from wyoming.error import Error
from wyoming.tts import SynthesizeStopped

from tests.tools.saying import start_say
from tests.tools.scripted_server import START, STOP, Client, audio, wyoming_server
from wyoming_fish.cli.say import say


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stderr
    return (await process.stderr.readline()).decode().strip()


async def test_it_says_what_it_waits_for(tmp_path: Path) -> None:
    """It says within a second that it waits for the speech, and then prints what comes."""
    noticed = asyncio.Event()

    async def script(client: Client) -> None:
        await client.until("synthesize-stop")
        await noticed.wait()
        await client.send(Error("Fish Audio cannot be reached.", "connection"))

    async with wyoming_server(script) as uri:
        began = monotonic()
        process = await start_say("One.", "--uri", uri, "--output", str(tmp_path / "a.wav"))
        assert await _line(process) == "Waiting for the first audio …"
        assert monotonic() - began < 2
        noticed.set()
        assert await _line(process) == "The server reports an error: Fish Audio cannot be reached."
        assert await process.wait() == 1


async def test_a_server_that_hangs(tmp_path: Path) -> None:
    """If nothing answers at all, it says so, too."""
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        uri = f"tcp://127.0.0.1:{hanging.getsockname()[1]}"
        process = await start_say("One.", "--uri", uri, "--output", str(tmp_path / "a.wav"))
        assert await _line(process) == "Waiting for the server …"
        process.terminate()
        await process.wait()


async def test_a_player_that_stands_still() -> None:
    """Ctrl-C ends it also while nobody takes the audio."""

    async def script(client: Client) -> None:
        await client.until("synthesize-stop")
        with suppress(ConnectionError):
            await client.send(START, *(audio(bytes(2**20)) for _ in range(32)))

    async with wyoming_server(script) as uri:
        process = await start_say("One.", "--uri", uri, "--output", "-")
        assert process.stdout
        await process.stdout.readexactly(44)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(10):
            # Not by `wait`, which waits until the pipes have been read.
            while process.returncode is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert process.returncode == 130
        await process.communicate()


def test_silence_is_the_servers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A player that pauses for longer than a server may be silent loses nothing."""
    monkeypatch.setattr("wyoming_fish.cli.say.SILENCE_TIMEOUT_S", 0.2)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    samples = bytes(range(256)) * 4096

    async def script(client: Client) -> None:
        await client.until("synthesize-stop")
        await client.send(START, audio(samples), STOP, SynthesizeStopped())

    def play() -> bytes:
        with pipe.open("rb") as file:
            sleep(0.5)
            return file.read()

    async def run() -> bytes:
        async with wyoming_server(script) as uri:
            arguments = argparse.Namespace(
                text="One.", uri=uri, voice=None, output=str(pipe), pace=None
            )
            playing = asyncio.create_task(asyncio.to_thread(play))
            await say(arguments)
            return await playing

    assert asyncio.run(run())[44:] == samples
