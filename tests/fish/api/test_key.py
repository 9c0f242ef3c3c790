"""Where the key goes: to the address that it was set for, over a line that is checked."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from tests.fish.replies import SETTINGS, pool_of
from tests.support.certificates import self_signed
from wyoming_fish.emulator import Emulator, EmulatorSettings
from wyoming_fish.fish import Backend, Endpoint, FishClient
from wyoming_fish.fish.api.live_connection import open_live_connection
from wyoming_fish.fish.errors import FishConnectionError, FishError

KEY = "a-secret-key"


async def _by_websocket(endpoint: Endpoint) -> None:
    await (await open_live_connection(endpoint, Backend.S2_1_PRO, ssl_context=_context())).close()


async def _by_rest(endpoint: Endpoint) -> None:
    client = FishClient(endpoint, ssl_context=_context())
    try:
        async with (
            pool_of(client).acquire_rest() as rest,
            contextlib.aclosing(rest.speak("Hello.", SETTINGS)) as speech,
        ):
            await anext(speech)
    finally:
        await client.close()


async def _by_account(endpoint: Endpoint) -> None:
    async with FishClient(endpoint) as account:
        await account.credit()


def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


WAYS = [_by_websocket, _by_rest, _by_account]
Way = Callable[[Endpoint], Awaitable[None]]


@contextlib.asynccontextmanager
async def _server(
    answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncIterator[str]:
    """A web server that answers every request so; its host and port."""
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl_context).start()
        yield f"localhost:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(way: Way, status: int) -> None:
    """Whoever answers that Fish is elsewhere is not believed, and nobody else gets the key."""
    asked: list[str] = []

    async def elsewhere(request: web.BaseRequest) -> web.Response:
        asked.append(str(request.headers))
        return web.Response()

    async with _server(elsewhere) as other:

        async def redirect(request: web.BaseRequest) -> web.Response:
            return web.Response(status=status, headers={"Location": f"http://{other}/"})

        async with _server(redirect) as fish:
            with pytest.raises(FishError) as caught:
                await way(Endpoint(KEY, f"http://{fish}"))
    assert asked == []
    assert KEY not in repr(caught.value)


@pytest.mark.parametrize("way", WAYS)
async def test_certificates_are_checked(way: Way, tmp_path: Path) -> None:
    """A certificate that the system does not trust is an error, and the key is not sent."""
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append(str(request.headers))
        return web.Response()

    async with _server(answer, await asyncio.to_thread(self_signed, tmp_path)) as fish:
        with pytest.raises(FishConnectionError, match="certificate"):
            await way(Endpoint(KEY, f"https://{fish}"))
    assert asked == []


@pytest.mark.parametrize("way", WAYS)
async def test_one_proxy_for_all_ways(
    way: Way, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The environment's proxy is used by all that speaks to Fish, and a .netrc changes nothing."""
    asked: list[tuple[str, str]] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        asked.append((request.headers["Host"], request.headers.get("Authorization", "")))
        return web.Response(status=503)

    (tmp_path / ".netrc").write_text("default login somebody password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("no_proxy", "")
    async with _server(answer) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy}")
        with pytest.raises(FishError):
            await way(Endpoint(KEY, "http://fish.invalid"))
        # A tunnel, which the websocket asks for, is asked for without the key.
        tunnel = way is _by_websocket
        assert asked == [("fish.invalid", "" if tunnel else f"Bearer {KEY}")]
        asked.clear()
        monkeypatch.setenv("no_proxy", "fish.invalid")
        with pytest.raises(FishConnectionError):
            await way(Endpoint(KEY, "http://fish.invalid"))
        assert asked == []


@pytest.mark.parametrize("way", WAYS)
async def test_a_socks_proxy_is_passed_over(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of a kind that is not known is not used, and breaks nothing."""

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=503)

    monkeypatch.setenv("no_proxy", "")
    async with _server(answer) as fish:
        for name in ("all_proxy", "socks_proxy", "http_proxy"):
            monkeypatch.setenv(name, "socks5://127.0.0.1:1")
        with pytest.raises(FishError, match="503"):
            await way(Endpoint(KEY, f"http://{fish}"))


async def test_a_short_key_is_no_reason_to_change_names() -> None:
    """A self-hosted server's key may be a part of its voices' names, which stay as they are."""
    async with (
        Emulator(EmulatorSettings(voice="tone")) as emulator,
        FishClient(Endpoint("Coral", emulator.url)) as account,
    ):
        assert "Coral" in [voice.title for voice in await account.search()]
