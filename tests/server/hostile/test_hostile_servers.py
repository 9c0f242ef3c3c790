"""What hostile servers cost a real server of ours: an error for the reply, and no memory."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

import ormsgpack
import pytest
import pytest_asyncio

from tests.support.hostile_servers import (
    HostileFish,
    HostileVoice,
    Send,
    audio,
    fish,
    frame,
    http,
    map_of,
    voice,
)

from ...support.attacked import PING_LIMITS_S, Running, started

CONTROL = "x\n2026-01-01 INFO FORGED \x1b[31mred\x1b]0;title\x07\u202e"


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def by_fish() -> AsyncIterator[tuple[Running, HostileFish]]:
    """A server that speaks by a hostile Fish Audio."""
    async with fish(HostileFish()) as hostile, started(f"--base-url={hostile.url}") as running:
        # What is allocated once for all is allocated now.
        hostile.live = _refuse
        for _ in range(3):
            await running.ask()
        yield running, hostile


async def _refuse(send: Send) -> None:
    await send(map_of(event="error", error=CONTROL))


def _once(*parts: bytes) -> Callable[[Send], Awaitable[None]]:
    async def answer(send: Send) -> None:
        for part in parts:
            await send(part)

    return answer


def _endless(part: bytes, begin: bytes = b"") -> Callable[[Send], Awaitable[None]]:
    async def answer(send: Send) -> None:
        await send(begin)
        while True:
            await send(part)

    return answer


def _told(number: int) -> bytes:
    """Audio of which far more is told than can be."""
    segments = [{"text": "x", "start": 0.0, "end": 0.1}] * 2500
    return map_of(
        event="audio",
        audio=bytes(2),
        chunk_seq=number,
        chunk_audio_offset_sec=0.0,
        content="x" * 100_000,
        alignment={"segments": segments, "audio_duration": 0.1},
    )


# As large as a message may be, with as many values as fit.
WIDE = b"\x82\xa5event\xa3log\xa1x\xdd" + (900_000).to_bytes(4) + b"\x80" * 900_000

LIVE = {
    "large message": _endless(bytes(2**20), frame(b"", length=30_000_000)),
    "endless message": _endless(frame(bytes(2**16), opcode=0), b"\x02\x01x"),
    "many values": _once(frame(WIDE)),
    "deep": _once(frame(b"\x91" * 1_000_000)),
    "header without values": _once(frame(b"\xdd\xff\xff\xff\xff")),
    "large audio": _endless(audio(2**18 - 100)),
    "endless audio": _endless(audio(44_100)),
    "header of a WAV without an end": _once(
        map_of(event="audio", audio=b"RIFF1234WAVEjunk\xf0\xff\xff\xff")
    ),
    "told too much": _once(*map(_told, range(200)), map_of(event="error", error="x")),
    "long error": _once(map_of(event="error", error=CONTROL * 15_000)),
    "long reason": _once(
        map_of(event="finish", reason="error", message="invalid token" + CONTROL * 15_000)
    ),
    "not a message": _once(frame(ormsgpack.packb([1]))),
    "compressed": _once(b"\xc2\x01x"),
}


# A server that sends the smallest things without end, as fast as it can.
FLOODS = {
    "empty frames": _endless(b"\x81\x00" * 20_000),
    "text frames": _endless(b"\x81\x05abcde" * 5000),
    "empty pings": _endless(b"\x89\x00" * 20_000),
    "pings": _endless((b"\x89\x7d" + bytes(125)) * 2000),
    "pongs": _endless(b"\x8a\x00" * 20_000),
    "empty fragments": _endless(b"\x00\x00" * 20_000, b"\x02\x00"),
    "log events": _endless(map_of(event="log") * 3000),
    "a sample at a time": _endless(map_of(event="audio", audio=b"\x01\x00") * 2000),
    "half a sample at a time": _endless(map_of(event="audio", audio=b"\x01") * 2000),
}


@pytest.mark.parametrize("count", PING_LIMITS_S)
@pytest.mark.parametrize("name", FLOODS)
async def test_floods(by_fish: tuple[Running, HostileFish], name: str, count: int) -> None:
    """A flood of frames ends each reply with an error, and holds up neither pings nor memory."""
    running, hostile = by_fish
    hostile.live, hostile.live_headers = FLOODS[name], b"ratelimit-limit-concurrency: 50\r\n"
    with running.watched():
        replies = await running.check_floods(count)
    hostile.live_headers = b""
    for reply in replies:
        assert reply.types[-1] == "error"
        assert "with hardly any audio" in reply.error.text


@pytest.mark.parametrize("name", LIVE)
async def test_live(by_fish: tuple[Running, HostileFish], name: str) -> None:
    """Whatever comes by websocket, the reply ends with an error, and memory stays."""
    running, hostile = by_fish
    hostile.live = LIVE[name]
    with running.watched():
        reply = await running.ask()
    assert reply.types[-1] == "error"
    assert reply.error.text.isprintable()
    assert len(reply.error.text) < 1500


async def test_pings_without_end(by_fish: tuple[Running, HostileFish]) -> None:
    """Pings whose answers nobody reads do not pile up the answers."""
    running, hostile = by_fish
    connections = 0

    async def flood(send: Send) -> None:
        nonlocal connections
        connections += 1
        if connections > 1:
            await _refuse(send)
        for _ in range(600):
            await send(frame(bytes(125), opcode=9) * 500)

    hostile.live = flood
    with running.watched():
        assert (await running.ask()).types == ["error"]


async def test_a_limit_of_many_digits(by_fish: tuple[Running, HostileFish]) -> None:
    """A number of sessions that is not one is passed over."""
    running, hostile = by_fish
    hostile.live, hostile.live_headers = (
        _refuse,
        b"ratelimit-limit-concurrency: " + b"9" * 5000 + b"\r\n",
    )
    assert (await running.ask()).error.code == "request-refused"
    hostile.live_headers = b""


def _gzip(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = [packer.compress(bytes(2**20)) for _ in range(megabytes)]
    return b"".join((*packed, packer.flush()))


BOMB = _gzip(200)
GZIP = b"Content-Encoding: gzip\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: audio/pcm\r\nTransfer-Encoding: chunked\r\n\r\n"

REST = {
    "compressed audio": _once(http(BOMB, headers=GZIP)),
    "compressed refusal": _once(http(BOMB, b"400 Bad Request", GZIP)),
    "long refusal": _endless(bytes(2**16), b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "endless audio": _endless(b"10000\r\n" + bytes(2**16) + b"\r\n", CHUNKED),
    "endless headers": _endless(b"x: " + b"y" * 4000 + b"\r\n", b"HTTP/1.1 200 OK\r\n"),
    "endless short headers": _endless(b"x: y\r\n" * 2000, b"HTTP/1.1 200 OK\r\n"),
    "endless trailers": _endless(b"x: y\r\n" * 2000, CHUNKED + b"2\r\n\0\0\r\n0\r\n"),
    "control characters": _once(
        http(json.dumps({"message": CONTROL}).encode(), b"400 Bad Request")
    ),
}


@pytest.mark.parametrize("name", REST)
async def test_rest(by_fish: tuple[Running, HostileFish], name: str) -> None:
    """Whatever is answered to a request for speech, the reply ends with an error."""
    running, hostile = by_fish
    hostile.live, hostile.answer = None, REST[name]
    with running.watched():
        reply = await running.ask()
    assert reply.types[-1] == "error"
    assert reply.error.text.isprintable()


VOICES = {
    "compressed": http(BOMB, headers=GZIP),
    "large": http(b" " * 30 * 2**20),
    "many values": http(b'{"items": [' + b"{}," * 340_000 + b"{}]}"),
    "deep": http(b"[" * 200_000),
    "many digits": http(b'{"items": ' + b"9" * 100_000 + b"}"),
    "wide characters": http('{"items": "🐟'.encode() + b"x" * 1_000_000 + b'"}'),
    "many voices": http(
        json.dumps({"items": [{"_id": f"{n}", "title": CONTROL} for n in range(5000)]}).encode()
    ),
    "not a list": http(b'{"items": {}}'),
    "not an object": http(b"[]"),
}


@pytest.mark.parametrize("name", VOICES)
async def test_voices(name: str) -> None:
    """Whatever is answered about the account, it costs a line in the log, and pages answer."""
    asked, release = asyncio.Event(), asyncio.Event()

    async def answer(send: Send) -> None:
        asked.set()
        await release.wait()
        await send(VOICES[name])

    async with (
        fish(HostileFish(answer=answer)) as hostile,
        started(f"--base-url={hostile.url}", "--http=127.0.0.1:0") as running,
    ):
        await asked.wait()
        page = (await asyncio.to_thread(running.program.wait_for, r"http://127.0.0.1:(\d+)/"))[1]
        # What the page needs is allocated now.
        await _get(page, "/metrics")
        with running.watched():
            release.set()
            if name != "many voices":
                said = "Cannot list the voices: .* Check that the base URL"
                await asyncio.to_thread(running.program.wait_for, said)
            assert await _get(page, "/metrics") == 200
            assert await _get(page, "/readyz") == 503


async def _get(port: str, path: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    answer = await reader.read()
    writer.close()
    return int(answer.split()[1])


def _event(kind: str, payload: int = 0, **data: object) -> bytes:
    body = json.dumps(data).encode()
    head = {"type": kind, "data_length": len(body), "payload_length": payload}
    return json.dumps(head).encode() + b"\n" + body


def _chunk(size: int, rate: object = 22050, width: object = 2, channels: object = 1) -> bytes:
    return _event("audio-chunk", size, rate=rate, width=width, channels=channels) + bytes(size)


STOP = _event("audio-stop")

FALLBACK = {
    "endless line": _endless(b"x" * 2**16),
    "large data": _endless(b"x" * 2**16, b'{"type": "audio-chunk", "data_length": 1000000000}\n'),
    "deep data": _once(b'{"type": "x", "data_length": 60000}\n' + b"[" * 60_000),
    "large payload": _endless(
        bytes(2**16), _event("audio-chunk", 10**11, rate=8000, width=2, channels=2)
    ),
    "large other payload": _endless(bytes(2**16), _event("x", 10**11)),
    "endless audio": _endless(_chunk(44_100)),
    "endless events": _endless(_event("x")),
    "empty audio": _endless(_chunk(0) * 500),
    "a byte at a time": _endless(_chunk(1) * 500),
    "changing rates": _endless(b"".join(_chunk(3, 8000 + n % 3 * 50_000) for n in range(500))),
    "slow rate": _once(_chunk(4000, rate=1), STOP),
    "no rate": _once(_chunk(4000, rate=0), STOP),
    "rate of another type": _once(_chunk(4000, rate=True), STOP),
    "huge rate": _once(_chunk(4000, rate=10**300), STOP),
    "width": _once(_chunk(4000, width=7), STOP),
    "channels": _once(_chunk(4000, channels=9000), STOP),
    "half a sample": _once(_chunk(1), STOP),
    "no end": _once(_chunk(4000)),
    "control characters": _once(_event("error", text=CONTROL)),
    "long error": _endless(b"x" * 2**16, b'{"type": "error", "data_length": 20000000}\n'),
    "not text": _once(b"\xff\xfe\n"),
    "negative length": _once(b'{"type": "x", "payload_length": -1}\n'),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def by_voice() -> AsyncIterator[tuple[Running, HostileVoice]]:
    """A server that speaks by a hostile fallback voice."""
    async with (
        fish(HostileFish(answer=_once(http(b"", b"402 Payment Required")))) as hostile,
        voice(HostileVoice(_once(STOP))) as other,
        started(f"--base-url={hostile.url}", f"--fallback-uri={other.uri}") as running,
    ):
        other.speak = _once(_chunk(44_100), STOP)
        for _ in range(3):
            assert (await running.ask()).types[-1] == "audio-stop"
        yield running, other


@pytest.mark.parametrize("name", FALLBACK)
async def test_fallback(by_voice: tuple[Running, HostileVoice], name: str) -> None:
    """Whatever the fallback voice sends, the client gets Fish Audio's error, and memory stays."""
    running, other = by_voice
    other.speak = FALLBACK[name]
    with running.watched():
        reply = await running.ask()
    assert reply.types[-1] == "error"
    assert reply.error.code == "no-credit"


VOICE_FLOODS = ["endless events", "empty audio", "a byte at a time", "changing rates"]


@pytest.mark.parametrize("count", PING_LIMITS_S)
@pytest.mark.parametrize("name", VOICE_FLOODS)
async def test_a_flood_of_a_fallback_voice(
    by_voice: tuple[Running, HostileVoice], name: str, count: int
) -> None:
    """A flood of events ends each reply with an error, and does not hold up pings."""
    running, other = by_voice
    other.speak = FALLBACK[name]
    for reply in await running.check_floods(count):
        assert reply.error.code == "no-credit"
