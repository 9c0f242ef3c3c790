"""Proxies as people have them between this machine and a server."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from aiohttp import HttpVersion10, HttpVersion11, web

from .listening import join

# What a proxy does not pass on unless it is told to.
_HOP_BY_HOP = ("connection", "upgrade", "host", "transfer-encoding", "content-length")

PAGE = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@contextlib.asynccontextmanager
async def without_upgrade(
    url: str, http: Literal["1.0", "1.1"] = "1.1", refusal: int | None = None
) -> AsyncIterator[str]:
    """A reverse proxy in front of ``url`` that passes no upgrade on; its address.

    It asks the server by HTTP/1.1 or, as nginx does by itself, by 1.0. With ``refusal`` it is what
    answers an upgrade itself.
    """
    version = HttpVersion10 if http == "1.0" else HttpVersion11
    async with aiohttp.ClientSession(version=version, auto_decompress=False) as client:

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
            if refusal is not None and "Upgrade" in request.headers:
                return web.Response(status=refusal, text=PAGE, content_type="text/html")
            async with client.request(
                request.method, url + request.path_qs, headers=headers, data=await request.read()
            ) as behind:
                kept = {k: v for k, v in behind.headers.items() if k.lower() not in _HOP_BY_HOP}
                response = web.StreamResponse(status=behind.status, headers=kept)
                await response.prepare(request)
                async for data in behind.content.iter_any():
                    await response.write(data)
                await response.write_eof()
                return response

        async with http_server(answer) as address:
            yield address


@contextlib.asynccontextmanager
async def http_server(
    answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """A web server that gives ``answer`` to every request; its address."""
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@dataclass
class ForwardProxy:
    """What a forward proxy does, and what it was asked."""

    tunnels: int = 200
    """The status of its answer to CONNECT; with 200 there is a tunnel."""
    plain: int = 200
    """The status of its answer to a plain request; with 200 it is passed on."""
    login: str = ""
    """USER:PASSWORD that it wants, if any: else it answers 407."""
    port: int = 0
    asked: list[str] = field(default_factory=list)
    """The first line of each request."""

    def refusal(self, head: bytes) -> int:
        """The status that it answers to the request; 200: it lets it pass."""
        wanted = base64.b64encode(self.login.encode())
        if self.login and b"Basic " + wanted not in head:
            return 407
        return self.tunnels if head.startswith(b"CONNECT ") else self.plain


@contextlib.asynccontextmanager
async def forward_proxy(target: int, proxy: ForwardProxy) -> AsyncIterator[ForwardProxy]:
    """A proxy whose every host leads to port ``target`` of this machine."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            head = await reader.readuntil(b"\r\n\r\n")
            proxy.asked.append(head.split(b"\r\n", 1)[0].decode())
            if (status := proxy.refusal(head)) != 200:
                page = PAGE.encode()
                more = f"Content-Type: text/html\r\nContent-Length: {len(page)}\r\n"
                more += "Connection: close\r\n\r\n"
                writer.write(f"HTTP/1.1 {status} No\r\n{more}".encode() + page)
            else:
                behind = await asyncio.open_connection("127.0.0.1", target)
                if head.startswith(b"CONNECT "):
                    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    behind[1].write(head)
                await join((reader, writer), behind)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        proxy.port = server.sockets[0].getsockname()[1]
        yield proxy


def malformed_proxies(secret: str) -> list[str]:
    """Addresses of proxies as people mistype them, with a password in each."""
    login = f"user:{secret}"
    return [
        # Marks that should have been escaped.
        *(f"http://{login}{mark}1@proxy:3128" for mark in "#/?[\n\t"),
        *(f"http://user:1{mark}{secret}@proxy:3128" for mark in "#/?"),
        f"http://{login}#1",
        f"https://{login}#@proxy",
        # More than an address.
        *(f"http://{login}@proxy:3128{more}" for more in ("/path", "?query", "#fragment")),
        # What HTTP Basic authentication cannot send.
        f"http://us%3Aer:{secret}@proxy:3128",
        f"http://us%E2%82%ACer:{secret}@proxy:3128",
        f"http://{login}%E2%82%AC@proxy:3128",
        f"http://{login}\u20ac@proxy:3128",
        f"http://{login}%E9@proxy:3128",
        # Bad ports.
        *(f"http://{login}@proxy:{port}" for port in ("99999", "0", "-1", "port", "3128x")),
        # Bad hosts.
        *(f"http://{login}@{host}" for host in ("", ":3128", "[::1", "[zz]:1", "pro%xy", "a..b")),
        *(
            f"http://{login}@{host}"
            for host in ("pro xy", "pro\u2100xy", "x" * 70, "a,b", "-\u00df-;")
        ),
        f"{login}@:3128",
        # No @, or something else in its place.
        *(f"http://user{mark}{secret}" for mark in ":;,|"),
        f"http://{login}:proxy:3128",
        f"http://{login},proxy:3128",
        # Bad schemes.
        *(f"{scheme}://{login}@proxy:3128" for scheme in ("htp", "ftp", "https+http")),
        f"http:/{login}@proxy:3128",
    ]


def odd_proxies(secret: str, port: int) -> list[str]:
    """Addresses of a proxy at ``port`` of this machine that can be read, though not as intended."""
    return [
        f"http://user:{secret}@@127.0.0.1:{port}",
        f"http://us@er:{secret}@127.0.0.1:{port}",
        f"http://user:%zz{secret}%@127.0.0.1:{port}",
        f"http://user:{secret}\\@127.0.0.1:{port}",
        f"HTTP://user:{secret}\u00e9@127.0.0.1:{port}/",
        f"http://user:{secret} 1@127.0.0.1:{port}",
        f"http://{secret}@127.0.0.1:{port}",
        f"http://:{secret}@127.0.0.1:{port}",
        f"http:user:{secret}@127.0.0.1:{port}",
        f"user:{secret}:;,@127.0.0.1:{port}",
    ]
