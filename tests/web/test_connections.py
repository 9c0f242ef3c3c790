"""Connections to the page that mean no good: others are served as if alone."""

import asyncio
import contextlib

import pytest

from tests.support.hosts import two_hosts
from wyoming_fish.emulator import EmulatorSettings, decode_code_voice

from ..support.server import Served, Serving
from ..support.visiting import (
    HEADER,
    HTTP,
    TEXT,
    ask,
    connect,
    posted,
    read_to_end,
    visitor,
    wanted,
)

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

# More than a kernel takes of what nobody reads.
ENOUGH_TO_FILL_BUFFERS = 2**25


async def _is_alive(served: Served) -> bool:
    return (await ask(served, HEALTH)).startswith(b"HTTP/1.1 200 ")


HEAD, BODY = posted(TEXT).split(b"\r\n\r\n")


async def _in_hand(
    stack: contextlib.AsyncExitStack, served: Served, host: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection whose request the page has begun to answer, while its body is still to come."""
    reader, writer = await connect(served, host)
    stack.callback(writer.close)
    writer.write(HEAD + b"\r\nExpect: 100-continue\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    return reader, writer


@pytest.mark.parametrize("bound", ["MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_ADDRESS"])
@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
async def test_the_oldest_makes_room(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, bound: str, said: bytes
) -> None:
    """However many say nothing, or not all of it, the next one is served in place of the oldest."""
    monkeypatch.setattr(f"wyoming_fish.web.connections.{bound}", 3)
    async with contextlib.AsyncExitStack() as stack:
        served = await stack.enter_async_context(serving(EmulatorSettings(), HTTP))
        readers = []
        for _ in range(5):
            reader, writer = await connect(served)
            stack.callback(writer.close)
            writer.write(said)
            readers.append(reader)
        for reader in readers[:2]:
            assert await read_to_end(reader) == b""
        assert await _is_alive(served)
        # Which took the place of the third one.
        assert await read_to_end(readers[2]) == b""
        assert not readers[3].at_eof()


async def test_who_asks_is_closed_after_who_does_not(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection whose request is in hand is closed after those that have not asked."""
    monkeypatch.setattr("wyoming_fish.web.connections.MAX_CONNECTIONS", 2)
    async with contextlib.AsyncExitStack() as stack:
        served = await stack.enter_async_context(serving(EmulatorSettings(), HTTP))
        reader, writer = await _in_hand(stack, served, "127.0.0.1")
        for _ in range(3):
            _, other = await connect(served)
            stack.callback(other.close)
        assert await _is_alive(served)
        writer.write(BODY)
        assert (await read_to_end(reader)).startswith(b"HTTP/1.1 200 ")


async def test_an_address_closes_its_own(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many, one of the address that has the most is closed, and of no other."""
    monkeypatch.setattr("wyoming_fish.web.connections.MAX_CONNECTIONS", 4)
    async with contextlib.AsyncExitStack() as stack:
        served = await stack.enter_async_context(serving(EmulatorSettings(), HTTP))
        reader, writer = await connect(served, "127.0.0.2")
        stack.callback(writer.close)
        for _ in range(10):
            _, other = await connect(served, "127.0.0.3")
            stack.callback(other.close)
        assert await _is_alive(served)
        writer.write(HEALTH)
        assert (await read_to_end(reader)).startswith(b"HTTP/1.1 200 ")


def test_a_network_closes_its_own(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """The addresses of one IPv6 network have half as many again as one of them."""
    monkeypatch.setattr("wyoming_fish.web.connections.MAX_CONNECTIONS_PER_ADDRESS", 4)
    addresses = [f"fd79::{number}" for number in range(1, 9)]

    async def run() -> None:
        async with contextlib.AsyncExitStack() as stack:
            served = await stack.enter_async_context(serving(EmulatorSettings(), "--http=[::1]:0"))
            await stack.enter_async_context(asyncio.timeout(5))
            pairs = [await connect(served, address) for address in addresses]
            for _, writer in pairs:
                stack.callback(writer.close)
            for reader, _ in pairs[:2]:
                assert await read_to_end(reader) == b""
            reader, writer = pairs[-1]
            writer.write(HEALTH)
            assert (await read_to_end(reader)).startswith(b"HTTP/1.1 200 ")
            assert not any(reader.at_eof() for reader, _ in pairs[2:-1])

    with two_hosts() as (here, _):
        for address in addresses:
            here.ip("address", "add", f"{address}/64", "dev", "lo", "nodad")
        here.run(run)


async def test_requests_take_turns(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many requests come at the same time, others are served between two of them."""
    monkeypatch.setattr("wyoming_fish.fish.cpu_turns.CPU_TURN_S", 0.0)
    answered: list[int] = []
    iterations = 0

    async def count_iterations() -> None:
        nonlocal iterations
        while True:
            await asyncio.sleep(0)
            iterations += 1

    async def wait_for_answer(reader: asyncio.StreamReader) -> None:
        assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
        answered.append(iterations)

    async with serving(EmulatorSettings(), HTTP) as served:
        pairs = [await connect(served) for _ in range(20)]
        assert await _is_alive(served)
        counting = asyncio.create_task(count_iterations())
        for _, writer in pairs:
            writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.gather(*(wait_for_answer(reader) for reader, _ in pairs))
        counting.cancel()
        for _, writer in pairs:
            writer.close()
    assert len(set(answered)) > len(pairs) / 2


async def test_speech_is_not_closed_for_others(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply that is being spoken reaches its end, whoever else comes."""
    monkeypatch.setattr("wyoming_fish.web.connections.MAX_CONNECTIONS", 2)
    settings = EmulatorSettings(voice="code", pace=3, frame=0.02)
    async with contextlib.AsyncExitStack() as stack:
        served = await stack.enter_async_context(serving(settings, HTTP))
        session = await stack.enter_async_context(visitor(served))
        response = await stack.enter_async_context(session.post("/api/speak", json=wanted(TEXT)))
        for _ in range(3):
            await _in_hand(stack, served, "127.0.0.2")
        assert await _is_alive(served)
        assert decode_code_voice((await response.read())[HEADER:]) == TEXT


async def test_a_head_that_drips(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request's head has so many seconds, and a byte now and then gives it no more."""
    monkeypatch.setattr("wyoming_fish.web.connections.HEAD_TIMEOUT_S", 0.05)
    async with serving(EmulatorSettings(), HTTP) as served, asyncio.timeout(5):
        reader, writer = await connect(served)
        writer.write(b"GET / HTTP/1.1\r\nX: ")
        ending = asyncio.create_task(read_to_end(reader))
        while not ending.done():
            writer.write(b"x")
            await asyncio.sleep(0.01)
        assert ending.result() == b""
        writer.close()


async def test_a_body_that_drips(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """So has its body, and the client is told."""
    monkeypatch.setattr("wyoming_fish.web.speech_api.BODY_TIMEOUT_S", 0.05)
    monkeypatch.setattr("wyoming_fish.web.connections.LINGER_TIMEOUT_S", 0.05)
    async with serving(EmulatorSettings(), HTTP) as served, asyncio.timeout(5):
        assert (await ask(served, posted(TEXT)[:-1])).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"X: x\r\n" * 100_000, id="many"),
        pytest.param(b"X: " + b"x" * 1_000_000, id="long"),
        pytest.param(b"Cookie: " + b"x" * 8000 + b"\r\n", id="no end"),
    ],
)
async def test_a_head_that_is_too_large(serving: Serving, head: bytes) -> None:
    """More than a browser has to say is not kept, and not waited for."""
    async with serving(EmulatorSettings(), HTTP) as served, asyncio.timeout(5):
        answer = await ask(served, b"GET / HTTP/1.1\r\nHost: localhost\r\n" + head * 5)
        assert answer == b"" or answer.startswith(b"HTTP/1.0 400 ")


async def test_one_request_each(serving: Serving) -> None:
    """A connection has one answer, however many requests it sends without waiting."""
    async with serving(EmulatorSettings(), HTTP) as served:
        answer = await ask(served, HEALTH * 1000)
    assert answer.count(b"HTTP/1.1 200 ") == 1
    assert b"\r\nConnection: close\r\n" in answer


async def test_requests_without_end(serving: Serving) -> None:
    """A client that goes on to send others while its request is answered is closed."""
    settings = EmulatorSettings(voice="code", first_audio=60)
    async with serving(settings, HTTP) as served, asyncio.timeout(5):
        reader, writer = await connect(served)
        writer.write(posted(TEXT))
        await served.emulator.wait_for(lambda e: e.sessions_open == 1)
        writer.write(HEALTH * 10_000)
        assert await read_to_end(reader) == b""
        await served.emulator.wait_for(lambda e: e.sessions_open == 0)
        writer.close()


async def test_a_body_without_end(serving: Serving) -> None:
    """It is refused, and read no further than the answer needs."""
    async with serving(EmulatorSettings(), HTTP) as served, asyncio.timeout(5):
        _, writer = await connect(served)
        writer.write(
            b"POST /api/speak HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 10000000000\r\n\r\n"
        )
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < ENOUGH_TO_FILL_BUFFERS:
                writer.write(bytes(2**16))
                sent += 2**16
                await writer.drain()
        assert sent < ENOUGH_TO_FILL_BUFFERS
        writer.close()
