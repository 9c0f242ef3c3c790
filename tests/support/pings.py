"""How long a server lets a client wait for the answer to its ping."""

import asyncio
import time

from tests.support.processes import Program

__all__ = ["longest_ping_s"]


async def longest_ping_s(program: Program, port: int, watched_s: float) -> float:
    """The longest wait for the answer to a ping, one after the other for ``watched_s``.

    Of each wait that is the time that the server computed, or less if less has passed: when the
    machine does something else, it is not the server's doing.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    longest, until = 0.0, time.monotonic() + watched_s
    while time.monotonic() < until:
        began, cpu_s = time.monotonic(), _cpu_s(program)
        writer.write(b'{"type": "ping"}\n')
        await reader.readuntil(b"\n")
        longest = max(longest, min(_cpu_s(program) - cpu_s, time.monotonic() - began))
        await asyncio.sleep(0.005)
    writer.close()
    return longest


def _cpu_s(program: Program) -> float:
    """Seconds of the processor that it has had."""
    # The number of a process's clock, as Linux composes it.
    return time.clock_gettime((~program.pid << 3) | 2)
