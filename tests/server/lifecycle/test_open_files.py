"""The limit of open files: it is known at the start, and no attack on one port reaches another."""

import asyncio
import contextlib
import logging
import resource
import socket
import sys

import pytest
from wyoming.client import AsyncTcpClient
from wyoming.tts import Synthesize

from tests.support.processes import READY, Program
from wyoming_fish.cli.open_files import check_open_files, limit_accept_errors
from wyoming_fish.cli.options import Options
from wyoming_fish.cli.run_server import open_files_needed
from wyoming_fish.emulator import EmulatorSettings

from ...support.server import Serving, receive
from ...support.visiting import HTTP, port_of, visitor

# The usual limit of a process.
USUAL_LIMIT = 1024


def _needed(*flags: str) -> int:
    return open_files_needed(Options.parse(["--api-key=key", *flags], {}))


def test_the_usual_limit_is_enough() -> None:
    """What the options need by default, and with everything that they offer, is below it."""
    assert _needed() < USUAL_LIMIT
    assert _needed("--http=1", "--fallback-uri=tcp://a:1", "--cache-dir=/tmp") < USUAL_LIMIT


@pytest.mark.parametrize(
    ("flag", "more"),
    [
        (("--max-connections=1200",), 1000),
        (("--concurrency=100",), 100),
        (("--fallback-uri=tcp://a:1",), 200),
        (("--http=1",), 64),
    ],
)
def test_what_needs_files(flag: tuple[str, ...], more: int) -> None:
    """Connections of all kinds count."""
    assert _needed(*flag) - _needed() >= more


def _program(limit: str, *flags: str) -> Program:
    command = (sys.executable, "-m", "wyoming_fish", "--demo", "--uri=tcp://127.0.0.1:0", *flags)
    return Program("sh", "-c", f'{limit} && exec "$@"', "sh", *command)


def test_the_limit_is_raised() -> None:
    """Where it may be, it becomes what the options need, and nothing is said."""
    needed = _needed("--http=1")
    with _program("ulimit -S -n 100", "--http=127.0.0.1:0") as program:
        program.wait_for(READY)
        assert resource.prlimit(program.pid, resource.RLIMIT_NOFILE)[0] == needed
        assert "files" not in program.log


def test_a_limit_that_is_too_low() -> None:
    """Where it may not, the log tells both numbers and what to do."""
    with _program(f"ulimit -n {USUAL_LIMIT}", "--max-connections=5000") as program:
        warning = program.wait_for(r"up to (\d+) files .* the limit is (\d+)\. Lower (\S+),")
        assert int(warning[1]) > 5000
        assert int(warning[2]) == USUAL_LIMIT
        assert warning[3] == "--max-connections"
        program.wait_for(READY)


def test_a_number_beyond_the_kernels(caplog: pytest.LogCaptureFixture) -> None:
    """However many files are needed, what can be had is left alone."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        check_open_files(10**30)
        assert "limit of open files is too low" in caplog.text
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def _crowd(stack: contextlib.ExitStack, port: int, size: int) -> None:
    """Connect so many clients, which say nothing and stay, from a few addresses."""
    loop = asyncio.get_running_loop()
    connecting = []
    for number in range(size):
        client = socket.socket()
        stack.callback(client.close)
        client.setblocking(False)
        client.bind((f"127.0.0.{1 + number % 3}", 0))
        connecting.append(loop.sock_connect(client, ("127.0.0.1", port)))
    # One that is closed in between has made room, too.
    await asyncio.gather(*connecting, return_exceptions=True)


async def test_an_attack_on_both_ports() -> None:
    """However many connect and say nothing, both ports serve, at the attacker's address as well."""
    flags = ("--max-connections=20", "--http=127.0.0.1:0", "--concurrency=1")
    limit = _needed(*flags)
    with _program(f"ulimit -n {limit}", *flags) as program, contextlib.ExitStack() as stack:
        page = await asyncio.to_thread(
            program.wait_for, r"Serving the page at http://127.0.0.1:(\d+)/"
        )
        ready = await asyncio.to_thread(program.wait_for, READY)
        page_port, port = int(page[1]), int(ready[1].rpartition(":")[2])
        await _crowd(stack, page_port, limit + 50)
        await _crowd(stack, port, 300)
        async with asyncio.timeout(5):
            async with AsyncTcpClient("127.0.0.1", port) as client:
                await client.write_event(Synthesize("Good night.").event())
                assert (await receive(client, "audio-stop")).pcm
            for host in ("127.0.0.1", "127.0.0.9"):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", page_port, local_addr=(host, 0)
                )
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
                writer.close()
        assert "accept" not in program.log


async def test_when_no_file_is_left(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says what to do, without a traceback, and later both ports go on."""
    monkeypatch.setattr("asyncio.constants.ACCEPT_RETRY_DELAY", 0.01)
    caplog.set_level(logging.WARNING)
    limit_accept_errors(asyncio.get_running_loop())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with serving(EmulatorSettings(), HTTP) as served, contextlib.AsyncExitStack() as stack:
        for port in (served.port, port_of(served)):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        with socket.socket() as lowest_free:
            limit = lowest_free.fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        try:
            # Each port is tried several times.
            await asyncio.sleep(0.05)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        lines = [message for message in caplog.messages if "Cannot accept a connection" in message]
        assert lines
        assert all("Too many open files. Raise the limit" in line for line in lines)
        assert all(record.exc_info is None for record in caplog.records)
        async with served.client() as other, visitor(served) as session:
            await other.write_event(Synthesize("Good night.").event())
            assert (await receive(other, "audio-stop")).pcm
            async with session.get("/healthz") as response:
                assert response.status == 200
