"""Proxies on the way: what passes is spoken, and what does not is told immediately."""

import asyncio
import contextlib
import json
import ssl
import traceback
from base64 import b64decode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest

from tests.fish.replies import TEXT, fish, pool_of, speech
from tests.support.certificates import self_signed
from tests.support.gateways import (
    ForwardProxy,
    forward_proxy,
    malformed_proxies,
    odd_proxies,
    without_upgrade,
)
from tests.support.listening import listening
from wyoming_fish.emulator import Fault
from wyoming_fish.fish import Endpoint, FishClient
from wyoming_fish.fish.api.proxies import proxy_for
from wyoming_fish.fish.errors import (
    CertificateError,
    FishConnectionError,
    FishError,
    ProtocolError,
    ProxyAddressError,
    ProxyError,
    RequestRefusedError,
)

SECRET = "s3cret-passw0rd"  # noqa: S105 - of nothing
# A name that no lookup knows: only a proxy leads there.
SOMEWHERE = "fish.invalid"


@pytest.fixture(autouse=True)
def _no_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "")


@contextlib.asynccontextmanager
async def _speaking(
    endpoint: Endpoint, ssl_context: ssl.SSLContext | None = None
) -> AsyncIterator[FishClient]:
    client = FishClient(endpoint, ssl_context=ssl_context)
    try:
        yield client
    finally:
        await client.close()


async def _told(endpoint: Endpoint) -> list[FishError]:
    """What a reply and the account say of an endpoint that cannot be used, without a retry."""
    errors = []
    async with _speaking(endpoint) as client, FishClient(endpoint) as account:
        for attempt in (speech(client), account.credit()):
            with pytest.raises(FishError) as caught:
                # A retry waits longer than that.
                async with asyncio.timeout(5):
                    await attempt
            errors.append(caught.value)
    return errors


@pytest.mark.parametrize("http", ["1.0", "1.1"])
@pytest.mark.parametrize("refusal", [None, 400, 403, 404, 426, 501])
async def test_a_reverse_proxy_without_upgrade_headers(
    http: Literal["1.0", "1.1"], refusal: int | None
) -> None:
    """What the server or the proxy answers to half an upgrade means that REST speaks."""
    async with fish() as (emulator, _):
        async with (
            without_upgrade(emulator.url, http, refusal) as url,
            _speaking(Endpoint("key", url)) as client,
        ):
            assert await speech(client) == TEXT
        assert emulator.sockets_opened == 0


async def test_the_servers_own_400_is_a_refusal() -> None:
    """A 400 in Fish Audio's form is about the request: REST would be answered the same."""
    async with fish(Fault("upgrade", 400, times=None)) as (emulator, client):
        with pytest.raises(RequestRefusedError):
            await speech(client)
        assert emulator.requests == []


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        (ForwardProxy(tunnels=403, plain=403), "does not allow a connection to fish.invalid"),
        (ForwardProxy(login="user:right"), "wants a user name and a password (407)"),
        (ForwardProxy(tunnels=405, plain=407), "proxy 127.0.0.1"),
    ],
)
async def test_a_proxy_that_refuses_is_told_immediately(
    monkeypatch: pytest.MonkeyPatch, scheme: str, proxy: ForwardProxy, said: str
) -> None:
    """What it wants is said, by a reply and by the account, without its own password."""
    proxy.asked.clear()
    async with forward_proxy(1, proxy):
        monkeypatch.setenv(f"{scheme}_proxy", f"http://user:{SECRET}@127.0.0.1:{proxy.port}")
        errors = await _told(Endpoint("key", f"{scheme}://{SOMEWHERE}"))
    for error in errors:
        assert isinstance(error, ProxyError)
        assert said in str(error)
        assert f"127.0.0.1:{proxy.port}" in str(error)
        assert SECRET not in repr(error) + "".join(traceback.format_exception(error))
    # The websocket's tunnel, then what kind of server it is, then one request each.
    assert len(proxy.asked) <= 4


async def test_a_proxy_that_wants_a_password_gets_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """User and password in its address are sent by every way."""
    async with (
        fish() as (emulator, _),
        forward_proxy(emulator.port, ForwardProxy(login="user:p@ss#/%")) as proxy,
    ):
        monkeypatch.setenv("http_proxy", f"http://user:p%40ss%23%2F%25@127.0.0.1:{proxy.port}")
        endpoint = Endpoint("key", f"http://{SOMEWHERE}")
        async with _speaking(endpoint) as client, FishClient(endpoint) as account:
            assert await speech(client) == TEXT
            assert (await account.credit()).amount == 10
            pool_of(client).breaker.mark_unsupported()
            assert await speech(client) == TEXT


async def test_a_proxy_without_tunnels_lets_rest_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where CONNECT is forbidden and plain requests are not, speech goes by REST."""
    async with (
        fish() as (emulator, _),
        forward_proxy(emulator.port, ForwardProxy(tunnels=403)) as proxy,
    ):
        monkeypatch.setenv("http_proxy", f"127.0.0.1:{proxy.port}")
        async with _speaking(Endpoint("key", f"http://{SOMEWHERE}")) as client:
            assert await speech(client) == TEXT


async def test_a_proxy_that_cannot_get_through_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy's 5xx passes, as a server's does."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.FIRST_DELAY_S", 0.005)
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.RETRY_TIMEOUT_S", 0.5)
    proxy = ForwardProxy(tunnels=503)
    async with forward_proxy(1, proxy):
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        errors = await _told(Endpoint("key", f"https://{SOMEWHERE}"))
    for error in errors:
        assert error.retryable
        assert "made no connection to fish.invalid:443 (503)" in str(error)
    assert len(proxy.asked) > 2


async def test_a_proxy_that_is_not_there_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error says that it is the proxy that cannot be reached."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.RETRY_TIMEOUT_S", 0.0)
    monkeypatch.setenv("https_proxy", f"http://user:{SECRET}@127.0.0.1:1")
    for error in await _told(Endpoint("key", f"https://{SOMEWHERE}")):
        assert "The proxy 127.0.0.1:1 cannot be reached: Connection refused." in str(error)
        assert SECRET not in repr(error) + "".join(traceback.format_exception(error))


@pytest.mark.parametrize("address", malformed_proxies(SECRET))
def test_an_address_that_is_not_valid_is_not_quoted(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """A mark that should have been escaped is told, and sends no part of a password anywhere."""
    monkeypatch.setenv("https_proxy", address)
    with pytest.raises(ProxyAddressError, match="HTTPS_PROXY is not valid") as caught:
        proxy_for(f"https://{SOMEWHERE}")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("address", odd_proxies(SECRET, 1))
async def test_an_odd_address_is_read_in_one_way(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """The websocket and REST go to the same proxy, and neither quotes the password."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.RETRY_TIMEOUT_S", 0.0)
    monkeypatch.setenv("https_proxy", address)
    for error in await _told(Endpoint("key", f"https://{SOMEWHERE}")):
        assert "The proxy 127.0.0.1:1 cannot be reached: Connection refused." in str(error)
        assert SECRET not in "".join(traceback.format_exception(error))


def test_a_socks_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here speaks SOCKS."""
    monkeypatch.setenv("https_proxy", f"socks5://user:{SECRET}@proxy:1080")
    assert proxy_for(f"https://{SOMEWHERE}") is None


@pytest.mark.parametrize("url", ["http://localhost:8080", "http://127.0.0.9", "http://[::1]:80"])
def test_this_machine_is_reached_without_a_proxy(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """A proxy on another machine would look for it there."""
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert proxy_for(url) is None
    assert proxy_for("http://192.168.1.5:8080") is not None


@pytest.mark.parametrize("status", [400, 500])
async def test_a_proxy_that_repeats_its_login(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """Without TLS, a proxy's answer can be anything; the login in it is not quoted."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        login = head.partition("Basic ")[2].split()[0]
        body = json.dumps({"message": f"{login} {b64decode(login).decode()} is wrong"}).encode()
        writer.write(b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)
        writer.write_eof()

    async with listening(answer) as port:
        monkeypatch.setenv("http_proxy", f"http://user:p%40ssword@127.0.0.1:{port}")
        monkeypatch.delenv("no_proxy", raising=False)
        async with FishClient(Endpoint("key", "http://fish.example")) as client:
            with pytest.raises(FishError, match=r"\*{20} user:\*{8} is wrong"):
                await client.credit()


def test_a_proxy_does_not_show_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even where all of an object is shown."""
    monkeypatch.setenv("https_proxy", f"http://user:{SECRET}@proxy:3128")
    proxy = proxy_for(f"https://{SOMEWHERE}")
    assert proxy is not None
    assert SECRET in proxy.url
    assert SECRET not in f"{proxy!r} {proxy}"


async def test_a_certificate_that_is_not_valid_is_told_immediately(tmp_path: Path) -> None:
    """No retry and no other way can mend it."""
    context = await asyncio.to_thread(self_signed, tmp_path)
    server = await asyncio.start_server(lambda _, w: w.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for error in await _told(Endpoint("key", f"https://localhost:{port}")):
            assert isinstance(error, CertificateError)
            assert f"The server localhost:{port} has no valid certificate" in str(error)


async def test_a_server_without_tls_is_told_immediately() -> None:
    """https:// instead of http:// is a slip of the pen, and is told as one."""
    async with fish() as (emulator, _):
        for error in await _told(Endpoint("key", f"https://127.0.0.1:{emulator.port}")):
            assert isinstance(error, ProtocolError)
            assert "does not speak TLS" in str(error)


async def test_an_address_that_nobody_listens_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """By every way the server is named, and the reason is the system's own."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.RETRY_TIMEOUT_S", 0.0)
    for error in await _told(Endpoint("key", "http://127.0.0.1:1")):
        assert isinstance(error, FishConnectionError)
        assert "The server 127.0.0.1:1 cannot be reached: Connection refused." in str(error)
