"""Sockets: how they are opened, kept and let go."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from tests.listening import listening
from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault
from wyoming_fish.fish import Backend, Endpoint, Sockets, SpeechSettings, speak
from wyoming_fish.fish.errors import FishConnectionError, FishError, ProtocolError, UnavailableError


async def _text() -> AsyncIterator[str]:
    yield "Hello."


async def _speak(sockets: Sockets, backend: Backend = Backend.S2_1_PRO) -> None:
    async for _ in speak(sockets, _text(), SpeechSettings(backend=backend)):
        pass


async def test_backends_do_not_share() -> None:
    """The model is fixed for each socket, so each backend has its own."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        sockets = Sockets(Endpoint("key", emulator.url), warm=0)
        for backend in (Backend.S1, Backend.S2_1_PRO, Backend.S1, Backend.S2_1_PRO):
            await _speak(sockets, backend)
        assert [session.backend for session in emulator.sessions] == [
            "s1",
            "s2.1-pro",
            "s1",
            "s2.1-pro",
        ]
        assert emulator.sockets_opened == 2
        await sockets.close()
        await emulator.wait_for(lambda e: e.sockets_open == 0)


async def test_a_warm_socket_waits() -> None:
    """A socket is open before it is needed, taken by the next reply, and replaced."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        sockets = Sockets(Endpoint("key", emulator.url))
        sockets.warm(Backend.S1)
        await emulator.wait_for(lambda e: e.sockets_open == 1)
        await _speak(sockets, Backend.S1)
        assert emulator.sessions[0].socket == 0
        await emulator.wait_for(lambda e: e.sockets_opened == 2)
        # Both are kept, so nothing more is opened.
        for _ in range(3):
            await _speak(sockets, Backend.S1)
        assert emulator.sockets_opened == 2
        await sockets.close()
        await emulator.wait_for(lambda e: e.sockets_open == 0)


async def test_a_socket_on_its_way_is_waited_for() -> None:
    """A reply that comes while its socket is being opened takes that one."""
    async with Emulator(EmulatorSettings(voice="tone", handshake=0.05)) as emulator:
        sockets = Sockets(Endpoint("key", emulator.url), concurrency=1)
        sockets.warm(Backend.S1)
        sockets.warm(Backend.S1)
        await _speak(sockets, Backend.S1)
        assert emulator.sockets_opened == 1
        await sockets.close()


async def test_a_quiet_house_holds_nothing_open() -> None:
    """After a while without use all sockets are closed, and the next use opens one again."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        sockets = Sockets(Endpoint("key", emulator.url), quiet_time=0.02)
        await _speak(sockets)
        await emulator.wait_for(lambda e: e.sockets_open == 0)
        sockets.warm(Backend.S2_1_PRO)
        await emulator.wait_for(lambda e: e.sockets_open == 1)
        await emulator.wait_for(lambda e: e.sockets_open == 0)
        await sockets.close()


async def test_a_warm_socket_that_dies_is_replaced() -> None:
    """Where Fish closes idle sockets, another one is there for the next reply."""
    async with Emulator(EmulatorSettings(voice="tone", idle_timeout=0.02)) as emulator:
        sockets = Sockets(Endpoint("key", emulator.url))
        sockets.warm(Backend.S2_1_PRO)
        await emulator.wait_for(lambda e: e.sockets_opened >= 3)
        await _speak(sockets)
        await sockets.close()
        assert [session.outcome for session in emulator.sessions] == ["finish"]


async def test_an_old_socket_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before Fish would drop it, an idle socket gives way to a fresh one."""
    monkeypatch.setattr("wyoming_fish.fish.sockets.REFRESH", 0.02)
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        sockets = Sockets(Endpoint("key", emulator.url))
        sockets.warm(Backend.S2_1_PRO)
        await emulator.wait_for(lambda e: e.sockets_opened >= 3)
        await emulator.wait_for(lambda e: e.sockets_open == 1)
        await sockets.close()


async def test_no_more_sockets_than_the_account_may_have() -> None:
    """Idle sockets and lent ones together stay within the account's limit."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        sockets = Sockets(Endpoint("key", emulator.url), concurrency=2, warm=5)
        await asyncio.gather(*(_speak(sockets) for _ in range(6)))
        assert emulator.sockets_opened == 2
        await sockets.close()


@pytest.mark.usefixtures("impatient")
async def test_warming_backs_off() -> None:
    """A Fish that refuses is not asked again at once; a reply asks it nevertheless."""
    faults = [Fault("upgrade", 503, times=None)]
    async with Emulator(EmulatorSettings(voice="tone", faults=faults)) as emulator:
        sockets = Sockets(Endpoint("key", emulator.url))
        sockets.warm(Backend.S1)
        await emulator.wait_for(lambda e: len(e.struck) == 1)
        for _ in range(2):
            with pytest.raises(UnavailableError):
                await _speak(sockets, Backend.S1)
            sockets.warm(Backend.S1)
        assert len(emulator.struck) == 3
        await sockets.close()


async def test_closing_twice_and_while_lent() -> None:
    """Close may be called twice, and a socket that is lent is closed when it comes back."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        sockets = Sockets(Endpoint("key", emulator.url), warm=0)
        async with sockets.lend(Backend.S1):
            await sockets.close()
            assert emulator.sockets_open == 1
        await sockets.close()
        await emulator.wait_for(lambda e: e.sockets_open == 0)


async def test_key_is_never_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Not even the websocket library's debugging shows the key."""
    caplog.set_level(logging.DEBUG)
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        sockets = Sockets(Endpoint("very-secret-key", emulator.url))
        await _speak(sockets)
        await sockets.close()
    assert "very-secret-key" not in caplog.text


async def test_redirects_are_not_followed() -> None:
    """The key is for the address that it was given for, whatever that address answers."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=307, headers={"Location": "/elsewhere"})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        sockets = Sockets(Endpoint("key", f"http://127.0.0.1:{runner.addresses[0][1]}"), warm=0)
        with pytest.raises(ProtocolError, match="307"):
            await _speak(sockets)
        await sockets.close()
    finally:
        await runner.cleanup()
    assert asked == ["/v1/tts/live", "/v1/health", "/v1/tts"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\nhello", b"SSH-2.0-x\r\n"])
async def test_a_server_that_is_no_fish(answer: bytes) -> None:
    """Whatever answers there, it is an error of ours that says so."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with listening(reply) as port:
        sockets = Sockets(Endpoint("key", f"http://127.0.0.1:{port}"))
        with pytest.raises(FishError):
            await _speak(sockets)
        await sockets.close()


@pytest.mark.usefixtures("impatient")
async def test_name_that_is_not_found() -> None:
    """A host that does not exist is a connection error."""
    with pytest.raises(FishConnectionError):
        await _speak(Sockets(Endpoint("key", "http://no-such-host.invalid")))
