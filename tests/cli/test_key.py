"""The key: used, and nowhere to be seen."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe
from wyoming.tts import Synthesize

from tests.support.processes import ENVIRONMENT, READY, Program
from wyoming_fish.cli.options import Options
from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault

from ..support.server import receive

KEY = "0123456789abcdef0123456789abcdef"

# Kinds of failure whose error is told.
FAULTS = [401, 402, 403, 400, 429, 503]


@contextlib.asynccontextmanager
async def _running(emulator: Emulator, *flags: str, **variables: str) -> AsyncIterator[Program]:
    """A server that logs all that it can and dumps its stacks when it crashes."""
    environment = {**ENVIRONMENT, **variables, "PYTHONFAULTHANDLER": "1", "PYTHONASYNCIODEBUG": "1"}
    program = Program(
        *(".venv/bin/python", "-X", "dev", "-m", "wyoming_fish", "--debug"),
        *("--uri=tcp://127.0.0.1:0", f"--base-url={emulator.url}", *flags),
        env=environment,
    )
    try:
        yield program
    finally:
        await asyncio.to_thread(program.end)


@pytest.mark.parametrize("way", ["variable", "file"])
async def test_it_is_nowhere_to_be_seen(tmp_path: Path, way: str) -> None:
    """Not in the log, however much fails, nor in an event, the process's title or a crash dump."""
    file = tmp_path / "key"
    file.write_text(KEY)
    settings = EmulatorSettings(voice="code", key=KEY)
    async with Emulator(settings) as emulator:
        given = {"FISH_API_KEY": KEY} if way == "variable" else {"FISH_API_KEY_FILE": str(file)}
        async with _running(emulator, **given) as program:
            ready = await asyncio.to_thread(program.wait_for, READY)
            port = int(ready[1].rpartition(":")[2])
            events = []
            for status in [None, *FAULTS]:
                settings.faults[:] = [
                    Fault(point, status, times=3) for point in ("upgrade", "rest") if status
                ]
                async with AsyncTcpClient("127.0.0.1", port) as client:
                    await client.write_event(Describe().event())
                    await client.write_event(Synthesize("Good night.").event())
                    events += (await receive(client, "audio-stop")).events
            # It was used: the first reply was spoken.
            assert emulator.sessions[0].outcome == "finish"
            title = await asyncio.to_thread(Path(f"/proc/{program.pid}/cmdline").read_bytes)
            program.signal(signal.SIGABRT)
            await asyncio.to_thread(program.wait)
    assert "most recent call first" in program.log
    for shown in (program.log, str(events), title.decode()):
        assert KEY not in shown


def test_it_is_not_in_what_describes_the_options() -> None:
    """Neither the options nor the endpoint show it, in themselves or in what they are part of."""
    options = Options.parse([], {"FISH_API_KEY": KEY})
    for shown in (repr(options), str(options), repr(options.endpoint), f"{options.endpoint}"):
        assert KEY not in shown
