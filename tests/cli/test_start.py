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
    ("flag", "reason"),
    [
        ("--uri=tcp://nowhere.invalid:1", "the name nowhere.invalid is not known. Use an"),
        ("--http=nowhere.invalid:1", "the name nowhere.invalid is not known. Use an"),
        ("--uri=unix:///nowhere/fish.sock", "the folder /nowhere does not exist. Create it, or"),
        ("--uri=tcp://192.0.2.1:10210", "this machine does not have the address 192.0.2.1. Use"),
        ("--http=192.0.2.1:8210", "this machine does not have the address 192.0.2.1. Use"),
        (f"--uri=unix:///tmp/{'a' * 200}", "cannot listen at this address: AF_UNIX path too long."),
    ],
)
def test_an_address_that_cannot_be_used(flag: str, reason: str) -> None:
    """The error names the option, the reason and what to do."""
    (error,) = _refused("--demo", "--uri=tcp://127.0.0.1:0", flag)
    assert error.startswith(f"wyoming-fish: {flag.partition('=')[0]}: {reason}")


@pytest.mark.parametrize("flag", ["--uri=tcp://127.0.0.1", "--uri=tcp://[::]", "--http=127.0.0.1"])
def test_a_port_that_is_taken(flag: str) -> None:
    """The error names the option, the port and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (error,) = _refused("--demo", "--uri=tcp://127.0.0.1:0", f"{flag}:{port}")
    reason = f"port {port} is in use. Stop the other program, or select another port."
    assert error == f"wyoming-fish: {flag.partition('=')[0]}: {reason}"


def test_a_unix_socket_that_is_taken(tmp_path: Path) -> None:
    """The error names the path and what to do."""
    path = tmp_path / "fish.sock"
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(str(path))
        taken.listen()
        error = _refused("--demo", f"--uri=unix://{path}")
    assert error == [
        f"wyoming-fish: --uri: another server uses {path}. Stop it, or select another path."
    ]


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
