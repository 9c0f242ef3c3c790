"""Our server and `wyoming-fish-check`, in the test's own process beside an emulated Fish Audio."""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import pytest
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeVoice,
)

from wyoming_fish.cli.check.__main__ import main
from wyoming_fish.cli.options import Options
from wyoming_fish.cli.run_server import build
from wyoming_fish.emulator import Emulator, EmulatorSettings
from wyoming_fish.server.server import Server


@dataclass
class Served:
    """What a test talks to."""

    emulator: Emulator
    server: Server
    port: int
    url: str | None
    """The status page's, if there is one."""

    @contextlib.asynccontextmanager
    async def client(self) -> AsyncIterator[AsyncTcpClient]:
        """One connection, by the `wyoming` package's own client."""
        async with AsyncTcpClient("127.0.0.1", self.port) as client:
            yield client


@dataclass
class Reply:
    """What came back for one utterance."""

    events: list[Event]

    @property
    def types(self) -> list[str]:
        """The events' types, with the chunks of audio as one."""
        types: list[str] = []
        for event in self.events:
            if types[-1:] != [event.type] or event.type != "audio-chunk":
                types.append(event.type)
        return types

    @property
    def pcm(self) -> bytes:
        """All of the audio."""
        return b"".join(event.payload or b"" for event in self.events)

    @property
    def error(self) -> Error:
        """The error that came."""
        return next(Error.from_event(e) for e in self.events if Error.is_type(e.type))


async def stream(
    client: AsyncTcpClient, pieces: list[str], voice: SynthesizeVoice | None = None
) -> None:
    """Send a streamed request as Home Assistant does, with the compatibility event."""
    await client.write_event(SynthesizeStart(voice=voice).event())
    for piece in pieces:
        await client.write_event(SynthesizeChunk(piece).event())
    await client.write_event(Synthesize("".join(pieces), voice=voice).event())
    await client.write_event(SynthesizeStop().event())


async def receive(client: AsyncTcpClient, last: str) -> Reply:
    """Read until an event of the type ``last``, or the end of the connection."""
    events: list[Event] = []
    while (event := await client.read_event()) is not None:
        events.append(event)
        if event.type == last:
            break
    return Reply(events)


def check_envelope(reply: Reply, rate: int, *, streamed: bool) -> None:
    """One envelope, one rate, whole samples, and timestamps that follow the samples."""
    ending = ["audio-stop", *(["synthesize-stopped"] if streamed else [])]
    assert reply.types in (["audio-start", "audio-chunk", *ending], ["audio-start", *ending])
    start = AudioStart.from_event(reply.events[0])
    assert (start.rate, start.width, start.channels, start.timestamp) == (rate, 2, 1, 0)
    samples = 0
    for event in reply.events:
        if AudioChunk.is_type(event.type):
            chunk = AudioChunk.from_event(event)
            assert (chunk.rate, chunk.width, chunk.channels) == (rate, 2, 1)
            assert chunk.timestamp == samples * 1000 // rate
            assert chunk.audio
            assert len(chunk.audio) % 2 == 0
            samples += len(chunk.audio) // 2
        elif AudioStop.is_type(event.type):
            assert AudioStop.from_event(event).timestamp == samples * 1000 // rate


# Connections of a crowd that are open at the same time. Both ends of each may lie in this process,
# which has no more than 1,024 open files where nobody raised the usual limit.
OPEN_CONNECTIONS = 400


@contextlib.asynccontextmanager
async def crowd(port: int, size: int) -> AsyncIterator[list[asyncio.StreamReader]]:
    """So many connections that say nothing, the oldest of which the server closes."""
    pairs = deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]]()
    try:
        for _ in range(size):
            pairs.append(await asyncio.open_connection("127.0.0.1", port))
            if len(pairs) > OPEN_CONNECTIONS:
                reader, writer = pairs.popleft()
                assert b"too-many-connections" in await reader.read()
                writer.close()
        yield [reader for reader, _ in pairs]
    finally:
        for _, writer in pairs:
            writer.close()


Serving = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def serving() -> Serving:
    """Start a server with these emulator settings and flags."""

    @contextlib.asynccontextmanager
    async def start(settings: EmulatorSettings, *flags: str) -> AsyncIterator[Served]:
        async with Emulator(settings) as emulator:
            options = Options.parse(
                [
                    "--uri=tcp://127.0.0.1:0",
                    f"--base-url={emulator.url}",
                    "--api-key=key",
                    "--ready-connections=0",
                    *flags,
                ],
                {},
            )
            assert options.endpoint is not None
            server, status_server = build(options, options.endpoint)
            async with server:
                url = status_server.url if status_server else None
                yield Served(emulator, server, server.port, url)

    return start


KEY = {"FISH_API_KEY": "secret-key"}

Check = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Check:
    """Run the command with these flags; its exit status, and its findings by their name."""

    async def run(*flags: str, environ: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        # In a thread with a loop of its own, as the emulator runs in this one.
        status = await asyncio.to_thread(main, ["--json", *flags], environ or KEY)
        printed = capsys.readouterr().out
        assert "secret-key" not in printed
        answer = json.loads(printed)
        assert answer["ok"] == (status == 0)
        return status, {finding.pop("name"): finding for finding in answer["checks"]}

    return run


def wrong_in(findings: dict[str, Any]) -> list[str]:
    """The names of what is wrong."""
    return [name for name, finding in findings.items() if finding["state"] == "failed"]
