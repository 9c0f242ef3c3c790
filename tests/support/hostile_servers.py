"""Servers that send what no honest one does: a Fish Audio, and a Wyoming voice."""

import asyncio
import base64
import contextlib
import hashlib
import re
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import ormsgpack

from tests.support.listening import listening

__all__ = [
    "HostileFish",
    "HostileVoice",
    "Send",
    "audio",
    "fish",
    "frame",
    "http",
    "map_of",
    "voice",
]

Send = Callable[[bytes], Awaitable[None]]
"""Writes, and waits while the other side has too much unread."""

# Of a websocket frame: the opcode of a message in bytes, and the length that means that it follows.
BINARY: Final = 2
LONGER: Final = 126

WEBSOCKET_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass
class HostileFish:
    """What a Fish Audio answers. Each connection is closed when its answer is written."""

    live: Callable[[Send], Awaitable[None]] | None = None
    """Speaks in a session by websocket; without it, there is none (404)."""
    answer: Callable[[Send], Awaitable[None]] | None = None
    """Answers every other request; without it, the answer is 404."""
    live_headers: bytes = b""
    """Of the answer to the upgrade."""
    url: str = ""


@contextlib.asynccontextmanager
async def fish(fish: HostileFish) -> AsyncIterator[HostileFish]:
    """Serve it on 127.0.0.1."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        head = await reader.readuntil(b"\r\n\r\n")
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", head)
        if key is not None and fish.live is not None:
            accept = base64.b64encode(hashlib.sha1(key[1] + WEBSOCKET_GUID).digest())  # noqa: S324
            await send(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                + fish.live_headers
                + b"Sec-WebSocket-Accept: "
                + accept
                + b"\r\n\r\n"
            )
            await _read_start(reader)
            await fish.live(send)
            # Until the other side has read it, and leaves.
            while await reader.read(2**16):
                pass
        elif key is None and fish.answer is not None:
            await fish.answer(send)
        else:
            await send(http(b"", b"404 Not Found"))

    async with listening(serve) as port:
        fish.url = f"http://127.0.0.1:{port}"
        yield fish


async def _read_start(reader: asyncio.StreamReader) -> None:
    """Read until the session has begun: a ping may come before its first message."""
    opcode = 0
    while opcode != BINARY:
        first, second = await reader.readexactly(2)
        opcode, length = first & 0x0F, second & 0x7F
        if length == LONGER:
            length = int.from_bytes(await reader.readexactly(2))
        # With its mask.
        await reader.readexactly(4 + length)


@dataclass
class HostileVoice:
    """What a Wyoming voice answers to its first event."""

    speak: Callable[[Send], Awaitable[None]]
    uri: str = ""


@contextlib.asynccontextmanager
async def voice(voice: HostileVoice) -> AsyncIterator[HostileVoice]:
    """Serve it on 127.0.0.1."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        await reader.readline()
        await voice.speak(send)

    async with listening(serve) as port:
        voice.uri = f"tcp://127.0.0.1:{port}"
        yield voice


def http(body: bytes, status: bytes = b"200 OK", headers: bytes = b"") -> bytes:
    """An answer of HTTP, to be followed by the end of the connection."""
    length = b"Content-Length: %d\r\n\r\n" % len(body)
    return b"HTTP/1.1 " + status + b"\r\nConnection: close\r\n" + headers + length + body


def frame(payload: bytes, opcode: int = 2, length: int | None = None) -> bytes:
    """A websocket frame, which may tell another length than it has."""
    return struct.pack(">BBQ", 0x80 | opcode, 127, length or len(payload)) + payload


def map_of(**message: object) -> bytes:
    """A message of Fish Audio's live protocol, in its frame."""
    return frame(ormsgpack.packb(message))


def audio(size: int) -> bytes:
    """An audio event of so many bytes of silence."""
    return map_of(event="audio", audio=bytes(size))
