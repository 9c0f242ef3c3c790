"""The server's life, from its start to its end."""

import asyncio
import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from wyoming.client import AsyncClient, AsyncTcpClient
from wyoming.info import Describe, Info
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart

from tests.support.processes import ENVIRONMENT, READY, ROOT, Program, server
from wyoming_fish.emulator import Emulator, EmulatorSettings, decode_code_voice

from ...support.server import Serving, check_envelope, receive

TEXT = "Good night. The doors are locked."


@contextlib.asynccontextmanager
async def _running(
    settings: EmulatorSettings, *flags: str
) -> AsyncIterator[tuple[Emulator, Program, str]]:
    """A server of its own process, against an emulator in this one."""
    async with Emulator(settings) as emulator:
        program = server("--api-key=key", f"--base-url={emulator.url}", *flags)
        try:
            ready = await asyncio.to_thread(program.wait_for, READY)
            yield emulator, program, ready[1]
        finally:
            await asyncio.to_thread(program.end)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_what_is_being_said_is_finished(number: signal.Signals) -> None:
    """When stopped, the server says what it has begun, takes no one new, and exits with 0."""
    settings = EmulatorSettings(voice="code", frame=0.02, pace=0.1)
    async with _running(settings, "--uri=tcp://127.0.0.1:0") as (_, program, uri):
        async with AsyncClient.from_uri(uri) as client, AsyncClient.from_uri(uri):
            await client.write_event(Synthesize(TEXT).event())
            await receive(client, "audio-start")
            program.signal(number)
            await asyncio.to_thread(program.wait_for, "Stopping")
            with pytest.raises(OSError, match=r"refused|failed"):
                await asyncio.open_connection("127.0.0.1", int(uri.rpartition(":")[2]))
            reply = await receive(client, "audio-stop")
            assert decode_code_voice(reply.pcm) == TEXT
            assert await client.read_event() is None
        assert await asyncio.to_thread(program.wait) == 0
        assert "Traceback" not in program.log


async def test_a_quiet_server_ends_at_once() -> None:
    """With clients that only hold their connection, there is nothing to wait for."""
    async with (
        _running(EmulatorSettings(), "--uri=tcp://127.0.0.1:0") as (_, program, uri),
        AsyncClient.from_uri(uri) as client,
    ):
        await client.write_event(Describe().event())
        assert await client.read_event()
        assert await asyncio.to_thread(program.end, 3) == 0


async def test_what_takes_too_long_is_told(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who still waits when the time is over gets an error and an end, not silence."""
    monkeypatch.setattr("wyoming_fish.server.server.STOP_TIMEOUT_S", 2.05)
    async with contextlib.AsyncExitStack() as stack:
        async with serving(EmulatorSettings(voice="code")) as served:
            client = await stack.enter_async_context(AsyncTcpClient("127.0.0.1", served.port))
            await client.write_event(SynthesizeStart().event())
            await client.write_event(SynthesizeChunk("Good night. And then").event())
            await served.emulator.wait_for(lambda e: e.sessions_open == 1)
        reply = await receive(client, "no such event")
    assert reply.types[-3:] == ["audio-stop", "synthesize-stopped", "error"]
    assert reply.error.code == "server-stopping"


@pytest.mark.parametrize("flags", [[], ["--resume"], ["--backend=drama-3"]])
async def test_resume(serving: Serving, flags: list[str]) -> None:
    """Replies go by the socket with timestamps where that is asked for, or the backend needs it."""
    async with serving(EmulatorSettings(voice="code"), *flags) as served:
        async with AsyncTcpClient("127.0.0.1", served.port) as client:
            await client.write_event(Synthesize(TEXT).event())
            assert decode_code_voice((await receive(client, "audio-stop")).pcm) == TEXT
        (session,) = served.emulator.sessions
        assert session.timestamps == bool(flags)


async def test_every_address_of_the_machine() -> None:
    """The wildcard means IPv4 and IPv6 alike, and the log names addresses that can be opened."""
    port = _free_port()
    wildcard = f"--uri=tcp://0.0.0.0:{port}"
    async with _running(EmulatorSettings(), wildcard) as (_, program, uri):
        assert uri == f"tcp://127.0.0.1:{port}"
        assert "0.0.0.0" not in program.log  # noqa: S104
        if others := re.search(r"from other machines, on (\S+)", program.log):
            async with AsyncClient.from_uri(others[1]) as client:
                await client.write_event(Describe().event())
                assert await client.read_event()
        for host in ("127.0.0.1", "::1"):
            async with AsyncTcpClient(host, port) as client:
                await client.write_event(Describe().event())
                event = await client.read_event()
                assert event is not None
                assert Info.is_type(event.type)


async def test_unix_socket(tmp_path: Path) -> None:
    """A unix socket serves like a port, and is gone in the end."""
    path = tmp_path / "fish.sock"
    settings = EmulatorSettings(voice="code")
    async with _running(settings, f"--uri=unix://{path}") as (_, program, uri):
        async with AsyncClient.from_uri(uri) as client:
            await client.write_event(Synthesize(TEXT).event())
            assert decode_code_voice((await receive(client, "audio-stop")).pcm) == TEXT
        assert await asyncio.to_thread(program.end) == 0
        assert not path.exists()


async def test_stdio() -> None:
    """Over stdio, what is asked for is spoken also when the input has ended; then comes the end."""
    async with Emulator(EmulatorSettings(voice="code")) as emulator:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "wyoming_fish", "--uri=stdio://", "--api-key=key"),
            f"--base-url={emulator.url}",
            cwd=ROOT,
            env=ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        asked = json.dumps({"type": "synthesize", "data": {"text": TEXT}}).encode() + b"\n"
        spoken, _ = await process.communicate(asked)
    assert process.returncode == 0
    reader = asyncio.StreamReader()
    reader.feed_data(spoken)
    reader.feed_eof()
    reply = await receive(_reading(reader), "no such event")
    check_envelope(reply, 44100, streamed=False)
    assert decode_code_voice(reply.pcm) == TEXT


def test_a_taken_port_is_said_in_a_sentence() -> None:
    """A second start on the same port exits with 1 and says why."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with server("--demo", f"--uri=tcp://127.0.0.1:{port}") as program:
            program.wait_for(f"port {port} is in use")
            assert program.wait() == 1
            assert "Traceback" not in program.log


async def test_a_taken_unix_socket_is_left_alone(tmp_path: Path) -> None:
    """A second start on the same path exits with 1, and the first goes on serving."""
    address = f"--uri=unix://{tmp_path / 'fish.sock'}"
    async with _running(EmulatorSettings(voice="code"), address) as (_, _, uri):
        with server("--demo", address) as second:
            await asyncio.to_thread(second.wait_for, "another server uses")
            assert await asyncio.to_thread(second.wait) == 1
        async with AsyncClient.from_uri(uri) as client:
            await client.write_event(Synthesize(TEXT).event())
            assert decode_code_voice((await receive(client, "audio-stop")).pcm) == TEXT


def test_without_a_key() -> None:
    """The server does not start without a key, and says how to get one."""
    with server() as program:
        program.wait_for("FISH_API_KEY")
        assert program.wait() == 2


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def _reading(reader: asyncio.StreamReader) -> AsyncTcpClient:
    client = AsyncTcpClient("", 0)
    client._reader = reader  # noqa: SLF001 - it reads from anywhere, but only connects to TCP
    return client
