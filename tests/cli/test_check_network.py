"""`wyoming-fish-check` on the way to Fish: names, addresses, encryption and proxies."""

import asyncio
import contextlib
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import self_signed
from tests.support.listening import join, listening
from tests.support.processes import ENVIRONMENT, ROOT
from wyoming_fish.emulator import Emulator, EmulatorSettings
from wyoming_fish.fish.api.live_connection import OPEN_TIMEOUT_S

from ..support.server import KEY, Check, wrong_in


async def test_a_name_that_cannot_be_looked_up(check: Check) -> None:
    """A name that nobody knows is told as such, and nothing else is tried."""
    status, findings = await check("--base-url=https://fish.invalid")
    assert (status, list(findings)) == (1, ["dns"])
    assert "network, DNS" in findings["dns"]["text"]
    assert "fish.invalid" in findings["dns"]["text"]


async def test_a_closed_port(check: Check) -> None:
    """A port that nobody listens at is told with its number."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    status, findings = await check(f"--base-url=http://127.0.0.1:{port}")
    assert (status, list(findings)) == (1, ["dns", "tcp"])
    assert findings["tcp"]["text"] == (
        f"127.0.0.1:{port} cannot be reached: Connection refused. Check that it runs, "
        "its address and port, and this machine's firewall and proxy."
    )


# Seconds for a step in these tests: little enough to wait for, and enough for a busy machine.
STEP_LIMIT = 0.8


@contextlib.contextmanager
def _silent(host: str) -> Iterator[int]:
    """A port whose line is full: whoever connects hears nothing, as behind a firewall."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, 0))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def test_a_firewall_that_swallows_all(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that says nothing is not waited for for ever."""
    monkeypatch.setattr("wyoming_fish.cli.check.network.STEP_TIMEOUT_S", STEP_LIMIT)
    with _silent("127.0.0.1") as port:
        status, findings = await check(f"--base-url=http://127.0.0.1:{port}")
    assert (status, list(findings)) == (1, ["dns", "tcp"])
    assert "does not answer" in findings["tcp"]["text"]
    assert "firewall" in findings["tcp"]["text"]


async def test_one_address_of_two_is_silent(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the first of a name's addresses is swallowed, as IPv6 often is, it holds nothing up."""
    monkeypatch.setattr("wyoming_fish.cli.check.network.STEP_TIMEOUT_S", STEP_LIMIT)
    look_up = asyncio.base_events.BaseEventLoop.getaddrinfo

    async def both(loop: Any, host: str, *arguments: Any, **more: Any) -> Any:
        hosts = ("127.0.0.2", "127.0.0.1") if host == "fish.test" else (host,)
        return [found for each in hosts for found in await look_up(loop, each, *arguments, **more)]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", both)
    with _silent("127.0.0.2") as port:
        async with Emulator(EmulatorSettings(voice="code"), port=port):
            status, findings = await check(f"--base-url=http://fish.test:{port}")
    assert status == 0
    assert findings["tcp"]["state"] == "warning"
    assert findings["tcp"]["text"].startswith("127.0.0.1 answers. 127.0.0.2 does not")
    assert findings["websocket"]["state"] == "ok"
    assert findings["websocket"]["seconds"] < OPEN_TIMEOUT_S / 5


@contextlib.asynccontextmanager
async def _encrypted(port: int, context: ssl.SSLContext) -> AsyncIterator[int]:
    """The port at which what listens on ``port`` is reached by TLS."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await join((reader, writer), await asyncio.open_connection("127.0.0.1", port))

    async with listening(serve, context) as encrypted:
        yield encrypted


async def test_a_certificate_that_is_not_trusted(check: Check, tmp_path: Path) -> None:
    """A certificate of somebody who reads along is told before the key is sent, with the cure."""
    context = await asyncio.to_thread(self_signed, tmp_path)
    async with Emulator() as emulator, _encrypted(emulator.port, context) as port:
        status, findings = await check(f"--base-url=https://localhost:{port}")
        assert (status, list(findings)) == (1, ["dns", "tcp", "tls"])
        assert "no valid certificate: self-signed" in findings["tls"]["text"]
        assert "SSL_CERT_FILE" in findings["tls"]["text"]
        assert emulator.requests == []

        # What it advises helps.
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "wyoming_fish.cli.check", "--json"),
            f"--base-url=https://localhost:{port}",
            cwd=ROOT,
            env={**ENVIRONMENT, **KEY, "SSL_CERT_FILE": str(tmp_path / "cert.pem")},
            stdout=subprocess.PIPE,
        )
        printed, _ = await program.communicate()
    assert program.returncode == 0, printed
    findings = {finding["name"]: finding for finding in json.loads(printed)["checks"]}
    assert "TLSv1.3" in findings["tls"]["text"]
    assert findings["tls"]["seconds"] > 0


async def test_what_speaks_no_tls(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers otherwise, or not at all, is told where it fails."""
    async with Emulator() as emulator:
        status, findings = await check(f"--base-url=https://127.0.0.1:{emulator.port}")
    assert (status, wrong_in(findings)) == (1, ["tls"])

    monkeypatch.setattr("wyoming_fish.cli.check.network.STEP_TIMEOUT_S", STEP_LIMIT)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        status, findings = await check(f"--base-url=https://127.0.0.1:{port}")
    assert (status, wrong_in(findings)) == (1, ["tls"])
    assert "does not answer" in findings["tls"]["text"]


async def test_a_proxy_of_the_environment(check: Check, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the environment names a proxy, the way to that is looked at, by its own name."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", f"http://somebody:something@127.0.0.1:{port}")
    status, findings = await check()
    assert (status, list(findings)) == (1, ["dns", "tcp"])
    assert f"The proxy 127.0.0.1:{port} cannot be reached" in findings["tcp"]["text"]
    assert "something" not in str(findings)
