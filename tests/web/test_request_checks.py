"""Who may ask the server by HTTP, and what no answer gives away."""

import json
import re

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.processes import ROOT
from wyoming_fish.emulator import EmulatorSettings
from wyoming_fish.web.request_checks import check_request

from ..support.server import Serving
from ..support.visiting import HTTP, TEXT, visitor, wanted

PATHS = ("/", "/page.js", "/page.css", "/healthz", "/readyz", "/metrics", "/api/state")


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "127.0.0.1:10280", "[::1]:80", "192.168.1.5", "wyoming-fish:10280"),
        *("Fish.LOCAL", "fish.local.", "fish.home.arpa", "10280"),
        *("fish.fritz.box", "fish.tail1234.ts.net:10280", "nas.localdomain", "nas.corp"),
        *("nas.intranet", "nas.lan", "nas.home", "nas.private"),
    ],
)
async def test_names_of_the_house(serving: Serving, host: str) -> None:
    """Addresses, and names that nobody can have in the Internet's DNS, are served."""
    async with (
        serving(EmulatorSettings(), HTTP) as served,
        visitor(served) as session,
        session.get("/", headers={"Host": host}) as response,
    ):
        assert response.status == 200


async def test_the_name_that_was_chosen() -> None:
    """Who has it listen at a name of the Internet's is served by it, and by no other one."""

    async def page(request: web.Request) -> web.Response:
        return web.Response()

    app = web.Application(middlewares=[check_request("fish.example.com")])
    app.router.add_get("/", page)
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        for host, status in (("fish.example.com:80", 200), ("example.com", 403)):
            async with session.get("/", headers={"Host": host}) as response:
                assert response.status == status


@pytest.mark.parametrize(
    "host",
    [
        *("evil.com", "127.0.0.1.evil.com", "local.evil.com:80", "[x", "a.b"),
        *("evilfritz.box", "evil.box", "evilts.net", "fritz.box.evil.com"),
    ],
)
async def test_names_that_may_be_anybodys(serving: Serving, host: str) -> None:
    """A web site that has its own name mean this machine gets nothing and has nothing said."""
    async with serving(EmulatorSettings(), HTTP) as served, visitor(served) as session:
        for path in PATHS:
            async with session.get(path, headers={"Host": host}) as response:
                assert response.status == 403
        async with session.post(
            "/api/speak", json=wanted(TEXT), headers={"Host": host}
        ) as response:
            assert response.status == 403
        assert served.emulator.sessions == []


async def test_a_refusal_tells_what_to_do(serving: Serving) -> None:
    """It names the ends of names that are served, as the manual does, and the way out."""
    manual = (ROOT / "docs" / "monitoring.md").read_text()
    async with (
        serving(EmulatorSettings(), HTTP) as served,
        visitor(served) as session,
        session.get("/metrics", headers={"Host": "nas.example.com"}) as response,
    ):
        text = await response.text()
        ends = re.findall(r"(?<!\S)(?:\.[a-z]+)+", text)
        assert len(ends) > 10
        for end in ends:
            assert f"`{end}`" in manual
            async with session.get("/metrics", headers={"Host": f"nas{end}"}) as accepted:
                assert accepted.status == 200
    assert "start the server with that name: --http NAME:PORT" in text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.com"},
        {"Origin": "null"},
        {"Origin": "http://[x"},
        {"Origin": "http://localhost:1"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
    ],
)
async def test_strange_pages(serving: Serving, headers: dict[str, str]) -> None:
    """What another site's page has a browser send is refused, and costs nothing."""
    async with serving(EmulatorSettings(), HTTP) as served, visitor(served) as session:
        everything = {"Content-Type": "application/json", **headers}
        body = json.dumps(wanted(TEXT))
        async with session.post("/api/speak", data=body, headers=everything) as response:
            assert response.status == 403
            assert "Access-Control-Allow-Origin" not in response.headers
        async with session.options("/api/speak", headers=everything) as response:
            assert response.status in (403, 405)
        assert served.emulator.sessions == []


async def test_our_own_page(serving: Serving) -> None:
    """What our page has a browser send is served."""
    async with serving(EmulatorSettings(), HTTP) as served, visitor(served) as session:
        assert served.url is not None
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": served.url.rstrip("/")}
        async with session.post("/api/speak", json=wanted(TEXT), headers=headers) as response:
            assert response.status == 200
            await response.read()


async def test_what_every_answer_says(serving: Serving) -> None:
    """Nothing strange is loaded or told where it came from, and the key is nowhere."""
    flags = (HTTP, "--api-key=very-secret")
    async with serving(EmulatorSettings(), *flags) as served, visitor(served) as session:
        for path in (*PATHS, "/api/voices", "/not-there"):
            async with session.get(path) as response:
                policy = response.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
                assert response.headers["Referrer-Policy"] == "no-referrer"
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert "very-secret" not in f"{response.headers} {await response.text()}"
