"""`script/soak [minutes]`: many clients that come, go, stall and break, while Fish fails at random.

The server runs in a process of its own; the emulator's voice encodes the text in its samples. Every
reply has to be whole, or an error that some failure amid its audio accounts for. In the end there
must be no session, no socket and no memory more than before.
"""

import asyncio
import contextlib
import os
import random
import sys
from collections import Counter
from pathlib import Path
from time import monotonic

from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from tests.processes import READY, Program, server
from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault, decode_code_voice
from wyoming_fish.emulator.settings import FaultKind, FaultPoint

CLIENTS = 24
CODE_SAMPLES = 20
# Seconds after which a reply counts as hung: longer than any deadline of the server's.
HUNG = 90.0
# Seconds after which a server that is left alone has closed what it had open.
SETTLING = 3.0
# Files that it may have open at one moment and not at another: a warm socket, the connection to the
# account, clients that are just being closed. A leak would be one for each of thousands.
FILES = 4
# Megabytes that the server may have grown by: its allocator's, not its own.
GROWTH = 8.0

WORDS = (
    "the a kitchen lights are off, and 21.5 degrees warm. Good night! Ja? 好的。 «Öl» well".split(
        " "
    )
)

BEFORE: list[tuple[FaultPoint, FaultKind | int]] = [
    *(("upgrade", kind) for kind in (429, 500, 503, "drop")),
    *((point, kind) for point in ("start", "text") for kind in ("drop", "close", "finish-error")),
    ("audio", "drop"),
]
AMID: list[tuple[FaultPoint, FaultKind]] = [
    *(("audio", kind) for kind in ("drop", "close", "error", "finish-error")),
    *(("finish", kind) for kind in ("drop", "close", "error", "finish-error")),
]


class Soak:
    """One run."""

    def __init__(self, emulator: Emulator, port: int, chance: random.Random) -> None:
        self.emulator = emulator
        self.port = port
        self.outcomes: Counter[str] = Counter()
        self.amid = 0
        """Failures amid the audio that have been struck."""
        self._chance = chance

    async def run(self, seconds: float) -> None:
        """Let all clients have their way for so long."""
        until = monotonic() + seconds
        async with asyncio.TaskGroup() as tasks:
            failing = tasks.create_task(self._fail())
            clients = [tasks.create_task(self._client(until)) for _ in range(CLIENTS)]
            await asyncio.wait(clients)
            failing.cancel()

    async def _fail(self) -> None:
        """Have Fish fail now and then, at any point."""
        faults = self.emulator.settings.faults
        while True:
            amid = self._chance.random() < 0.3
            point, kind = self._chance.choice(AMID if amid else BEFORE)
            at = self._chance.randint(1, 4) if amid and point == "audio" else 0
            fault = Fault(point, kind, at=at, times=self._chance.choice((1, 1, 3)))
            faults[:] = [fault]
            struck = len(self.emulator.struck)
            await asyncio.sleep(self._chance.uniform(0, 0.1))
            faults.clear()
            new = len(self.emulator.struck) - struck
            self.outcomes["failures of Fish"] += new
            self.amid += new if amid else 0

    async def _client(self, until: float) -> None:
        behaviours = (
            self._listen,
            self._listen,
            self._listen,
            self._leave,
            self._stall,
            self._rave,
        )
        while monotonic() < until:
            behaviour = self._chance.choice(behaviours)
            with contextlib.suppress(ConnectionError):
                async with AsyncTcpClient("127.0.0.1", self.port) as client:
                    try:
                        async with asyncio.timeout(HUNG):
                            await behaviour(client)
                    except TimeoutError:
                        self.outcomes["hung"] += 1

    def _text(self) -> str:
        return " ".join(self._chance.choices(WORDS, k=self._chance.randint(1, 60)))

    async def _ask(self, client: AsyncTcpClient, text: str) -> bool:
        """Ask for a text, streamed (true) or plain."""
        if self._chance.random() < 0.3:
            await client.write_event(Synthesize(text).event())
            return False
        await client.write_event(SynthesizeStart().event())
        at = 0
        while at < len(text):
            size = self._chance.randint(1, 40)
            await client.write_event(SynthesizeChunk(text[at : at + size]).event())
            at += size
            await asyncio.sleep(self._chance.uniform(0, 0.01))
        await client.write_event(SynthesizeStop().event())
        return True

    async def _listen(self, client: AsyncTcpClient) -> None:
        """Ask, listen to the end, and judge what was heard."""
        text = self._text()
        streamed = await self._ask(client, text)
        pcm, error, ended = b"", "", False
        with contextlib.suppress(ConnectionError):
            while (event := await client.read_event()) is not None:
                pcm += event.payload or b""
                if Error.is_type(event.type):
                    error = str(event.data.get("code"))
                if event.type == ("synthesize-stopped" if streamed else "audio-stop"):
                    ended = True
                    break
        if error:
            self.outcomes[f"error {error}"] += 1
            self.outcomes["errors"] += 1
        elif not ended:
            self.outcomes["dropped without an error"] += 1
        else:
            try:
                heard = decode_code_voice(pcm, CODE_SAMPLES, allow_silence=True)
            except ValueError:
                heard = ""
            # What is blank at the very end is not spoken.
            self.outcomes["whole" if heard.strip() == text.strip() else "lost or doubled"] += 1

    async def _leave(self, client: AsyncTcpClient) -> None:
        """Ask, and leave at some moment."""
        await self._ask(client, self._text())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._chance.uniform(0, 0.2)):
                while await client.read_event() is not None:
                    pass
        self.outcomes["left"] += 1

    async def _stall(self, client: AsyncTcpClient) -> None:
        """Ask for much, and read nothing of it for a while."""
        await client.write_event(Synthesize(self._text() * 20).event())
        await asyncio.sleep(self._chance.uniform(0, 1))
        self.outcomes["stalled"] += 1

    async def _rave(self, client: AsyncTcpClient) -> None:
        """Send what is no event, or one out of order."""
        assert client._writer is not None  # noqa: SLF001 - the package writes events only
        client._writer.write(  # noqa: SLF001
            self._chance.choice(
                (
                    b"GET / HTTP/1.1\r\n\r\n",
                    b'{"type": "synthesize-chunk", "data": {"text": "x"}}\n',
                    b'{"type": "synthesize", "data": {"text": 5}}\n',
                    b'{"type": "x", "payload_length": 99999999999}\n',
                    self._chance.randbytes(200),
                )
            )
            + b"\n"
        )
        with contextlib.suppress(ConnectionError, Exception):
            await client.read_event()
        self.outcomes["raved"] += 1


def _memory(program: Program) -> float:
    """Megabytes that the server has in memory."""
    pages = int(Path(f"/proc/{program.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def _files(program: Program, at_most: int = 0) -> int:
    """How many files the server has open, when there are no more than that, or after a while."""
    until = monotonic() + SETTLING
    folder = Path(f"/proc/{program.pid}/fd")
    while (count := sum(1 for _ in folder.iterdir())) > at_most:  # noqa: ASYNC240 - no disk
        if monotonic() > until:
            break
        await asyncio.sleep(0.05)
    return count


async def soak(seconds: float, seed: int) -> list[str]:
    """Run it and print what came of it; gives what is wrong, in sentences."""
    settings = EmulatorSettings(
        voice="code", code_samples=CODE_SAMPLES, frame=0.05, odd_frames=True, pace=0.02
    )
    async with Emulator(settings) as emulator:
        flags = (
            "--api-key=key",
            f"--base-url={emulator.url}",
            "--quiet-time=1",
            "--write-timeout=1",
        )
        program = server("--uri=tcp://127.0.0.1:0", "--bridge=0.5", *flags)
        try:
            ready = await asyncio.to_thread(program.wait_for, READY)
            run = Soak(emulator, int(ready[1].rpartition(":")[2]), random.Random(seed))  # noqa: S311
            # What is allocated once for all is allocated now.
            await run.run(min(5.0, seconds / 4))
            await emulator.wait_for(lambda e: e.sockets_open == 0)
            files, memory = await _files(program), _memory(program)
            await run.run(seconds)
            await emulator.wait_for(lambda e: e.sockets_open == 0 and e.sessions_open == 0)
            grown, left = _memory(program) - memory, await _files(program, files) - files
        finally:
            await asyncio.to_thread(program.end)
    outcomes = run.outcomes
    for name, count in sorted(outcomes.items()):
        print(f"{count:8d}  {name}")
    print(f"{run.amid:8d}  failures amid the audio, which may be errors")
    print(f"{grown:8.1f}  MB more memory in the end; {left} more open files")
    wrong = [
        f"{outcomes[name]} replies were {name}."
        for name in ("hung", "dropped without an error", "lost or doubled")
        if outcomes[name]
    ]
    if outcomes["errors"] > run.amid:
        wrong.append(f"{outcomes['errors']} errors for {run.amid} failures amid the audio.")
    if grown > GROWTH:
        wrong.append(f"The server has grown by {grown:.1f} MB.")
    if left > FILES:
        wrong.append(f"{left} files are still open.")
    if not outcomes["whole"]:
        wrong.append("No reply was whole.")
    _, traceback, story = program.log.partition("Traceback")
    if traceback:
        wrong.append(f"The server's log has a traceback:{story[:3000]}")
    return wrong


def main() -> None:
    """Run for as many minutes as the first argument says, or one."""
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    seed = random.randrange(2**32)  # noqa: S311
    print(f"Soaking for {minutes:g} minutes with seed {seed}", flush=True)
    wrong = asyncio.run(soak(60 * minutes, seed))
    print("\n".join(wrong) or "Nothing is wrong.")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
