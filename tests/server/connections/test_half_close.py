"""Clients that end their direction of the connection once they have asked."""

import asyncio
import json
import socket
import struct
from pathlib import Path

import pytest
from wyoming.client import AsyncTcpClient
from wyoming.event import Event, async_read_event
from wyoming.tts import Synthesize

from wyoming_fish.emulator import EmulatorSettings, Fault, decode_code_voice

from ...support.server import Reply, Served, Serving, check_envelope, receive

TEXT = "Good night. The doors are locked."

# Enough for several replies of who leaves, before the server could have finished one.
SLOW = EmulatorSettings(voice="code", first_audio=30)


def _event(event_type: str, **data: object) -> bytes:
    return json.dumps({"type": event_type, "data": data}).encode() + b"\n"


PLAIN = _event("synthesize", text=TEXT)
UNENDED = _event("synthesize-start") + _event("synthesize-chunk", text=TEXT)
STREAMED = UNENDED + _event("synthesize-stop")


async def _rest(reader: asyncio.StreamReader) -> Reply:
    events: list[Event] = []
    while (event := await async_read_event(reader)) is not None:
        events.append(event)
    return Reply(events)


@pytest.mark.parametrize("asked", [PLAIN, STREAMED, UNENDED], ids=["plain", "streamed", "unended"])
@pytest.mark.parametrize("kind", ["tcp", "unix"])
async def test_it_gets_its_reply(serving: Serving, kind: str, asked: bytes, tmp_path: Path) -> None:
    """It gets the whole reply and then the end; a streamed text without an end has ended."""
    path = tmp_path / "fish.sock"
    address = "tcp://127.0.0.1:0" if kind == "tcp" else f"unix://{path}"
    async with serving(EmulatorSettings(voice="code"), f"--uri={address}") as served:
        if kind == "tcp":
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        else:
            reader, writer = await asyncio.open_unix_connection(path)
        writer.write(asked)
        writer.write_eof()
        reply = await _rest(reader)
        check_envelope(reply, 44100, streamed=asked is not PLAIN)
        assert decode_code_voice(reply.pcm) == TEXT
        writer.close()


async def test_it_gets_all_that_it_asked_for(serving: Serving) -> None:
    """Replies that wait when it ends its direction are spoken, too."""
    async with serving(EmulatorSettings(voice="code")) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(PLAIN + STREAMED + _event("describe") + PLAIN)
        writer.write_eof()
        reply = await _rest(reader)
        assert reply.types.count("audio-stop") == 3
        assert decode_code_voice(reply.pcm) == 3 * TEXT
        writer.close()


async def _leave(served: Served, asked: bytes, *, reset: bool) -> None:
    client = socket.create_connection(("127.0.0.1", served.port))
    client.sendall(asked)
    await served.emulator.wait_for(lambda e: e.sessions_open == 1)
    if reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.parametrize("asked", [PLAIN, STREAMED, UNENDED], ids=["plain", "streamed", "unended"])
@pytest.mark.parametrize("reset", [False, True])
async def test_one_that_has_left_is_noticed(serving: Serving, asked: bytes, reset: bool) -> None:
    """A client that closes has not only ended its direction: its session is freed soon."""
    async with serving(SLOW) as served:
        async with asyncio.timeout(2):
            await _leave(served, asked, reset=reset)
            await served.emulator.wait_for(lambda e: e.sockets_open == 0)
        (session,) = served.emulator.sessions
        assert session.outcome == "left"


async def test_one_that_leaves_in_a_pause(serving: Serving) -> None:
    """One that leaves while no audio comes is noticed, too."""
    stalling = EmulatorSettings(frame=0.01, faults=[Fault("audio", "stall", at=2, times=None)])
    async with serving(stalling) as served:
        async with served.client() as client:
            await client.write_event(Synthesize(TEXT).event())
            await receive(client, "audio-chunk")
        async with asyncio.timeout(2):
            await served.emulator.wait_for(lambda e: e.sessions[0].outcome == "left")


async def test_one_that_asked_nothing(serving: Serving) -> None:
    """A client that ends its direction and has asked for nothing is closed immediately."""
    async with serving(EmulatorSettings()) as served, AsyncTcpClient("127.0.0.1", served.port):
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write_eof()
        async with asyncio.timeout(1):
            assert await reader.read() == b""
        writer.close()
