"""The soak's attackers: one server that they all attack, and a real user beside them.

The server has default options, except for the limit of characters an hour: the attackers would
reach it within a minute. The user has an address of its own and measures its first audio, first in
quiet, then under attack.
"""

import asyncio
import contextlib
import json
import random
import re
import statistics
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

from tests.support.processes import READY, Program, server

__all__ = ["Attacked", "attacked"]

# Milliseconds by which an attack may delay a user's first audio.
LATER_MS: Final = 100.0
# Megabytes that the server may grow by, and bytes of log that it may write in a second.
GROWTH_MB: Final = 64.0
LOG_BYTES_PER_S: Final = 2000.0
MIN_LOG_TIME_S: Final = 60.0

FLAGS: Final = (
    *("--uri=tcp://127.0.0.1:0", "--http=0", "--api-key=key"),
    *("--max-characters-per-hour=0", "--max-characters-per-hour-per-address=0"),
)

ATTACKERS: Final = 16
# What an attacker sends in an hour comes to more than what anybody hears.
LONG_TEXT: Final = "All work and no play makes Jack a dull boy. " * 4000

HOSTILE_TEXTS: Final = (
    "<speak>" + "<!DOCTYPE[" * 9990 + "]" + " " * 99_900,
    "<speak>" + "<a " * 60_000,
    "<speak>" + "<p>" * 60_000,
    "[" * 190_000,
    "<" * 190_000,
    "*a " * 60_000,
    "![a](" * 38_000,
    "<think>" * 27_000,
    "$x$" * 60_000,
    "`a" * 90_000,
    "1.2.3." * 30_000,
    "a" * 190_000,
    "Dr. " * 45_000,
    "\n- " * 60_000,
)

RECEIVED: Final = 65536

Attack = Callable[[asyncio.StreamReader, asyncio.StreamWriter, random.Random], Awaitable[None]]


def event(type_: str, data: dict[str, object] | None = None, payload: int = 0) -> bytes:
    """The bytes of an event whose payload is announced, and not there."""
    body = json.dumps(data).encode() if data else b""
    header: dict[str, object] = {"type": type_}
    header |= {"data_length": len(body)} if body else {}
    header |= {"payload_length": payload} if payload else {}
    return json.dumps(header).encode() + b"\n" + body


async def _read(reader: asyncio.StreamReader, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while await reader.read(RECEIVED):
                pass


async def _stall(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random
) -> None:
    """Send a text that is hard to read."""
    writer.write(event("synthesize", {"text": chance.choice(HOSTILE_TEXTS)}))
    await _read(reader, 3)


async def _hold(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random
) -> None:
    """Begin a text and do not go on, but say that one is there."""
    writer.write(event("synthesize-start") + event("synthesize-chunk", {"text": "Well. So"}))
    for _ in range(chance.randint(1, 20)):
        writer.write(event("ping"))
        await _read(reader, 0.5)


async def _spend(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random
) -> None:
    """Ask for hours of speech, and leave at the first audio."""
    del chance
    writer.write(event("synthesize", {"text": LONG_TEXT}))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            await reader.readuntil(b"audio-chunk")


async def _fill(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random
) -> None:
    """Send much that has to be kept until something comes that never does."""
    name = "x" * 150_000
    objects = json.dumps({"a": [{}] * 45_000}).encode()
    writer.write(
        chance.choice(
            (
                event("synthesize", {"text": "x", "voice": {"name": name}}) * 20,
                b'{"type": "x", "data_length": %d, "payload_length": 1000000}\n' % len(objects)
                + objects,
                event("synthesize-start") + event("synthesize-chunk", {"text": ""}) * 50_000,
                event("synthesize-start") + event("synthesize-chunk", {"text": "y"}) * 50_000,
                event("synthesize", {"text": "One."}) * 90,
                b"x" * 60_000,
            )
        )
    )
    await _read(reader, chance.uniform(0, 12))


async def _write_log(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random
) -> None:
    """Make the server say something, again and again."""
    del chance
    voice = {"name": "\x1b[31m\n" + "y" * 200}
    writer.write(event("synthesize", {"text": "x", "voice": voice}))
    await _read(reader, 1)


async def _crowd(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random
) -> None:
    """Say nothing at all."""
    del writer
    await _read(reader, chance.uniform(0, 15))


async def _browse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, chance: random.Random
) -> None:
    """Ask the page for what makes no sense, or for nothing."""
    writer.write(
        chance.choice(
            (
                b"GET / HTTP/1.1\r\nHost: x\r\n",
                b"GET /\x00\x01 HTTP/9\r\n\r\n",
                b"POST /speak HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{",
                b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                b"",
            )
        )
    )
    await _read(reader, chance.uniform(0, 12))


ATTACKS: Final[tuple[Attack, ...]] = (_stall, _hold, _spend, _fill, _write_log, _crowd)


class Attacked:
    """A server in a process of its own, its emulator in another, and the user in a third."""

    def __init__(self, program: Program, port: int, http_port: int) -> None:
        self._program = program
        self._port = port
        self._http_port = http_port
        self._attacks: Counter[str] = Counter()
        self._quiet: list[str] = []
        self._heard: list[str] = []
        self._memory = 0.0
        self._logged = 0
        self._seconds = 0.0

    async def rest(self, seconds: float) -> None:
        """Let the user be alone for so long."""
        self._quiet = await self._listen(seconds)
        self._memory, self._logged = self._memory_now(), len(self._program.log)

    async def suffer(self, seconds: float, chance: random.Random) -> None:
        """Attack it for so long."""
        self._seconds = seconds
        attackers = [
            asyncio.create_task(self._attack(number, chance)) for number in range(ATTACKERS)
        ]
        try:
            self._heard = await self._listen(seconds)
        finally:
            for attacker in attackers:
                attacker.cancel()
            await asyncio.gather(*attackers, return_exceptions=True)

    def judge(self, *, by_time: bool) -> list[str]:
        """Print what came of it; gives what is wrong with it, also ``by_time``."""
        wrong = [f"a user's reply was {line}" for line in self._heard if line.startswith("wrong")]
        quiet = [float(line) for line in self._quiet if not line.startswith("wrong")]
        heard = [float(line) for line in self._heard if not line.startswith("wrong")]
        if len(quiet) < 2 or len(heard) < 2:
            return [
                *wrong,
                f"a user heard {len(quiet)} replies in quiet, {len(heard)} under attack.",
            ]
        grown = self._memory_now() - self._memory
        # The first lines of each kind are always written, in a short run as in a long one.
        logged = (len(self._program.log) - self._logged) / max(self._seconds, MIN_LOG_TIME_S)
        print("attacked:", ", ".join(f"{n} {name}" for name, n in sorted(self._attacks.items())))
        for name, values in (("in quiet", quiet), ("under attack", heard)):
            print(
                f"    first audio {name}: median {statistics.median(values):.0f} ms, 95 % within"
                f" {_most(values):.0f} ms, at most {max(values):.0f} ms, of {len(values)} replies;"
            )
        print(f"    {grown:.1f} MB more memory, {logged:.0f} bytes of log a second", flush=True)
        for name, measure in (("median", statistics.median), ("95 %", _most)):
            if by_time and (later := measure(heard) - measure(quiet)) > LATER_MS:
                wrong.append(f"a user's first audio came {later:.0f} ms later ({name}).")
        if grown > GROWTH_MB:
            wrong.append(f"the attacked server has grown by {grown:.1f} MB.")
        if logged > LOG_BYTES_PER_S:
            wrong.append(f"the attacked server has logged {logged:.0f} bytes a second.")
        if "Traceback" in self._program.log:
            story = self._program.log.partition("Traceback")[2][:3000]
            wrong.append(f"the attacked server's log has a traceback:{story}")
        return wrong

    async def _listen(self, seconds: float) -> list[str]:
        """What a user's process prints in so many seconds."""
        with Program(sys.executable, "-m", "tests.soak.user", str(self._port), "127.0.0.2") as user:
            await asyncio.sleep(seconds)
            lines = user.log.splitlines()
            await asyncio.to_thread(user.end)
        return lines

    async def _attack(self, number: int, chance: random.Random) -> None:
        # A few addresses, as an attacker may have.
        address = f"127.0.0.{3 + number % 3}"
        while True:
            attack, port = chance.choice(ATTACKS), self._port
            if chance.random() < 0.2:
                attack, port = _browse, self._http_port
            self._attacks[attack.__name__.strip("_")] += 1
            with contextlib.suppress(OSError, EOFError, asyncio.LimitOverrunError):
                reader, writer = await asyncio.open_connection(
                    "127.0.0.1", port, local_addr=(address, 0)
                )
                try:
                    await attack(reader, writer, chance)
                finally:
                    writer.transport.abort()
            await asyncio.sleep(chance.uniform(0, 0.2))

    def _memory_now(self) -> float:
        status = Path(f"/proc/{self._program.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _most(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


@contextlib.asynccontextmanager
async def attacked() -> AsyncIterator[Attacked]:
    """The server, ready."""
    async with contextlib.AsyncExitStack() as stack:

        def started(program: Program) -> Program:
            stack.push_async_callback(asyncio.to_thread, program.end)
            return program

        fish = started(Program(sys.executable, "-m", "wyoming_fish.emulator", "--voice=code"))
        found = await asyncio.to_thread(fish.wait_for, r"http://[^\s/]+")
        program = started(server(*FLAGS, f"--base-url={found[0]}"))
        ready = await asyncio.to_thread(program.wait_for, READY)
        page = re.search(r"http://[^\s/]+:(\d+)", program.log)
        assert page is not None, program.log
        yield Attacked(program, int(ready[1].rpartition(":")[2]), int(page[1]))
