"""Where the websocket cannot be had, speech goes by REST."""

import asyncio
import contextlib
import subprocess
import sys

import pytest

from tests.fish.replies import SETTINGS, TEXT, fish, pool_of, speak, speech, words
from tests.support.idle_clock import pass_time, run
from tests.support.listening import listening
from wyoming_fish.emulator import Emulator, Fault
from wyoming_fish.emulator.settings import FaultKind
from wyoming_fish.fish import Backend, Endpoint
from wyoming_fish.fish.api.live_connection import OPEN_TIMEOUT_S, open_live_connection
from wyoming_fish.fish.connections.transport import FAILURE_THRESHOLD, OPEN_S, CircuitBreaker
from wyoming_fish.fish.errors import FishConnectionError, NoWebsocketError, UnavailableError

pytestmark = pytest.mark.usefixtures("brisk")

MISSING = Fault("upgrade", 404, times=None)


def _upgrades(emulator: Emulator) -> int:
    return sum(fault.point == "upgrade" for fault in emulator.struck)


@pytest.mark.parametrize("status", [403, 404, 405, 407, 426, 501, 301, 200])
async def test_without_a_websocket_it_is_spoken_by_rest(status: int) -> None:
    """However it is said that there is no websocket, all is heard, and it is asked for once."""
    async with fish(Fault("upgrade", status, times=None)) as (emulator, client):
        for _ in range(3):
            assert await speech(client) == TEXT
        assert _upgrades(emulator) == 1
        assert {session.socket for session in emulator.sessions} == {None}
        assert "".join(session.texts[0] for session in emulator.sessions) == TEXT * 3


@pytest.mark.parametrize("kind", [500, 503, "drop"])
async def test_a_websocket_that_keeps_failing(kind: FaultKind | int) -> None:
    """Where opening fails again and again, and REST speaks, it is left alone for a while."""
    async with fish(Fault("upgrade", kind, times=None)) as (emulator, client):
        for _ in range(3):
            assert await speech(client) == TEXT
        assert 3 <= _upgrades(emulator) <= 4


async def test_a_websocket_that_is_never_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """An opening that runs out of time is not waited for a second time."""
    monkeypatch.setattr("wyoming_fish.fish.api.live_connection.OPEN_TIMEOUT_S", 0.05)
    async with fish(Fault("upgrade", "stall", times=None)) as (emulator, client):
        assert await speech(client) == TEXT
        assert _upgrades(emulator) == 1


def test_replies_that_waited_in_vain_are_counted() -> None:
    """Where several have been given up, REST speaks, though an opening may yet come about."""

    async def wait() -> float:
        async with fish(Fault("upgrade", "stall", times=None)) as (_, client):

            async def give_up() -> None:
                with contextlib.suppress(FishConnectionError):
                    async for _ in speak(client, words(), SETTINGS, first_audio_timeout_s=2.0):
                        pass

            await asyncio.gather(*(give_up() for _ in range(FAILURE_THRESHOLD)))
            assert await speech(client) == TEXT
            return asyncio.get_running_loop().time()

    assert run(wait()) < OPEN_TIMEOUT_S


def test_a_detour_has_an_end() -> None:
    """Some minutes after REST has spoken in its place, the websocket is tried as at first."""

    async def taken() -> list[bool]:
        breaker = CircuitBreaker()
        for _ in range(FAILURE_THRESHOLD):
            breaker.record_failure()
        seen = [breaker.use_rest]
        breaker.record_rest_success()
        for seconds in (OPEN_S - 1.0, 2.0):
            await pass_time(seconds)
            seen.append(breaker.use_rest)
        return seen

    assert run(taken()) == [True, True, False]


async def test_a_refusal_by_rest_closes_idle_connections() -> None:
    """By REST too, it is not known whether Fish counts them."""
    async with fish() as (emulator, client):
        assert await speech(client) == TEXT
        assert client.status.idle
        pool_of(client).breaker.mark_unsupported()
        emulator.settings.faults.append(Fault("rest", 429))
        assert await speech(client) == TEXT
        await emulator.wait_for(lambda e: e.sockets_open == 0)


async def test_the_websocket_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some minutes the websocket is asked for again, and used where it is back."""
    monkeypatch.setattr("wyoming_fish.fish.connections.transport.OPEN_S", 0.3)
    async with fish(MISSING) as (emulator, client):
        assert await speech(client) == TEXT
        emulator.settings.faults.clear()
        emulator.sessions.clear()
        while await speech(client) == TEXT and emulator.sessions[-1].socket is None:
            pass
        assert emulator.sessions[-1].socket == 0


async def test_a_websocket_that_failed_is_tried_in_the_background(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What only failed may be back at once: then the next reply goes by websocket."""
    monkeypatch.setattr("wyoming_fish.fish.connections.opener.RETRY_DELAY_S", 0.0)
    monkeypatch.setattr("wyoming_fish.fish.connections.pool.PROVEN_AFTER_S", 0.05)
    async with fish(Fault("upgrade", 503, times=None)) as (emulator, client):
        assert await speech(client) == TEXT
        emulator.settings.faults.clear()
        client.prewarm(Backend.S2_1_PRO)
        await emulator.wait_for(lambda e: e.sockets_open == 1)
        while await speech(client) == TEXT and emulator.sessions[-1].socket is None:
            pass
        assert emulator.sessions[-1].socket == 0


async def test_both_ways_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither works, the error of the last try is told when the time is over."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.RETRY_TIMEOUT_S", 0.3)
    faults = [Fault("upgrade", 503, times=None), Fault("rest", 500, times=None)]
    async with fish(*faults) as (emulator, client):
        with pytest.raises(UnavailableError):
            await speech(client)
        points = [fault.point for fault in emulator.struck]
        # A failure of REST's sends the next tries back to the websocket.
        assert points[points.index("rest") :].count("upgrade") > 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 16\r\n\r\ninvalid protocol",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 308 Permanent Redirect\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    ],
)
async def test_answers_that_are_no_websocket(answer: bytes) -> None:
    """Whatever a server or a proxy says in a websocket's place, it is known that there is none."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with listening(reply) as port:
        with pytest.raises(NoWebsocketError):
            await open_live_connection(
                Endpoint("key", f"http://127.0.0.1:{port}"), Backend.S2_1_PRO
            )


async def test_a_proxy_that_lets_no_websocket_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment that refuses is known as such."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    monkeypatch.setenv("no_proxy", "")
    async with listening(reply) as port:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{port}")
        with pytest.raises(NoWebsocketError, match="403"):
            await open_live_connection(Endpoint("key", "http://fish.invalid"), Backend.S2_1_PRO)


def test_the_way_by_websocket_needs_no_aiohttp() -> None:
    """Starting up does not wait for what is needed only where speech goes by REST."""
    code = "import sys, wyoming_fish.fish; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
