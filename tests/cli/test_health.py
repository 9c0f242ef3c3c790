"""The command `wyoming-fish-health`, which containers ask whether the server is well."""

import asyncio
import contextlib
import re
import socket
import sys
import time
from pathlib import Path

import pytest
from wyoming.client import AsyncTcpClient
from wyoming.tts import Synthesize

from tests.support.listening import listening
from tests.support.processes import ENVIRONMENT, READY, run_to_end, server
from wyoming_fish import __version__
from wyoming_fish.cli.health import main
from wyoming_fish.emulator import EmulatorSettings

from ..support.server import Serving, receive

# What a person would wait for, and a Raspberry Pi, three times slower, still keeps.
QUICK = 0.3


def _ask(uri: str, *flags: str) -> tuple[int, str, str]:
    done = run_to_end(
        *(sys.executable, *flags, "-m", "wyoming_fish.cli.health"),
        env=ENVIRONMENT | {"WYOMING_FISH_URI": uri},
    )
    return done.returncode, done.stdout, done.stderr


def test_well(tmp_path: Path) -> None:
    """Whatever it listens on, a server that answers is well, and its log says nothing of it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for address in (f"tcp://0.0.0.0:{port}", f"tcp://[::]:{port}", f"unix://{tmp_path / 'sock'}"):
        with server("--demo", "--ready-connections=1", "--uri", address) as program:
            uri = program.wait_for(READY)[1]
            log = program.log
            assert _ask(uri) == (0, f"Healthy: {uri}\n", "")
            program.end()
            assert program.log == log


def test_quick(demo_server: str) -> None:
    """It takes less than 0.3 s, best of three: other work on this machine is not its own."""
    took = []
    for _ in range(3):
        began = time.monotonic()
        assert _ask(demo_server)[0] == 0
        took.append(time.monotonic() - began)
    assert min(took) < QUICK


def test_nothing_heavy(demo_server: str) -> None:
    """It loads none of the modules that the server needs a second for."""
    loaded = re.findall(r"\|\s+([\w.]+)$", _ask(demo_server, "-X", "importtime")[2], re.MULTILINE)
    assert "json" in loaded
    assert not {"aiohttp", "asyncio", "wyoming", "wyoming_fish.fish", "argparse"} & set(loaded)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("tcp://127.0.0.1:1", "Connection refused"),
        ("unix:///no/such/socket", "No such file"),
        ("stdio://", "has only one client"),
        ("tcp://no-such-host.invalid:10210", "not known|resolution|No address"),
    ],
)
def test_not_there(uri: str, reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no server, it says so in a line, and why."""
    assert main([uri], {}) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"Unhealthy: {uri}: ")
    assert re.search(reason, line)
    assert line.endswith(". Check that the server runs, and its address.") != (uri == "stdio://")


@pytest.mark.parametrize(
    ("uri", "shown"), [("http://a", True), ("s3cret-passw0rd-0123", False), ("s3cret@b", False)]
)
def test_an_address_that_is_not_valid(
    *, uri: str, shown: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is shown unless it may be a key or a password."""
    assert main([uri], {}) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("Unhealthy: the URI must be tcp://HOST:PORT")
    assert (uri in line) == shown


async def test_an_answer_that_drips(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then does not give the server more time."""
    monkeypatch.setattr("wyoming_fish.cli.health.TIMEOUT_S", 0.2)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)

    async with listening(serve) as port, asyncio.timeout(5):
        assert await asyncio.to_thread(main, [f"tcp://127.0.0.1:{port}"], {}) == 1
    assert "no answer in time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "does not speak Wyoming. Check the host and the port."),
        (
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "does not speak Wyoming. Check the host and the port.",
        ),
        (b"[" * 100_000 + b"\n", "does not speak Wyoming. Check the host and the port."),
        (b"[]\n", "does not speak Wyoming. Check the host and the port."),
        (b'{"type": "info", "data": 5}\n', "does not speak Wyoming. Check the host and the port."),
        (
            b'{"type": "info", "data_length": "5"}\n12345',
            "does not speak Wyoming. Check the host and the port.",
        ),
        (
            b'{"type": "info", "data_length": 99999999}\n',
            "does not speak Wyoming. Check the host and the port.",
        ),
        (
            b'{"type": "info", "data": {"asr": [{"name": "whisper"}]}}\n',
            "not a Wyoming voice: info",
        ),
        (
            b'{"type": "error", "data": {"text": "Out of paper."}}\n',
            "not a Wyoming voice: Out of paper.",
        ),
        (
            b'{"type": "error", "data": {"text": "Out\\n\\u001b[2J"}}\n',
            r"not a Wyoming voice: Out\n\x1b[2J",
        ),
        (None, "no answer in time"),
    ],
)
async def test_another_answers(
    answer: bytes | None,
    reason: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What answers otherwise, or not at all, is not well."""
    if answer is None:
        monkeypatch.setattr("wyoming_fish.cli.health.TIMEOUT_S", 0.05)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        if answer is None:
            await reader.read()
        writer.write(answer or b"")

    async with listening(serve) as port:
        assert await asyncio.to_thread(main, [f"tcp://127.0.0.1:{port}"], {}) == 1
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_nobody_answers(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that hangs, so that it does not even accept, is not waited for."""
    monkeypatch.setattr("wyoming_fish.cli.health.TIMEOUT_S", 0.05)
    path = tmp_path / "fish.sock"
    with socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET) as hanging:
        hanging.bind(str(path) if kind == "unix" else ("127.0.0.1", 0))
        hanging.listen()
        uri = f"unix://{path}" if kind == "unix" else f"tcp://127.0.0.1:{hanging.getsockname()[1]}"
        assert main([uri], {}) == 1
    assert capsys.readouterr().err == (
        f"Unhealthy: {uri}: no answer in time. Check that the server runs, and its address.\n"
    )


async def test_busy(serving: Serving) -> None:
    """A server with its maximum number of clients is healthy: it must not be restarted."""
    async with (
        serving(EmulatorSettings(pace=1), "--max-connections=1") as served,
        AsyncTcpClient("127.0.0.1", served.port) as client,
    ):
        await client.write_event(Synthesize("Good night.").event())
        await receive(client, "audio-start")
        assert await asyncio.to_thread(main, [f"tcp://127.0.0.1:{served.port}"], {}) == 0


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """It prints its version, and does not take the flag for an address."""
    assert main(["--version"], {}) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """It says how it is used when asked, and when it is misused."""
    assert main(["--help"], {}) == 0
    assert main(["tcp://127.0.0.1:1", "tcp://127.0.0.1:2"], {}) == 2
    assert capsys.readouterr().out.count("Usage: wyoming-fish-health") == 2


def test_port_of_the_environment(capsys: pytest.CaptureFixture[str]) -> None:
    """Without an address, it is the server's own: of the environment, or its default."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert main([], {"WYOMING_FISH_URI": f"tcp://127.0.0.1:{port}"}) == 1
    assert f"tcp://127.0.0.1:{port}" in capsys.readouterr().err
