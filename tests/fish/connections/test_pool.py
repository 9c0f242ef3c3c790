"""Sockets: how they are opened, kept and let go."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from functools import partial

import pytest
from aiohttp import web

from tests.fish.replies import pool_of, speak
from tests.support.idle_clock import pass_time, run
from tests.support.listening import answering, listening
from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault
from wyoming_fish.fish import Backend, Endpoint, FishClient, SpeechSettings
from wyoming_fish.fish.connections.pool import TRIM_AFTER_S
from wyoming_fish.fish.errors import FishConnectionError, FishError, ProtocolError, UnavailableError


async def _text() -> AsyncIterator[str]:
    yield "Hello."


async def _speak(client: FishClient, backend: Backend = Backend.S2_1_PRO) -> None:
    async for _ in speak(client, _text(), SpeechSettings(backend=backend)):
        pass


def _has_opened(number: int, emulator: Emulator) -> bool:
    return emulator.sockets_opened == number


async def test_backends_do_not_share() -> None:
    """The model is fixed for each socket, so each backend has its own."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        client = FishClient(Endpoint("key", emulator.url), warm=0)
        for backend in (Backend.S1, Backend.S2_1_PRO, Backend.S1, Backend.S2_1_PRO):
            await _speak(client, backend)
        assert [session.backend for session in emulator.sessions] == [
            "s1",
            "s2.1-pro",
            "s1",
            "s2.1-pro",
        ]
        assert emulator.sockets_opened == 2
        await client.close()
        await emulator.wait_for(lambda e: e.sockets_open == 0)


async def test_a_warm_socket_waits() -> None:
    """A connection is open before it is needed, taken by the next reply, and used again."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        client = FishClient(Endpoint("key", emulator.url))
        client.prewarm(Backend.S1)
        await emulator.wait_for(lambda e: e.sockets_open == 1)
        for _ in range(4):
            await _speak(client, Backend.S1)
        assert {session.socket for session in emulator.sessions} == {0}
        assert emulator.sockets_opened == 1
        await client.close()
        await emulator.wait_for(lambda e: e.sockets_open == 0)


async def test_a_connection_that_fish_closes_is_replaced() -> None:
    """If Fish closes after each session, another connection is there for the next reply."""
    async with Emulator(EmulatorSettings(voice="tone", after_finish="close")) as emulator:
        client = FishClient(Endpoint("key", emulator.url))
        for number in range(1, 4):
            await _speak(client)
            await emulator.wait_for(partial(_has_opened, number + 1))
        await client.close()


async def test_a_second_reply_has_a_connection_before_it_needs_one() -> None:
    """While one reply speaks, a connection is opened as soon as the text of the next begins."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def text() -> AsyncIterator[str]:
        yield "Good "
        begun.set()
        await go_on.wait()
        yield "night."

    async def speak_it() -> None:
        async for _ in speak(client, text(), SpeechSettings()):
            pass

    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        client = FishClient(Endpoint("key", emulator.url))
        replies = [asyncio.create_task(speak_it()) for _ in range(3)]
        await emulator.wait_for(lambda e: e.sockets_open == 3)
        assert emulator.sessions == []
        go_on.set()
        await asyncio.gather(*replies)
        assert emulator.sockets_opened == 3
        assert begun.is_set()
        await client.close()


async def test_a_burst_leaves_no_crowd() -> None:
    """After many replies at the same time, one connection more than are kept warm is idle."""
    async with Emulator(EmulatorSettings(voice="tone", concurrency=50)) as emulator:
        client = FishClient(Endpoint("key", emulator.url), concurrency=50)
        await asyncio.gather(*(_speak(client) for _ in range(20)))
        assert emulator.sockets_opened > 2
        assert client.status.idle <= 2
        await emulator.wait_for(lambda e: e.sockets_open == client.status.idle)
        await client.close()


def test_texts_that_are_given_up_leave_no_crowd() -> None:
    """Connections for replies that never came are closed soon, all but those that are kept warm."""

    async def idle() -> int:
        async with Emulator(EmulatorSettings(voice="tone")) as emulator:
            client = FishClient(Endpoint("key", emulator.url))
            with contextlib.ExitStack() as texts:
                for _ in range(4):
                    texts.enter_context(pool_of(client).expect(Backend.S1))
                await emulator.wait_for(lambda e: e.sockets_open == 4)
            await pass_time(2 * TRIM_AFTER_S)
            await emulator.wait_for(lambda e: e.sockets_open <= 2)
            idle = client.status.idle
            await client.close()
            return idle

    assert run(idle()) == 2


async def test_the_connection_used_last_is_taken() -> None:
    """It is the least likely to have been dropped unseen."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        client = FishClient(Endpoint("key", emulator.url))
        await asyncio.gather(*(_speak(client) for _ in range(2)))
        assert client.status.idle == 2
        for _ in range(3):
            await _speak(client)
        assert len({session.socket for session in emulator.sessions[2:]}) == 1
        await client.close()


async def test_room_is_made_of_what_was_used_long_ago() -> None:
    """Where the limit lets none be opened, the connection used longest ago goes."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        client = FishClient(Endpoint("key", emulator.url), concurrency=2, warm=0)
        for backend in (Backend.S1, Backend.S2_PRO, Backend.S2_1_PRO, Backend.S2_PRO):
            await _speak(client, backend)
        assert emulator.sockets_opened == 3
        await client.close()


async def test_what_was_opened_later_is_not_evicted() -> None:
    """A connection that has died unseen says nothing of those that were opened since."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        client = FishClient(Endpoint("key", emulator.url), warm=0)
        await _speak(client, Backend.S1)
        began = asyncio.get_running_loop().time()
        await _speak(client, Backend.S2_PRO)
        pool_of(client).evict(opened_before=began)
        await emulator.wait_for(lambda e: e.sockets_open == 1)
        await _speak(client, Backend.S2_PRO)
        assert emulator.sockets_opened == 2
        await client.close()


async def test_all_backends_together_stay_within_the_limit() -> None:
    """Idle connections of one backend make room for those of another."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        client = FishClient(Endpoint("key", emulator.url), concurrency=3)
        most = 0
        for backend in (Backend.S1, Backend.S2_PRO, Backend.S2_1_PRO, Backend.S2_1_PRO_FREE) * 2:
            await asyncio.gather(*(_speak(client, backend) for _ in range(3)))
            await emulator.wait_for(lambda e: e.sockets_open <= 3)
            most = max(most, client.status.idle)
        assert most <= 3
        await client.close()


async def test_a_refusal_for_the_limit_closes_idle_connections() -> None:
    """It is not known whether Fish counts them, so they go when it refuses at the upgrade."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        client = FishClient(Endpoint("key", emulator.url))
        await _speak(client)
        emulator.settings.faults.append(Fault("upgrade", 429))
        await _speak(client, Backend.S1)
        assert len(emulator.struck) == 1
        await emulator.wait_for(lambda e: e.sockets_open == 1)
        await client.close()


async def test_the_limit_of_the_upgrade_is_learnt() -> None:
    """What Fish says in its answer to the upgrade is the limit, before any refusal."""
    async with Emulator(EmulatorSettings(voice="tone", concurrency=9)) as emulator:
        client = FishClient(Endpoint("key", emulator.url))
        await _speak(client)
        assert client.status.limit == 9
        await client.close()


async def test_a_socket_on_its_way_is_waited_for() -> None:
    """A reply that comes while its socket is being opened takes that one."""
    async with Emulator(EmulatorSettings(voice="tone", handshake=0.05)) as emulator:
        client = FishClient(Endpoint("key", emulator.url), concurrency=1)
        client.prewarm(Backend.S1)
        client.prewarm(Backend.S1)
        await _speak(client, Backend.S1)
        assert emulator.sockets_opened == 1
        await client.close()


async def test_a_quiet_house_holds_nothing_open() -> None:
    """After a while without use all sockets are closed, and the next use opens one again."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        client = FishClient(Endpoint("key", emulator.url), idle_timeout_s=0.02)
        await _speak(client)
        await emulator.wait_for(lambda e: e.sockets_open == 0)
        client.prewarm(Backend.S2_1_PRO)
        await emulator.wait_for(lambda e: e.sockets_open == 1)
        await emulator.wait_for(lambda e: e.sockets_open == 0)
        await client.close()


async def test_a_warm_socket_that_dies_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """If Fish closes idle connections, another one is there for the next reply."""
    monkeypatch.setattr("wyoming_fish.fish.connections.pool.PROVEN_AFTER_S", 0.01)
    async with Emulator(EmulatorSettings(voice="tone", idle_timeout=0.02)) as emulator:
        client = FishClient(Endpoint("key", emulator.url))
        client.prewarm(Backend.S2_1_PRO)
        await emulator.wait_for(lambda e: e.sockets_opened >= 3)
        await _speak(client)
        await client.close()
        assert [session.outcome for session in emulator.sessions] == ["finish"]


async def test_an_old_socket_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Fish would drop it, an idle socket gives way to a fresh one."""
    monkeypatch.setattr("wyoming_fish.fish.connections.pool.MAX_IDLE_AGE_S", 0.02)
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        client = FishClient(Endpoint("key", emulator.url))
        client.prewarm(Backend.S2_1_PRO)
        await emulator.wait_for(lambda e: e.sockets_opened >= 3)
        await emulator.wait_for(lambda e: e.sockets_open == 1)
        await client.close()


async def test_no_more_sockets_than_the_account_may_have() -> None:
    """Idle sockets and lent ones together stay within the account's limit."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        client = FishClient(Endpoint("key", emulator.url), concurrency=2, warm=5)
        await asyncio.gather(*(_speak(client) for _ in range(6)))
        assert emulator.sockets_opened == 2
        await client.close()


@pytest.mark.usefixtures("impatient")
async def test_warming_backs_off() -> None:
    """A Fish that refuses is not asked again at once; a reply asks it nevertheless."""
    faults = [Fault("upgrade", 503, times=None)]
    async with Emulator(EmulatorSettings(voice="tone", faults=faults)) as emulator:
        client = FishClient(Endpoint("key", emulator.url))
        client.prewarm(Backend.S1)
        await emulator.wait_for(lambda e: len(e.struck) == 1)
        # One more failure, and a reply would go by REST.
        for _ in range(2):
            with pytest.raises(UnavailableError):
                await _speak(client, Backend.S1)
            client.prewarm(Backend.S1)
        # The first reply may have waited for the connection that was being opened.
        assert len(emulator.struck) in (2, 3)
        await client.close()


async def test_closing_twice_and_while_lent() -> None:
    """Close may be called twice, and a socket that is lent is closed when it comes back."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        client = FishClient(Endpoint("key", emulator.url), warm=0)
        async with pool_of(client).acquire(Backend.S1):
            await client.close()
            assert emulator.sockets_open == 1
        await client.close()
        await emulator.wait_for(lambda e: e.sockets_open == 0)


async def test_key_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Not even the websocket library's debugging shows the key."""
    caplog.set_level(logging.DEBUG)
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        client = FishClient(Endpoint("very-secret-key", emulator.url))
        await _speak(client)
        await client.close()
    assert "very-secret-key" not in caplog.text


async def test_redirects_are_not_followed() -> None:
    """The key is for the address that it was given for, whatever that address answers."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    async with answering(answer) as url, FishClient(Endpoint("key", url), warm=0) as client:
        with pytest.raises(ProtocolError, match="307"):
            await _speak(client)
    kinds = ["/v1/health", "/v1/audio/speech", "/v1/models"]
    assert asked == ["/v1/tts/live", *kinds, "/v1/tts"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\nhello", b"SSH-2.0-x\r\n"])
async def test_a_server_that_is_no_fish(answer: bytes) -> None:
    """Whatever answers there, it is an error of ours that says so."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with listening(reply) as port:
        client = FishClient(Endpoint("key", f"http://127.0.0.1:{port}"))
        with pytest.raises(FishError):
            await _speak(client)
        await client.close()


@pytest.mark.usefixtures("impatient")
async def test_name_that_is_not_found() -> None:
    """A host that does not exist is a connection error."""
    with pytest.raises(FishConnectionError):
        await _speak(FishClient(Endpoint("key", "http://no-such-host.invalid")))
