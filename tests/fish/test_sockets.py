"""Sockets: how they are opened, kept and let go."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from wyoming_fish.emulator import Emulator, EmulatorSettings
from wyoming_fish.fish import Backend, Endpoint, Sockets, SpeechSettings, speak
from wyoming_fish.fish.errors import FishConnectionError, FishError, ProtocolError


async def _text() -> AsyncIterator[str]:
    yield "Hello."


async def _speak(sockets: Sockets, backend: Backend = Backend.S2_1_PRO) -> None:
    async for _ in speak(sockets, _text(), SpeechSettings(backend=backend)):
        pass


async def test_backends_do_not_share() -> None:
    """The model is fixed for each socket, so each backend has its own."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        sockets = Sockets(Endpoint("key", emulator.url))
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


async def test_idle_sockets_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket that nobody wants is closed after a while."""
    monkeypatch.setattr("wyoming_fish.fish.sockets.IDLE_TIME", 0.01)
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        sockets = Sockets(Endpoint("key", emulator.url))
        await _speak(sockets)
        await emulator.wait_for(lambda e: e.sockets_open == 0)
        await _speak(sockets)
        assert emulator.sockets_opened == 2
        await sockets.close()


async def test_closing_twice_and_while_lent() -> None:
    """Close may be called twice, and a socket that is lent is closed when it comes back."""
    async with Emulator(EmulatorSettings(voice="tone")) as emulator:
        sockets = Sockets(Endpoint("key", emulator.url))
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
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        with pytest.raises(ProtocolError, match="307"):
            await _speak(Sockets(Endpoint("key", f"http://127.0.0.1:{port}")))
    finally:
        await runner.cleanup()
    assert asked == ["/v1/tts/live"]


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\nhello", b"SSH-2.0-x\r\n"])
async def test_a_server_that_is_no_fish(answer: bytes) -> None:
    """Whatever answers there, it is an error of ours that says so."""

    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(FishError):
            await _speak(Sockets(Endpoint("key", f"http://127.0.0.1:{port}")))


async def test_name_that_is_not_found() -> None:
    """A host that does not exist is a connection error."""
    with pytest.raises(FishConnectionError):
        await _speak(Sockets(Endpoint("key", "http://no-such-host.invalid")))
