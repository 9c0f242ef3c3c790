"""Many clients of a Wyoming server at once, with as little work of their own as possible."""

import asyncio
import json
from typing import Any, Final

from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from wyoming_fish.server.events import encode

from .player import RATE
from .texts import Text, written

# Seconds for a reply, with hundreds of others on a slow machine.
TIMEOUT: Final = 120.0


class Client(asyncio.Protocol):
    """One client and one reply. Audio is counted, not kept."""

    def __init__(self) -> None:
        self.first_audio = 0.0
        """Seconds from the first text to the first audio."""
        self.seconds = 0.0
        """Seconds of audio."""
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        # A failure is told by whoever waits; after it, nobody does.
        self._ended.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        self._began = 0.0
        self._head = b""
        self._skip = 0

    async def say(self, port: int, text: Text, pace: float) -> None:
        """Have the text spoken. Raises RuntimeError where it is not."""
        self._began = self._loop.time()
        transport, _ = await self._loop.create_connection(lambda: self, "127.0.0.1", port)
        try:
            transport.write(encode(SynthesizeStart().event()))
            async for piece in written(text.words, pace, self._began):
                if self._ended.done():
                    break
                transport.write(encode(SynthesizeChunk(piece).event()))
            if not self._ended.done():
                transport.write(encode(Synthesize("".join(text.words)).event()))
                transport.write(encode(SynthesizeStop().event()))
            async with asyncio.timeout(TIMEOUT):
                await self._ended
        finally:
            self._ended.cancel()
            transport.close()
        if not self.seconds:
            raise RuntimeError("A reply came without any audio.")

    def data_received(self, data: bytes) -> None:
        """Read the events' first lines, and pass over the rest."""
        while data:
            if self._skip:
                skipped = min(self._skip, len(data))
                self._skip -= skipped
                data = data[skipped:]
                continue
            line, end, data = data.partition(b"\n")
            self._head += line
            if end:
                self._event(json.loads(self._head))
                self._head = b""

    def connection_lost(self, error: Exception | None) -> None:
        """Fail, where that is not the end of the reply."""
        if not self._ended.done():
            self._ended.set_exception(RuntimeError("The server closed the connection."))

    def _event(self, head: dict[str, Any]) -> None:
        payload = head.get("payload_length", 0)
        self._skip = head.get("data_length", 0) + payload
        match head["type"]:
            case "audio-chunk":
                if not self.seconds:
                    self.first_audio = self._loop.time() - self._began
                self.seconds += payload / 2 / RATE
            case "synthesize-stopped" if not self._ended.done():
                self._ended.set_result(None)
            case "error" if not self._ended.done():
                self._ended.set_exception(RuntimeError("The server failed."))


async def crowd(port: int, number: int, text: Text, pace: float, within: float) -> list[Client]:
    """Have ``number`` clients say the text at once; they arrive evenly ``within`` these seconds."""
    clients = [Client() for _ in range(number)]

    async def arrive(position: int, client: Client) -> None:
        await asyncio.sleep(position * within / number)
        await client.say(port, text, pace)

    async with asyncio.TaskGroup() as group:
        for position, client in enumerate(clients):
            group.create_task(arrive(position, client))
    return clients
