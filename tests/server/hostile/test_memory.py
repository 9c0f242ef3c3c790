"""What hostile clients cost a real server: no more than LIMIT, and nobody else a word."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from wyoming.client import AsyncTcpClient
from wyoming.event import async_read_event
from wyoming.ping import Ping, Pong
from wyoming.tts import Synthesize

from tests.support.processes import READY, Program, server
from wyoming_fish.emulator import Emulator, EmulatorSettings, decode_code_voice

from ...support.hostile_events import CORPUS, HELD, LARGE
from ...support.server import crowd, receive, stream

TEXT = "Good night. The doors are locked."

# Megabytes that the server may take more at any moment, and keep: for one client, or a thousand
# that say nothing, and for two hundred that do what they can.
LIMIT = 8.0
LIMIT_OF_ALL = 64.0

# As many clients as there may be by default, in halves, since one address may have only a hundred.
CLIENTS = 200

START = b'{"type": "synthesize-start"}\n'

# Seconds in which the server here gives up on who does not read.
WRITE_TIMEOUT = 0.5


@dataclass
class _Running:
    """A server in a process of its own, and the emulator that it speaks by."""

    emulator: Emulator
    program: Program
    port: int

    def memory(self, field: str) -> float:
        """Megabytes: VmRSS, what it has now; VmHWM, the most since ``forget_peak``."""
        status = Path(f"/proc/{self.program.pid}/status").read_text()
        return int(status.partition(f"{field}:")[2].split()[0]) / 1024

    def forget_peak(self) -> None:
        Path(f"/proc/{self.program.pid}/clear_refs").write_text("5")

    @contextlib.asynccontextmanager
    async def watched(self, limit: float = LIMIT) -> AsyncIterator[None]:
        """What happens within costs no more than ``limit``, neither then nor later."""
        await self.serves()
        before = self.memory("VmRSS")
        self.forget_peak()
        yield
        await self.serves()
        assert self.memory("VmHWM") - before <= limit
        assert self.memory("VmRSS") - before <= limit

    async def serves(self) -> None:
        """A normal client hears its reply, of either kind, whole."""
        async with AsyncTcpClient("127.0.0.1", self.port) as client:
            await client.write_event(Synthesize(TEXT).event())
            assert decode_code_voice((await receive(client, "audio-stop")).pcm) == TEXT
            await stream(client, [TEXT[:9], TEXT[9:]])
            assert decode_code_voice((await receive(client, "synthesize-stopped")).pcm) == TEXT

    async def send(self, data: bytes, until: str = "") -> list[str]:
        """Send this and no more; the types of what came back, ``until`` one of them or the end."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        listening = asyncio.create_task(_types(reader, until))
        with contextlib.suppress(ConnectionError):
            writer.write(data)
            await writer.drain()
            writer.write_eof()
        try:
            return await listening
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


def _event(event_type: str, **data: object) -> bytes:
    text = json.dumps(data).encode()
    return b'{"type": "%b", "data_length": %d}\n' % (event_type.encode(), len(text)) + text


def _chunk(text: str) -> bytes:
    return _event("synthesize-chunk", text=text)


async def _types(reader: asyncio.StreamReader, until: str) -> list[str]:
    types: list[str] = []
    while (not until or until not in types) and (event := await async_read_event(reader)):
        types.append(event.type)
    return types


@contextlib.asynccontextmanager
async def _run(settings: EmulatorSettings, *flags: str) -> AsyncIterator[_Running]:
    async with Emulator(settings) as emulator:
        base_url = f"--base-url={emulator.url}"
        program = server("--api-key=key", base_url, "--uri=tcp://127.0.0.1:0", *flags)
        try:
            ready = await asyncio.to_thread(program.wait_for, READY)
            running = _Running(emulator, program, int(ready[1].rpartition(":")[2]))
            # What is allocated once for all is allocated now.
            for _ in range(20):
                await running.serves()
            yield running
        finally:
            await asyncio.to_thread(program.end)
        assert "Traceback" not in program.log


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running() -> AsyncIterator[_Running]:
    """One for all tests, so that what adds up is seen."""
    async with _run(EmulatorSettings(voice="code"), f"--write-timeout={WRITE_TIMEOUT}") as one:
        yield one


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.mark.parametrize("name", sorted(CORPUS | LARGE))
async def test_hostile_input(running: _Running, name: str) -> None:
    """Whatever is sent, it is served or refused, others are served, and memory stays."""
    data = (CORPUS | LARGE)[name]
    async with running.watched():
        answer = await running.send(data)
    assert ("error" in answer) == (not name.startswith("event"))


async def test_a_thousand_that_say_nothing(running: _Running) -> None:
    """Silent connections cost little, however many there are."""
    async with running.watched(), crowd(running.port, 1000):
        await running.serves()


async def test_a_byte_now_and_then(running: _Running) -> None:
    """Who sends a byte at a time is served nothing, and costs nothing."""
    async with running.watched():
        _, writer = await asyncio.open_connection("127.0.0.1", running.port)
        for byte in b'{"type": "describe"':
            writer.write(bytes((byte,)))
            await running.serves()
        writer.close()


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_long_reply_that_nobody_reads(running: _Running, streamed: bool) -> None:
    """Hours of speech for who reads nothing are not made: the session ends with his time."""
    text = "All work and no play makes Jack a dull boy. " * 4000
    async with running.watched():
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port, limit=1024)
        events = [{"type": "synthesize", "data": {"text": text}}]
        if streamed:
            pieces = [text[at : at + 4000] for at in range(0, len(text), 4000)]
            events = [
                {"type": "synthesize-start"},
                *({"type": "synthesize-chunk", "data": {"text": piece}} for piece in pieces),
                {"type": "synthesize-stop"},
            ]
        for event in events:
            data = json.dumps(event.pop("data", {})).encode()
            writer.write(json.dumps(event | {"data_length": len(data)}).encode() + b"\n" + data)
            await writer.drain()
        before = len(running.emulator.sessions)
        await running.emulator.wait_for(
            lambda e: len(e.sessions) > before or e.sessions[-1].outcome is None
        )
        await running.emulator.wait_for(lambda e: e.sessions[-1].outcome == "left")
        assert sum(map(len, running.emulator.sessions[-1].spoken)) < len(text) / 2
        writer.close()
        with contextlib.suppress(ConnectionError):
            await reader.read()


async def test_more_than_anybody_will_hear(running: _Running) -> None:
    """Who asks for days of speech at once is refused, and what he has sent is forgotten."""
    event = json.dumps({"type": "synthesize", "data": {}}).encode()
    text = json.dumps({"text": "🐟 " * 40_000}, ensure_ascii=False).encode()
    one = event[:-1] + b', "data_length": %d}\n' % len(text) + text
    async with running.watched():
        await running.send(one * 99)


@pytest.mark.parametrize("kind", [*HELD, "mixture"])
async def test_two_hundred_that_do_their_worst(kind: str) -> None:
    """All clients together are bounded too, and one that wants little is served meanwhile."""
    inputs = list(HELD.values()) if kind == "mixture" else [HELD[kind]]
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(_run(EmulatorSettings(voice="code")))
        # From now on each reply is spoken for long, while the others wait.
        running.emulator.settings.pace = 1
        before = running.memory("VmRSS")
        running.forget_peak()
        visitor = await stack.enter_async_context(AsyncTcpClient("127.0.0.1", running.port))
        loop = asyncio.get_running_loop()
        for number in range(CLIENTS - 1):
            client = stack.enter_context(socket.socket())
            client.bind((f"127.0.0.{2 + number % 2}", 0))
            client.connect(("127.0.0.1", running.port))
            client.setblocking(False)
            sending = loop.create_task(loop.sock_sendall(client, inputs[number % len(inputs)]))
            stack.callback(sending.cancel)
            await visitor.write_event(Ping().event())
            assert await visitor.read_event() == Pong().event()
        assert running.memory("VmHWM") - before <= LIMIT_OF_ALL


async def test_letters_by_themselves(running: _Running) -> None:
    """A text that comes letter by letter takes no more than one in large pieces."""
    async with running.watched():
        letters = _chunk("\U00020bb7") * 100_000
        assert "audio-chunk" in await running.send(START + letters, until="audio-chunk")


async def test_long_names(running: _Running) -> None:
    """A voice's name cannot hold a long text."""
    for name in ("name", "language", "speaker"):
        async with running.watched():
            event = _event("synthesize", text="", voice={name: "x" * 150_000})
            answer = await running.send(_event("synthesize", text=TEXT) + event * 90)
            assert answer[-1] == "error"
