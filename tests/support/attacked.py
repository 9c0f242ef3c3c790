"""A server in a process of its own, whose memory and pings are watched while it is attacked."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from wyoming.client import AsyncTcpClient
from wyoming.ping import Ping
from wyoming.tts import Synthesize

from tests.support.pings import longest_ping_s
from tests.support.processes import READY, Program, server

from .server import Reply, receive

__all__ = ["PING_LIMITS_S", "Running", "started"]

# Megabytes that the server may take more at any moment: half a dozen of the largest messages.
LIMIT = 12.0

# Seconds that another client may wait for the answer to its ping, by the number of floods.
PING_LIMITS_S = {1: 0.1, 20: 0.5}
WATCHED_S = 1.0

# A slow moment of the machine is not the server's: the least of so many counts.
ATTEMPTS = 3

# Seconds for an answer, whatever is sent.
ANSWER_LIMIT_S = 15.0


class Running:
    """A server in a process of its own."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.port = int(program.wait_for(READY)[1].rpartition(":")[2])

    def memory(self, field: str) -> float:
        """Megabytes: VmRSS, what it has now; VmHWM, the most since ``forget_peak``."""
        status = Path(f"/proc/{self.program.pid}/status").read_text()
        return int(status.partition(f"{field}:")[2].split()[0]) / 1024

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """What happens within costs no more than LIMIT."""
        before = self.memory("VmRSS")
        Path(f"/proc/{self.program.pid}/clear_refs").write_text("5")
        yield
        assert self.memory("VmHWM") - before <= LIMIT

    async def ask(self) -> Reply:
        """Ask for a reply; all that comes back. Afterwards the server is still there."""
        async with AsyncTcpClient("127.0.0.1", self.port) as client:
            await client.write_event(Synthesize("Good night. The doors are locked.").event())
            async with asyncio.timeout(ANSWER_LIMIT_S):
                reply = await receive(client, "audio-stop")
        async with AsyncTcpClient("127.0.0.1", self.port) as client:
            await client.write_event(Ping().event())
            assert await client.read_event() is not None
        return reply

    async def check_floods(self, count: int) -> list[Reply]:
        """Ask for ``count`` replies at once; another client's pings are answered meanwhile."""
        longest_s = 0.0
        for _ in range(ATTEMPTS):
            replies = asyncio.gather(*(self.ask() for _ in range(count)))
            longest_s = await longest_ping_s(self.program, self.port, WATCHED_S)
            answered = await replies
            if longest_s < PING_LIMITS_S[count]:
                return answered
        pytest.fail(f"a ping was answered after {longest_s:.2f} s of work")

    def check_log(self) -> None:
        """Nothing of a server's reached the log as it was, and nothing went wrong here."""
        log = self.program.log
        assert "Traceback" not in log
        assert all(c.isprintable() for c in log.replace("\n", ""))
        assert not any(line.startswith("2026-01-01") for line in log.splitlines())
        assert max(map(len, log.splitlines())) < 3000


@contextlib.asynccontextmanager
async def started(*flags: str) -> AsyncIterator[Running]:
    """Start a server with these flags."""
    program = server("--api-key=key", "--uri=tcp://127.0.0.1:0", "--ready-connections=0", *flags)
    try:
        running = await asyncio.to_thread(Running, program)
        yield running
    finally:
        await asyncio.to_thread(program.end)
    running.check_log()
