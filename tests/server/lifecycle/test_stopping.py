"""The server's end, also when nothing else ends."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import time
import tomllib
from pathlib import Path

import pytest
from wyoming.client import AsyncClient, AsyncTcpClient
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart

from tests.support import idle_clock
from tests.support.processes import READY, ROOT, Program, server
from wyoming_fish.cli.options import Options
from wyoming_fish.emulator import Emulator, EmulatorSettings, decode_code_voice
from wyoming_fish.server.requests.cache import Cache
from wyoming_fish.server.shutdown import EXIT_TIMEOUT_S, STOP_TIMEOUT_S

from ...support.server import Serving, receive

TEXT = "Good night. The doors are locked."

# The server with less time: a tenth of it, so that the test takes little.
PROGRAM = f"""
import sys
import wyoming_fish.server.shutdown as signals
signals.STOP_TIMEOUT_S = {STOP_TIMEOUT_S / 10}
signals.EXIT_TIMEOUT_S = {EXIT_TIMEOUT_S / 10}
from wyoming_fish.__main__ import main
sys.exit(main())
"""

SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

# A server whose imports take long.
IMPORTING = """
import sys
class Slow:
    def find_spec(self, name, *_):
        if name in ("asyncio", "logging"):
            print("Importing", flush=True)
            # Not signal.pause: a signal that comes just before it would be lost.
            while True:
                pass
sys.meta_path.insert(0, Slow())
from {module} import {main}
sys.exit({main}())
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_second_signal(number: signal.Signals) -> None:
    """A second Ctrl-C, or SIGTERM, does not wait for what is being said."""
    async with Emulator(EmulatorSettings(pace=1, frame=0.1)) as emulator:
        with server(
            "--api-key=key", f"--base-url={emulator.url}", "--uri=tcp://127.0.0.1:0"
        ) as run:
            uri = (await asyncio.to_thread(run.wait_for, READY))[1]
            async with AsyncClient.from_uri(uri) as client:
                await client.write_event(Synthesize(TEXT * 20).event())
                await receive(client, "audio-chunk")
                run.signal(number)
                await asyncio.to_thread(run.wait_for, "Stopping")
                began = time.monotonic()
                run.signal(number)
                assert await asyncio.to_thread(run.wait) == 128 + number
                assert time.monotonic() - began < 1
            assert "Traceback" not in run.log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["wyoming-fish", "wyoming-fish-app"])
def test_a_signal_while_it_starts(command: str, number: signal.Signals) -> None:
    """It has a handler before anything slow, since a container's first process needs one."""
    module, _, main = SCRIPTS[command].partition(":")
    program = Program(sys.executable, "-c", IMPORTING.format(module=module, main=main))
    try:
        program.wait_for("Importing")
        program.signal(number)
        assert program.wait() == 128 + number
    finally:
        program.end()
    assert program.log == "Importing\nStopped.\n"


async def test_everything_hangs(tmp_path: Path) -> None:
    """Clients that do not read, text without end, and a disk that stands still cost no more time.

    Every client that reads is told.
    """
    async with Emulator(EmulatorSettings(voice="code", code_samples=255)) as emulator:
        flags = [
            f"--base-url={emulator.url}",
            "--api-key=key",
            "--uri=tcp://127.0.0.1:0",
            "--http=127.0.0.1:0",
            f"--cache-dir={tmp_path}",
        ]
        options = Options.parse(flags, {})
        cache = Cache(tmp_path, 1, emulator.url)
        # To open it is to wait for a writer that never comes.
        os.mkfifo(tmp_path / cache.key(options.speech, options.text_settings, False, TEXT))
        await cache.close()
        program = Program(sys.executable, "-c", PROGRAM, *flags)
        try:
            uri = (await asyncio.to_thread(program.wait_for, READY))[1]
            port = int(uri.rpartition(":")[2])
            async with contextlib.AsyncExitStack() as stack:
                long = json.dumps({"type": "synthesize", "data": {"text": "x" * 50_000}})
                for asked in (long, "rubbish", ""):
                    silent = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
                    silent.sendall(asked.encode() + b"\n")
                # The disk is asked, and does not answer.
                client = await stack.enter_async_context(AsyncTcpClient("127.0.0.1", port))
                await client.write_event(Synthesize(TEXT).event())
                await receive(client, "audio-stop")
                await client.write_event(SynthesizeStart().event())
                await client.write_event(SynthesizeChunk("Good night. And then").event())
                await emulator.wait_for(lambda e: e.sessions_open == 2)
                listening = asyncio.create_task(receive(client, "no such event"))
                began = time.monotonic()
                program.signal(signal.SIGTERM)
                status = await asyncio.to_thread(program.wait)
                took = time.monotonic() - began
                reply = await listening
        finally:
            await asyncio.to_thread(program.end)
    assert reply.types[-3:] == ["audio-stop", "synthesize-stopped", "error"]
    assert reply.error.code == "server-stopping"
    assert status == 1
    assert took == pytest.approx(EXIT_TIMEOUT_S / 10, abs=0.5)
    assert "Traceback" not in program.log


def test_the_time_is_enough() -> None:
    """The server stops before Docker and the Supervisor kill it, and ends in order before that."""
    assert STOP_TIMEOUT_S < EXIT_TIMEOUT_S < 10


async def test_a_client_that_has_just_connected(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    """A client whose request is on its way as the server stops is spoken to."""
    caplog.set_level(logging.INFO)
    async with serving(EmulatorSettings(voice="code")) as served:
        async with served.client() as client:
            while not served.server._connections:  # noqa: ASYNC110, SLF001 - nothing else tells
                await asyncio.sleep(0)
            stopping = asyncio.create_task(served.server.__aexit__(None, None, None))
            while "Stopping" not in caplog.text:  # noqa: ASYNC110 - only the log tells
                await asyncio.sleep(0)
            await client.write_event(Synthesize(TEXT).event())
            assert decode_code_voice((await receive(client, "audio-stop")).pcm) == TEXT
        await stopping


async def test_a_request_while_stopping(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """What is asked for after that is refused, and what was asked for before is spoken."""
    caplog.set_level(logging.INFO)
    settings = EmulatorSettings(frame=0.02, pace=0.5)
    async with contextlib.AsyncExitStack() as stack:
        async with serving(settings) as served:
            client = await stack.enter_async_context(AsyncTcpClient("127.0.0.1", served.port))
            await client.write_event(Synthesize(TEXT).event())
            await receive(client, "audio-chunk")
            served.server.stop()
            stopping = asyncio.create_task(served.server.__aexit__(None, None, None))
            while "Stopping" not in caplog.text:  # noqa: ASYNC110 - only the log tells
                await asyncio.sleep(0)
            await client.write_event(SynthesizeStart().event())
            reply = await receive(client, "no such event")
            await stopping
        assert reply.types == ["audio-chunk", "audio-stop", "error", "synthesize-stopped"]
        assert reply.error.code == "server-stopping"


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_client_that_reads_nothing(
    serving: Serving, caplog: pytest.LogCaptureFixture, *, is_streamed: bool
) -> None:
    """It takes no time from what is closed after the clients, such as the cache."""

    async def stop() -> float:
        async with contextlib.AsyncExitStack() as stack:
            async with serving(EmulatorSettings(voice="code", pace=0.05)) as served:
                client = stack.enter_context(socket.socket())
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.connect(("127.0.0.1", served.port))
                event = {"type": "synthesize", "data": {"text": TEXT * 100}}
                if is_streamed:
                    client.sendall(b'{"type": "synthesize-start"}\n')
                    event["type"] = "synthesize-chunk"
                client.sendall(json.dumps(event).encode() + b"\n")
                await served.emulator.wait_for(lambda e: e.sessions_open == 1)
                await idle_clock.pass_time(2)
                began = asyncio.get_running_loop().time()
            return asyncio.get_running_loop().time() - began

    assert idle_clock.run(stop()) < STOP_TIMEOUT_S - 1
    assert "closed in time" not in caplog.text
