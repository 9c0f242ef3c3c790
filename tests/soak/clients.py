"""The soak's clients: each does one thing on one connection, and tells what came of it."""

import asyncio
import contextlib
import random
import socket
from array import array
from collections.abc import AsyncIterator
from typing import Final

from wyoming.audio import AudioChunk
from wyoming.error import Error
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.tts import Synthesize, SynthesizeChunk, SynthesizeStart, SynthesizeStop

from tests.support.ways import CODE_SAMPLES
from wyoming_fish.emulator import decode_code_voice

__all__ = ["FAILED_OUTCOMES", "Clients"]

WORDS: Final = (
    "the a kitchen lights are off, and 21.5 degrees warm. Good night! Ja? 好的。 «Öl» well".split(
        " "
    )
)

# The receive buffer of a player, as microcontrollers have it; less than a kernel gives.
PLAYER_BUFFER_BYTES: Final = 4096
# How much longer than others' the texts are that players ask for: some seconds, so that what is not
# played yet fills all buffers.
PLAYER_LENGTH: Final = 30

# Seconds until the error of a reply that broke off has come behind the end of its audio, on a busy
# machine.
ERROR_TIMEOUT_S: Final = 10.0

FAILED_OUTCOMES: Final = (
    "hung",
    "dropped without an error",
    "lost or doubled",
    "refused without an error",
)


class _Peer:
    """A client's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def write(self, event: Event) -> None:
        await async_write_event(event, self._writer)

    async def write_bytes(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def read(self) -> Event | None:
        return await async_read_event(self._reader)


@contextlib.asynccontextmanager
async def _connected(port: int, *, small: bool = False) -> AsyncIterator[_Peer]:
    connection = socket.socket()
    if small:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PLAYER_BUFFER_BYTES)
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    except BaseException:
        connection.close()
        raise
    limit = PLAYER_BUFFER_BYTES if small else 2**16
    reader, writer = await asyncio.open_connection(sock=connection, limit=limit)
    try:
        yield _Peer(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


class Clients:
    """What clients do, drawn by chance."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    async def visit(self, port: int) -> str:
        """Do something with the server at this port; gives what came of it, in a few words."""
        (behavior,) = self._chance.choices(
            (self._listen, self._play, self._leave, self._stall, self._rave, self._write_on),
            # Playing takes a hundred times as long as the others.
            weights=(300, 10, 100, 100, 100, 50),
        )
        async with _connected(port, small=behavior == self._play) as peer:
            return await behavior(peer)

    def _text(self) -> str:
        return " ".join(self._chance.choices(WORDS, k=self._chance.randint(1, 60)))

    async def _ask(self, peer: _Peer, text: str) -> bool:
        """Ask for a text, streamed (true) or plain."""
        if self._chance.random() < 0.3:
            await peer.write(Synthesize(text).event())
            return False
        await peer.write(SynthesizeStart().event())
        at = 0
        while at < len(text):
            size = self._chance.randint(1, 40)
            await peer.write(SynthesizeChunk(text[at : at + size]).event())
            at += size
            await asyncio.sleep(self._chance.uniform(0, 0.01))
        await peer.write(SynthesizeStop().event())
        return True

    async def _listen(self, peer: _Peer) -> str:
        """Ask, listen to the end, and judge what was heard."""
        text = self._text()
        return await _hear(peer, text, streamed=await self._ask(peer, text), plays=False)

    async def _play(self, peer: _Peer) -> str:
        """Ask for much, and read it only as fast as it sounds, into small buffers."""
        text = " ".join(self._text() for _ in range(PLAYER_LENGTH))
        await peer.write(Synthesize(text).event())
        outcome = await _hear(peer, text, streamed=False, plays=True)
        return "played whole" if outcome == "whole" else outcome

    async def _leave(self, peer: _Peer) -> str:
        """Ask, and leave at some moment."""
        await self._ask(peer, self._text())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._chance.uniform(0, 0.2)):
                while await peer.read() is not None:
                    pass
        return "left"

    async def _stall(self, peer: _Peer) -> str:
        """Ask for much, and read nothing of it for a while."""
        await peer.write(Synthesize(self._text() * 20).event())
        await asyncio.sleep(self._chance.uniform(0, 1))
        return "stalled"

    async def _rave(self, peer: _Peer) -> str:
        """Send data that is not an event, or an event out of order."""
        rubbish = (
            b"GET / HTTP/1.1\r\n\r\n",
            b'{"type": "synthesize-chunk", "data": {"text": "x"}}\n',
            b'{"type": "synthesize", "data": {"text": 5}}\n',
            b'{"type": "x", "payload_length": 99999999999}\n',
            self._chance.randbytes(200) + b"\n",
        )
        await peer.write_bytes(self._chance.choice(rubbish))
        with contextlib.suppress(ConnectionError):
            await peer.read()
        return "raved"

    async def _write_on(self, peer: _Peer) -> str:
        """Be refused, and go on to write; whether the error is read all the same."""
        start, chunk = SynthesizeStart().event(), SynthesizeChunk(self._text()).event()
        refused_voice = Event("synthesize-start", {"voice": {"name": 5}})
        events, streamed = self._chance.choice(
            (([chunk], False), ([start, chunk, start], True), ([refused_voice], True))
        )
        for event in events:
            await peer.write(event)
        writing = asyncio.create_task(_write_without_end(peer, chunk))
        types: list[str] = []
        try:
            while (said := await peer.read()) is not None:
                types.append(said.type)
        except ConnectionError:
            pass
        finally:
            writing.cancel()
            await asyncio.wait((writing,))
        last = ["error", "synthesize-stopped"] if streamed else ["error"]
        if "audio-start" in types:
            last = ["audio-stop", "synthesize-stopped", "error"]
        return "refused" if types[-len(last) :] == last else "refused without an error"


def _without_silence(pcm: bytes) -> bytes:
    # It may be anywhere: the emulator, too, pauses within a word when the machine is busy.
    return array("h", filter(None, array("h", pcm))).tobytes()


async def _write_without_end(peer: _Peer, event: Event) -> None:
    with contextlib.suppress(ConnectionError):
        while True:
            await peer.write(event)
            # Others of this process want to write too.
            await asyncio.sleep(0.001)


async def _hear(peer: _Peer, text: str, *, streamed: bool, plays: bool) -> str:
    """Listen to the end, as fast as it sounds if it ``plays``, and judge what was heard."""
    pcm, failed = b"", False
    loop = asyncio.get_running_loop()
    played_until = 0.0
    event: Event | None = None
    with contextlib.suppress(ConnectionError):
        while (event := await peer.read()) is not None:
            pcm += event.payload or b""
            if plays and AudioChunk.is_type(event.type):
                played_until = max(played_until, loop.time()) + AudioChunk.from_event(event).seconds
                await asyncio.sleep(played_until - loop.time())
            failed = failed or Error.is_type(event.type)
            if event.type == ("synthesize-stopped" if streamed else "audio-stop"):
                break
    if failed:
        return "errors"
    if event is None or event.type not in ("synthesize-stopped", "audio-stop"):
        return "dropped without an error"
    try:
        heard = decode_code_voice(_without_silence(pcm), CODE_SAMPLES)
    except ValueError as error:
        heard = f"({error})"
    # What is blank at the very end is not spoken.
    if heard.strip() == text.strip():
        return "whole"
    # The error of a streamed reply that breaks off comes behind the end of its audio.
    with contextlib.suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(ERROR_TIMEOUT_S):
            late = await peer.read()
        if late is not None and Error.is_type(late.type):
            return "errors"
    print(f"Asked for:  {text!r}\nHeard:      {heard!r}", flush=True)
    return "lost or doubled"
