"""The programs that are measured, each in a process of its own."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import READY, Program, server

from .emulated import SOCKET


class Fish(NamedTuple):
    """The emulated Fish Audio."""

    program: Program

    @property
    def url(self) -> str:
        """Its address; waits until there is one."""
        return self.program.wait_for(r"^(http://\S+)$")[1]

    @property
    def sockets(self) -> int:
        """Websockets that have been opened so far."""
        return self.program.log.count(f"{SOCKET}\n")


class Served(NamedTuple):
    """A Wyoming server on this machine."""

    program: Program

    @property
    def port(self) -> int:
        """Where it listens; waits until it does."""
        return int(self.program.wait_for(READY)[1].rpartition(":")[2])


@contextmanager
def emulator(*flags: str) -> Iterator[Fish]:
    """Run the emulator of the benchmarks."""
    with Program(sys.executable, "-m", "benchmarks.emulated", *flags) as program:
        yield Fish(program)


@contextmanager
def ours(url: str, *flags: str) -> Iterator[Served]:
    """Run our server before the Fish Audio at this address."""
    with server(*_flags(url), *flags) as program:
        yield Served(program)


@contextmanager
def ours_on_uvloop(url: str, *flags: str) -> Iterator[Served]:
    """Run our server on uvloop's event loop."""
    command = (sys.executable, "-m", "benchmarks.on_uvloop", *_flags(url), *flags)
    with Program(*command) as program:
        yield Served(program)


@contextmanager
def relay(url: str) -> Iterator[Served]:
    """Run the bare relay."""
    with Program(sys.executable, "-m", "benchmarks.relay", url) as program:
        yield Served(program)


def _flags(url: str) -> tuple[str, ...]:
    """Our server's flags for this Fish Audio and any free port."""
    no_limit = ("--max-characters-per-hour=0", "--max-characters-per-hour-per-address=0")
    return ("--uri", "tcp://127.0.0.1:0", "--api-key", "key", "--base-url", url, *no_limit)


def cpu_seconds(pid: int) -> float:
    """Seconds that all threads of a process have been on a CPU so far."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    # The first number is in nanoseconds (the kernel's sched-stats.rst).
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def memory(pid: int, *, peak: bool = False) -> int:
    """Bytes that a process has in memory; with ``peak``, the most there were at a time."""
    name = "VmHWM:" if peak else "VmRSS:"
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(name)]
    return int(line.split()[1]) * 1024
