"""Another Wyoming server, which does as a test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event, Eventable, async_read_event, async_write_event
from wyoming.info import Attribution, Info, TtsProgram

RATE = 8000
START = AudioStart(RATE, 2, 1)
STOP = AudioStop()


def audio(samples: bytes) -> AudioChunk:
    """Return PCM as an event."""
    return AudioChunk(RATE, 2, 1, samples)


@dataclass
class Client:
    """A client as a scripted server sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    events: list[Event] = field(default_factory=list)

    async def until(self, event_type: str) -> Event:
        """Read up to an event of this type; what came before it is in `events`."""
        while (event := await async_read_event(self.reader)) is not None:
            self.events.append(event)
            if event.type == event_type:
                return event
        raise AssertionError(f"the client left before {event_type}")

    async def send(self, *events: Eventable) -> None:
        for event in events:
            await async_write_event(event.event(), self.writer)


Script = Callable[[Client], Awaitable[None]]


@asynccontextmanager
async def wyoming_server(script: Script, *, streaming: bool = True) -> AsyncIterator[str]:
    """Another Wyoming server: it says what it is, then follows the script, then hangs up."""
    by = Attribution("", "")
    program = TtsProgram("x", by, installed=True, description=None, version=None, voices=[])
    program.supports_synthesize_streaming = streaming

    async def serve(client: Client) -> None:
        try:
            await client.until("describe")
            await client.send(Info(tts=[program]))
            await script(client)
        finally:
            client.writer.close()

    async with asyncio.TaskGroup() as clients:
        listening = await asyncio.start_server(
            lambda reader, writer: clients.create_task(serve(Client(reader, writer))),
            *("127.0.0.1", 0),
        )
        async with listening:
            yield f"tcp://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
