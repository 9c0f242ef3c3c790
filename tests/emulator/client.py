"""A client of the live socket with no opinion of its own: it sends and shows what it is told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import ormsgpack
import websockets
from websockets.asyncio.client import ClientConnection, connect

from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault

Event = dict[str, Any]


class Live:
    def __init__(self, websocket: ClientConnection) -> None:
        self.websocket = websocket

    async def send(self, event: str, **fields: Any) -> Self:
        await self.websocket.send(ormsgpack.packb({"event": event, **fields}))
        return self

    async def start(self, **request: Any) -> Self:
        return await self.send("start", request={"text": "", "format": "pcm", **request})

    async def text(self, text: str) -> Self:
        return await self.send("text", text=text)

    async def flush(self) -> Self:
        return await self.send("flush")

    async def stop(self) -> Self:
        return await self.send("stop")

    async def receive(self) -> Event:
        message = await self.websocket.recv(decode=False)
        event: Event = ormsgpack.unpackb(message)
        return event

    async def audio(self) -> bytes:
        """The audio of the next event, which must be one."""
        event = await self.receive()
        assert event["event"] == "audio", event
        audio: bytes = event["audio"]
        return audio

    async def rest(self) -> tuple[list[bytes], Event]:
        """Audio events up to the event that is none, and that one."""
        heard = []
        while (event := await self.receive())["event"] == "audio":
            heard.append(event["audio"])
        return heard, event

    async def say(self, *texts: str, **request: Any) -> bytes:
        """Run a whole session, which must end well, and give its audio."""
        await self.start(**request)
        for text in texts:
            await self.text(text)
        await self.stop()
        heard, finish = await self.rest()
        assert (finish["event"], finish["reason"]) == ("finish", "stop")
        return b"".join(heard)

    async def until_closed(self) -> tuple[list[Event], int]:
        """All events to come and the code with which the socket then closes."""
        events = []
        try:
            while True:
                events.append(await self.receive())
        except websockets.ConnectionClosed:
            return events, self.websocket.close_code or 0


@asynccontextmanager
async def live(
    emulator: Emulator,
    key: str = "key",
    model: str | None = "s2.1-pro",
    path: str = "/v1/tts/live",
) -> AsyncIterator[Live]:
    """A socket that is open, with this key and `model` header."""
    headers = {"Authorization": f"Bearer {key}"} | ({"model": model} if model else {})
    async with connect(
        emulator.url.replace("http", "ws", 1) + path,
        additional_headers=headers,
        compression=None,
        max_size=None,
    ) as websocket:
        yield Live(websocket)


@asynccontextmanager
async def emulated(*faults: Fault, **settings: Any) -> AsyncIterator[Emulator]:
    """An emulator with the voice that encodes its text, unless told otherwise."""
    async with Emulator(
        EmulatorSettings(**{"voice": "code", "faults": list(faults)} | settings)
    ) as emulator:
        yield emulator
