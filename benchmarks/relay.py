"""`python -m benchmarks.relay FISH_URL`: a bare relay between Wyoming and Fish Audio.

The least that streams both ways, of the `wyoming` package's own server and of `websockets`. It
opens a websocket at `synthesize-start`, and once that is open forwards each piece of text as it
comes. After an end mark that a space follows it sends a flush. It gives each audio event on as
one `audio-chunk`. No warm sockets, no retry, no bounds, no check of anything, no abbreviations,
no audio clock, no bridged pauses, no `audio-stop` before its time or after a failure; a client
that leaves is noticed when it is written to.
"""

import asyncio
import re
import sys
from typing import Final

import ormsgpack
from websockets.asyncio.client import ClientConnection, connect
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.info import Attribution, Info, TtsProgram, TtsVoice
from wyoming.server import AsyncEventHandler
from wyoming.tts import SynthesizeStopped

RATE: Final = 44100
REQUEST: Final = {"text": "", "format": "pcm", "sample_rate": RATE, "latency": "balanced"}
HEADERS: Final = {"Authorization": "Bearer key", "model": "s2.1-pro"}
ATTRIBUTION: Final = Attribution("", "")
VOICE: Final = TtsVoice("default", ATTRIBUTION, True, None, None, ["en"])
PROGRAM: Final = TtsProgram(
    "relay", ATTRIBUTION, True, None, None, [VOICE], supports_synthesize_streaming=True
)


class Relay(AsyncEventHandler):
    """One client."""

    def __init__(
        self, url: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        super().__init__(reader, writer)
        self._url = url
        self._websocket: ClientConnection | None = None
        self._speaking: asyncio.Task[None] | None = None
        self._last = ""

    async def handle_event(self, event: Event) -> bool:
        """Forward one event."""
        match event.type:
            case "describe":
                await self.write_event(Info(tts=[PROGRAM]).event())
            case "synthesize-start":
                self._websocket = await connect(
                    self._url, additional_headers=HEADERS, compression=None, max_size=None
                )
                await self._send("start", request=REQUEST)
                self._speaking = asyncio.create_task(self._speak(self._websocket))
            case "synthesize-chunk":
                await self._add(event.data["text"])
            case "synthesize-stop" if self._speaking is not None:
                await self._send("stop")
                await self._speaking
        return True

    async def disconnect(self) -> None:
        """Forget what a client that left has asked for."""
        if self._speaking is not None:
            self._speaking.cancel()

    async def _add(self, text: str) -> None:
        # An end mark may have come with the piece before.
        while end := re.search(r"[.!?]\s", self._last + text):
            at = end.end() - 1 - len(self._last)
            if at:
                await self._send("text", text=text[:at])
            await self._send("flush")
            text, self._last = text[at:], ""
        await self._send("text", text=text)
        self._last = text[-1:]

    async def _send(self, event: str, **fields: object) -> None:
        if self._websocket is not None:
            await self._websocket.send(ormsgpack.packb({"event": event, **fields}))

    async def _speak(self, websocket: ClientConnection) -> None:
        samples = 0
        async for message in websocket:
            event = ormsgpack.unpackb(message)  # type: ignore[arg-type] # all are binary
            if event["event"] == "finish":
                break
            if not samples:
                await self.write_event(AudioStart(RATE, 2, 1, 0).event())
            pcm, timestamp = event["audio"], samples * 1000 // RATE
            await self.write_event(AudioChunk(RATE, 2, 1, pcm, timestamp).event())
            samples += len(pcm) // 2
        await self.write_event(AudioStop(samples * 1000 // RATE).event())
        await self.write_event(SynthesizeStopped().event())
        await websocket.close()


async def main(url: str) -> None:
    """Serve until the end of the process."""
    live = url.replace("http", "ws") + "/v1/tts/live"

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Relay(live, reader, writer).run()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    print(f"Ready on tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
