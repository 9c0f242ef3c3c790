"""The program as a person starts it: what it needs, and what it says if it cannot."""

import asyncio
import os
import socket
import sys
from pathlib import Path

import pytest
from wyoming.client import AsyncTcpClient
from wyoming.tts import Synthesize

from tests.support.processes import ENVIRONMENT, READY, Program, run_to_end
from wyoming_fish.cli.parsers import folder

from ..support.server import receive


async def test_the_demo_speaks_whatever_is_set() -> None:
    """Neither a person's own account nor a proxy keeps it from speaking."""
    own = {
        "FISH_API_KEY": "not a key",
        "FISH_API_KEY_FILE": "/nowhere",
        "FISH_BASE_URL": "http://api.fish.audio",
        "FISH_VOICE": "d" * 32,
        "FISH_CONCURRENCY": "50",
        "http_proxy": "http://127.0.0.1:1",
        "https_proxy": "http://127.0.0.1:1",
        "no_proxy": "",
    }
    command = (sys.executable, "-m", "wyoming_fish", "--demo", "--uri=tcp://127.0.0.1:0")
    program = Program(*command, env={**ENVIRONMENT, **own})
    try:
        ready = await asyncio.to_thread(program.wait_for, READY)
        async with AsyncTcpClient("127.0.0.1", int(ready[1].rpartition(":")[2])) as client:
            await client.write_event(Synthesize("Good night.").event())
            assert (await receive(client, "audio-stop")).pcm
    finally:
        await asyncio.to_thread(program.end)


def _refused(*flags: str) -> list[str]:
    done = run_to_end(sys.executable, "-m", "wyoming_fish", *flags)
    assert done.returncode in (1, 2)
    return [line for line in done.stderr.splitlines() if " INFO " not in line]


def test_without_a_key() -> None:
    """Two lines say what is missing and where it comes from."""
    first, last = _refused()
    assert first == (
        "wyoming-fish: Fish Audio needs an API key. Set FISH_API_KEY. Create one under API keys at "
        "fish.audio."
    )
    assert last == "To see all options, add --help."


@pytest.mark.parametrize(
    ("flag", "cure"),
    [
        (
            "--uri=tcp://nowhere.invalid:1",
            "--uri and --http must have a name or an address of this machine",
        ),
        ("--uri=unix:///nowhere/fish.sock", "Create the folder of the socket first."),
        ("--http=192.0.2.1:8210", "This machine does not have that address"),
    ],
)
def test_an_address_that_cannot_be_had(flag: str, cure: str) -> None:
    """What is wrong is said, and then what to do."""
    *_, last = _refused("--demo", "--uri=tcp://127.0.0.1:0", flag)
    assert cure in last


@pytest.mark.parametrize("flag", ["--uri=tcp://127.0.0.1", "--http=127.0.0.1"])
def test_a_port_that_is_taken(flag: str) -> None:
    """The address is named, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        first, last = _refused("--demo", "--uri=tcp://127.0.0.1:0", f"{flag}:{port}")
    assert str(port) in first
    assert last == "Stop the program that uses the address, or select another port."


def test_an_address_of_another_machine() -> None:
    """It is told what may stand there."""
    first, last = _refused("--demo", "--uri=tcp://192.0.2.1:10210")
    assert "192.0.2.1" in first
    assert "This machine does not have that address" in last


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder of somebody else's is refused at the start; one that can be made is taken."""
    (tmp_path / "theirs").mkdir(mode=0o555)
    reader = os.geteuid() or 65534
    tmp_path.chmod(0o777)

    def look() -> str:
        os.setresuid(reader, reader, os.geteuid())
        try:
            folder(str(tmp_path / "ours" / "cache"))
            folder(str(tmp_path / "theirs" / "cache"))
        except ValueError as error:
            return str(error)
        finally:
            os.setresuid(*[os.getresuid()[2]] * 3)
        return ""

    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    assert look() == f"must be a folder that this user can write to ({tmp_path / 'theirs'} is not)"


def test_an_error_after_the_start_is_not_about_an_address() -> None:
    """An OSError of the running server is a bug with a traceback, and not a port that is taken."""
    program = """
import errno
from wyoming_fish.cli import run_server

def announce():
    raise OSError(errno.EADDRINUSE, "a bug")

run_server.run(["--demo", "--uri=tcp://127.0.0.1:0"], announce)
"""
    ended = run_to_end(sys.executable, "-c", program)
    assert "Traceback" in ended.stderr
    assert "select another port" not in ended.stderr
