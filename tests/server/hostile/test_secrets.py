"""Passwords and the key: used, and nowhere to be seen."""

import asyncio
import base64
import contextlib
import io
import json
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Final, get_args
from urllib.parse import quote, quote_plus

import aiohttp
import ormsgpack
import pytest
from aiohttp import web
from wyoming.client import AsyncTcpClient
from wyoming.tts import Synthesize

from tests.support.gateways import ForwardProxy, forward_proxy, http_server, malformed_proxies
from tests.support.idle_clock import run
from tests.support.processes import ENVIRONMENT, READY, ROOT, Program
from wyoming_fish.cli.check.__main__ import main as check_main
from wyoming_fish.cli.options import Options
from wyoming_fish.cli.run_server import build
from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault
from wyoming_fish.emulator.settings import FaultKind, FaultPoint
from wyoming_fish.logs import LogFormatter, LogHandler

from ...support.server import receive, stream

SECRET = "s3cret-passw0rd"  # noqa: S105 - of nothing

KEY: Final = "Zk/9+Qx=7Vw%41~Hn&3Tb$Lm"
"""A key that is written in another way wherever it is escaped."""

STATUSES: Final = (400, 401, 402, 403, 404, 408, 418, 429, 500, 503)


def forms(secret: str) -> set[str]:
    """A secret, its halves, and all of these as they would look where they are escaped."""
    middle = len(secret) // 2
    parts = {secret, secret[:middle], secret[middle:]}
    escapes = (str, quote, quote_plus, lambda part: quote(part, safe=""), json.dumps, ascii)
    written = {escape(part).strip("'\"") for part in parts for escape in escapes}
    # Without its last characters, which depend on what follows.
    encoded = {base64.b64encode(f"user:{secret}".encode()).decode()[8:-4]}
    return written | encoded


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """All that the log of this process would show with --debug."""
    written = io.StringIO()
    handler = LogHandler(written)
    handler.setFormatter(LogFormatter("%(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield written
    root.removeHandler(handler)
    root.setLevel(level)


@contextlib.asynccontextmanager
async def _served(url: str, *flags: str) -> AsyncIterator[tuple[int, str]]:
    """A server with a page: its port, and the page's URL."""
    options = Options.parse(
        [
            *("--uri=tcp://127.0.0.1:0", "--http=127.0.0.1:0", "--ready-connections=0"),
            *(f"--base-url={url}", f"--api-key={KEY}", *flags),
        ],
        {},
    )
    assert options.endpoint is not None
    server, page = build(options, options.endpoint)
    assert page is not None
    async with server:
        yield server.port, page.url


async def _told(port: int, url: str) -> str:
    """All that the server tells of a reply and of itself, by every way."""
    told = ""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Synthesize("Good night. Sleep well.").event())
        told += str((await receive(client, "audio-stop")).events)
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await stream(client, ["Good night. ", "Sleep well."])
        told += str((await receive(client, "synthesize-stopped")).events)
    async with aiohttp.ClientSession(url) as session:
        for path in ("/", "/readyz", "/metrics", "/api/state", "/api/voices"):
            async with session.get(path) as response:
                told += await response.text()
        async with session.post("/api/speak", json={"text": "Good night."}) as response:
            with contextlib.suppress(aiohttp.ClientPayloadError):
                told += repr(await response.read())
    return told


def _faults() -> Iterator[Fault]:
    """One of each kind at each point, for good."""
    for point in get_args(FaultPoint):
        for kind in (*get_args(FaultKind), *STATUSES):
            with contextlib.suppress(ValueError):
                yield Fault(point, kind, times=None)


@pytest.mark.parametrize("way", ["live", "rest"])
def test_the_key_is_nowhere_to_be_seen(log: io.StringIO, way: str) -> None:
    """Not in the log, an event, the page or the metrics, whatever fails."""

    async def fail(fault: Fault) -> str:
        faults = [fault, *([Fault("upgrade", 404, times=None)] if way == "rest" else [])]
        settings = EmulatorSettings(voice="tone", key=KEY, faults=faults)
        async with Emulator(settings) as emulator, _served(emulator.url) as served:
            return await _told(*served)

    async def fail_all() -> list[str]:
        return await asyncio.gather(*map(fail, _faults()))

    told = run(fail_all())
    assert len(told) > 30
    assert any("key-refused" in each for each in told)
    assert "Cannot speak a reply" in log.getvalue()
    for shown in (*told, log.getvalue()):
        for form in forms(KEY):
            assert form not in shown


@pytest.mark.parametrize(
    "proxy",
    [
        ForwardProxy(login="user:another"),
        ForwardProxy(tunnels=403),
        ForwardProxy(tunnels=502),
        None,
    ],
)
async def test_a_proxys_password_is_nowhere_to_be_seen(proxy: ForwardProxy | None) -> None:
    """Not in the event, the log, the page or the check, however the proxy refuses."""
    async with forward_proxy(1, proxy or ForwardProxy()) as standing:
        port = standing.port if proxy else 1
        environment = {
            **ENVIRONMENT,
            "https_proxy": f"http://user:{SECRET}@127.0.0.1:{port}",
            "no_proxy": "",
            "FISH_API_KEY": "key",
            "FISH_BASE_URL": "https://fish.invalid",
        }
        command = (sys.executable, "-m", "wyoming_fish", "--debug", "--http=127.0.0.1:0")
        program = Program(
            *command,
            *("--uri=tcp://127.0.0.1:0", "--fallback-uri=tcp://127.0.0.1:1"),
            env=environment,
        )
        try:
            ready = await asyncio.to_thread(program.wait_for, READY)
            page = await asyncio.to_thread(program.wait_for, r"Serving the page at (\S+)")
            async with AsyncTcpClient("127.0.0.1", int(ready[1].rpartition(":")[2])) as client:
                await client.write_event(Synthesize("Good night.").event())
                told = (await receive(client, "error")).error.text
            async with aiohttp.ClientSession(page[1]) as web:
                for path in ("/readyz", "/metrics", "/api/state"):
                    async with web.get(path) as response:
                        told += await response.text()
        finally:
            await asyncio.to_thread(program.end)
        check = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "wyoming_fish.cli.check", "--json"),
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        checked, _ = await check.communicate()
    assert json.loads(checked)["ok"] is False
    assert f"The proxy 127.0.0.1:{port}" in told
    for shown in (told, program.log, checked.decode()):
        assert SECRET not in shown


_IN_JSON: Final = json.dumps(KEY)[1:-1].replace("/", r"\/")

ECHOES: Final = {
    "plain": json.dumps(KEY)[1:-1],
    "JSON": _IN_JSON,
    "Unicode": "".join(f"\\u{ord(c):04x}" for c in KEY),
    "address": quote(KEY, safe=""),
    "JSON in JSON": json.dumps(_IN_JSON)[1:-1],
    # The message is cut within the key.
    "cut": "x" * 270 + _IN_JSON,
}
"""How a server may repeat the key in JSON."""


@contextlib.asynccontextmanager
async def _echo(echo: str, field: str = "message", *, is_well: bool = False) -> AsyncIterator[str]:
    """A server that says the key in all of its answers; its address."""
    body = f'{{"{field}": "Bad token: {echo}"}}'
    title = f'{{"items": [{{"_id": "{"a" * 32}", "title": "Bad token: {echo}"}}]}}'

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        assert request.headers["Authorization"] == f"Bearer {KEY}"
        if request.path == "/model" and is_well:
            return web.Response(text=title, content_type="application/json")
        if "Upgrade" not in request.headers:
            return web.Response(text=body, content_type="application/json", status=418)
        said = f"Bad token: {echo}"
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        await socket.send_bytes(ormsgpack.packb({"event": "error", "message": said}))
        await socket.close(code=4000, message=said.encode()[:120])
        return socket

    async with http_server(answer) as address:
        yield address


@pytest.mark.parametrize("field", ["message", "unknown"])
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_a_server_that_quotes_the_key_is_not_quoted(
    log: io.StringIO, echo: str, field: str
) -> None:
    """What it says is told without the key, however it is written and wherever it is cut."""

    async def speak() -> str:
        async with _echo(echo, field) as url, _served(url) as served:
            return await _told(*served)

    told = run(speak())
    for shown in (told, log.getvalue()):
        assert "Bad token: " in shown
        assert "***" in shown
        for form in (*forms(KEY), echo, echo[:20]):
            assert form == "x" * 20 or form not in shown


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_the_key_in_a_title(log: io.StringIO, echo: str) -> None:
    """The other words of a voice's title are shown."""

    async def ask() -> str:
        async with _echo(echo, is_well=True) as url, _served(url) as served:
            return await _told(*served)

    told = run(ask())
    assert "Bad token: " in told
    for shown in (told, log.getvalue()):
        for form in forms(KEY):
            assert form not in shown


@pytest.mark.parametrize("address", malformed_proxies(SECRET))
def test_a_malformed_proxy_is_refused_at_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    """By the server and by the check, in two lines without the password, and with status 2."""
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", address)
    for command in (Options.parse, check_main):
        with pytest.raises(SystemExit) as ended:
            command(["--base-url=https://fish.invalid"], {"FISH_API_KEY": KEY})
        assert ended.value.code == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert len(printed.err.splitlines()) == 2
        assert "HTTPS_PROXY is not valid" in printed.err
        for form in forms(SECRET):
            assert form not in printed.err


@pytest.mark.parametrize(
    "flags",
    [
        [f"--base-url=http://user:{SECRET}@fish.local"],
        [f"--base-url=http://user:{SECRET}#1@fish.local"],
        [f"--base-url=http://user:{SECRET}@fish.local:99999"],
        [f"--base-url=http://user:{SECRET}/1@fish.local:80"],
        [f"--base-url=user:{SECRET}@fish.local"],
        [f"--fallback-uri=tcp://user:{SECRET}@piper:10200"],
        [f"--fallback-uri=tcp://user:{SECRET}#1@piper:10200"],
        [f"--fallback-uri=tcp://user:{SECRET}/@piper:10200"],
        [f"--fallback-uri=user:{SECRET}@piper:10200"],
        [f"--fallback-uri=tcp://user:{SECRET}@piper:port"],
        [f"--uri=tcp://user:{SECRET}@0.0.0.0:10210"],
        [f"--http=user:{SECRET}@0.0.0.0:10280"],
        ["--api-kye", SECRET],
        [f"--api-kye={SECRET}"],
        [SECRET],
        [f"--api-key-file={SECRET}"],
        [f"--api-key={SECRET} {SECRET}"],
        *(
            [f"-k{SECRET}"],
            [f"--api-key{SECRET}"],
            [f"--{SECRET}"],
            [f"-{SECRET}"],
        ),
        *([f"--debug={SECRET}"], [f"--version={SECRET}"], ["--", SECRET]),
        *([f"--api-key-file=sk/{SECRET}"], [f"--api-key-file=/{SECRET}"]),
        *([f"--base-url=http://fish.local/?api_key={SECRET}"], [f"--base-url={SECRET}"]),
        *(
            [f"--base-url=http://fish.local/#{SECRET}"],
            [f"--base-url=http://fish.local:x/{SECRET}"],
        ),
        *([f"--fallback-uri=tcp://piper/?{SECRET}"], [f"--uri={SECRET}"], [f"--http={SECRET}"]),
        *([f"--voice={SECRET}"], [f"--voice=https://fish.audio/{SECRET}"], [f"--backend={SECRET}"]),
        *(
            ["--backend=s1", f"--style={SECRET}"],
            [f"--speed={SECRET}"],
            [f"--ready-connections={SECRET}"],
        ),
        *(
            [f"--keepalive-interval={SECRET}"],
            [f"--log-format={SECRET}"],
            [f"--log-format=%({SECRET})s"],
        ),
        [f"--zeroconf={SECRET * 10}"],
    ],
)
def test_a_secret_in_a_wrong_place_is_not_quoted(
    capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    """What is wrong is told in two lines, and the value is not."""
    with pytest.raises(SystemExit) as ended:
        Options.parse([*flags], {"FISH_API_KEY": "key"} if "key" not in flags[0] else {})
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert len(printed.err.splitlines()) == 2
    for form in forms(SECRET):
        assert form not in printed.out + printed.err
