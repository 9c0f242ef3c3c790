"""The server watched by HTTP: whether it lives and is ready, from its start to its end."""

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import ClientSession
from wyoming.tts import Synthesize

from wyoming_fish.cli.options import Options
from wyoming_fish.cli.run_server import build
from wyoming_fish.emulator import (
    Emulator,
    EmulatorSettings,
    Fault,
    FishSpeechEmulator,
    decode_code_voice,
)
from wyoming_fish.fish.errors import KeyRefusedError
from wyoming_fish.fish.settings import Endpoint

from ..support.server import Served, Serving, receive
from ..support.visiting import HEADER, HTTP, TEXT, ready, visitor, wanted


def _name(served: Served) -> str:
    return f"The server 127.0.0.1:{served.emulator.port}"


def _no_connection(served: Served) -> str:
    return f"{_name(served)} answers, but no connection for speech is open yet.\n"


async def test_off_by_default(serving: Serving) -> None:
    """Without the flag nothing listens."""
    async with serving(EmulatorSettings()) as served:
        assert served.url is None


def test_what_it_needs_is_not_even_imported() -> None:
    """A server without a page starts as fast as one that has none to offer."""
    program = (
        "import sys, wyoming_fish.cli.run_server; sys.exit('prometheus_client' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


async def test_alive_and_ready(serving: Serving) -> None:
    """With a good key and a warm socket both say so, and in words."""
    async with (
        serving(EmulatorSettings(), HTTP, "--ready-connections=1") as served,
        visitor(served) as session,
    ):
        await served.emulator.wait_for(lambda e: e.sockets_opened == 1)
        async with session.get("/healthz") as response:
            assert response.status == 200
            assert "runs" in await response.text()
        while (await ready(session))[0] != 200:
            pass
        assert "accepts the API key" in (await ready(session))[1]


@pytest.mark.parametrize(
    ("settings", "status", "said"),
    [
        (EmulatorSettings(key="another"), 503, "Check the API key"),
        (EmulatorSettings(faults=[Fault("rest", 503, times=None)]), 503, "Try again in a moment"),
        (EmulatorSettings(faults=[Fault("rest", "drop", times=None)]), 503, "network"),
        (EmulatorSettings(credit=Decimal(0)), 200, "credit is used up"),
    ],
)
async def test_what_is_wrong_is_said(
    serving: Serving, settings: EmulatorSettings, status: int, said: str
) -> None:
    """Not ready is 503 with what to do; what a reply itself would tell keeps nobody away."""
    async with serving(settings, HTTP) as served, visitor(served) as session:
        answer = await ready(session)
        assert answer[0] == status
        assert said in answer[1]
        async with session.get("/healthz") as response:
            assert response.status == 200


async def test_a_self_hosted_server_tells_nothing_of_a_key() -> None:
    """A server without wallets is ready once it answers; a key that it refuses is told."""
    async with FishSpeechEmulator(key="mine") as fish_speech:
        for key, expected in (
            ("mine", (200, f"The server 127.0.0.1:{fish_speech.port} answers.\n")),
            (
                "yours",
                (
                    503,
                    f"{KeyRefusedError('The server rejected the API key (401: Invalid token).')}\n",
                ),
            ),
        ):
            flags = [
                f"--base-url={fish_speech.url}",
                f"--api-key={key}",
                HTTP,
                "--ready-connections=0",
            ]
            options = Options.parse(["--uri=tcp://127.0.0.1:0", *flags], {})
            assert options.endpoint is not None
            server, page = build(options, options.endpoint)
            assert page is not None
            async with server, ClientSession(page.url) as web:
                assert await ready(web) == expected


async def test_ready_by_the_fallback_voice(serving: Serving) -> None:
    """Who has another voice to speak with is ready, and says why it will be that one."""
    settings = EmulatorSettings(key="another")
    flags = (HTTP, "--fallback-uri=tcp://127.0.0.1:1")
    async with serving(settings, *flags) as served, visitor(served) as session:
        status, text = await ready(session)
        assert status == 200
        assert "Using the fallback voice" in text
        assert "Check the API key" in text


async def test_no_storm_toward_fish(serving: Serving) -> None:
    """However many ask, Fish is asked once."""
    async with serving(EmulatorSettings(), HTTP) as served, visitor(served) as session:
        await asyncio.gather(*(ready(session) for _ in range(20)))
        for _ in range(10):
            await ready(session)
        paths = [request.path for request in served.emulator.requests]
        assert paths.count("/wallet/self/api-credit") == 1


async def test_fish_that_hangs(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe gets its answer in time, whether Fish gives one or not."""
    monkeypatch.setattr("wyoming_fish.web.readiness.MAX_WAIT_S", 0.02)
    settings = EmulatorSettings(faults=[Fault("rest", "stall", times=None)])
    async with serving(settings, HTTP) as served, visitor(served) as session:
        assert await ready(session) == (503, f"{_name(served)} has not answered yet.\n")


async def test_a_failure_is_looked_at_again(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has been mended is seen without a restart."""
    monkeypatch.setattr("wyoming_fish.web.readiness.FAILURE_TTL_S", 0.0)
    settings = EmulatorSettings(key="another")
    async with serving(settings, HTTP) as served, visitor(served) as session:
        assert (await ready(session))[0] == 503
        settings.key = "key"
        assert (await ready(session))[0] == 200


async def test_a_bug_is_an_answer_too(
    serving: Serving, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong in asking, the answer says so and the log says what."""
    monkeypatch.setattr("wyoming_fish.web.readiness.FAILURE_TTL_S", 0.0)
    async with serving(EmulatorSettings(), HTTP) as served, visitor(served) as session:
        await served.emulator.wait_for(lambda e: any(r.path == "/model" for r in e.requests))
        with monkeypatch.context() as broken:
            broken.setattr("wyoming_fish.fish.api.account.TIMEOUT_S", "15")
            status, text = await ready(session)
            async with session.get("/metrics") as response:
                assert "wyoming_fish_ready 0.0" in await response.text()
        assert (status, "internal error" in text) == (503, True)
        assert "TypeError" in caplog.text
        assert (await ready(session))[0] == 200


async def test_before_the_first_socket(serving: Serving) -> None:
    """While the first socket is being opened it is not ready, though nothing has failed."""
    settings = EmulatorSettings(faults=[Fault("upgrade", "stall", times=None)])
    async with (
        serving(settings, HTTP, "--ready-connections=1") as served,
        visitor(served) as session,
    ):
        assert await ready(session) == (503, _no_connection(served))


async def test_a_socket_that_failed_is_tried_again(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failure it is not ready, and asking has it try again: nobody else would."""
    monkeypatch.setattr("wyoming_fish.fish.connections.opener.RETRY_DELAY_S", 0.01)
    settings = EmulatorSettings(faults=[Fault("upgrade", 503, times=2)])
    async with (
        serving(settings, HTTP, "--ready-connections=1") as served,
        visitor(served) as session,
    ):
        await served.emulator.wait_for(lambda e: len(e.struck) == 1)
        assert await ready(session) == (503, _no_connection(served))
        while (await ready(session))[0] != 200:
            pass
        assert len(served.emulator.struck) == 2


async def test_timelines_without_text(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last replies are told by their lengths and times, and only so many of them."""
    monkeypatch.setattr("wyoming_fish.server.requests.log.MAX_RECORDS", 2)
    settings = EmulatorSettings(voice="code", first_audio=0.03)
    async with serving(settings, HTTP) as served, visitor(served) as session:
        async with served.client() as client:
            for text in ("One.", "Two, three.", TEXT):
                await client.write_event(Synthesize(text).event())
                await receive(client, "audio-stop")
        async with session.get("/api/state") as response:
            text = await response.text()
    state = json.loads(text)
    assert state["ready"]
    assert state["credit_dollars"] == "10.00"
    newest, older = state["replies"]
    assert (newest["characters"], older["characters"]) == (len(TEXT), len("Two, three."))
    assert newest["outcome"] == "spoken"
    assert 0 <= newest["first_send_s"] < newest["first_audio_s"] <= newest["ended_s"]
    assert newest["first_audio_s"] - newest["first_send_s"] >= 0.03
    assert "Küche" not in text
    assert "K\\u00fcche" not in text


async def test_a_text_without_words(serving: Serving, caplog: pytest.LogCaptureFixture) -> None:
    """The page and the log say that there was nothing to speak."""
    caplog.set_level("INFO")
    settings = EmulatorSettings(voice="code")
    async with serving(settings, HTTP) as served, visitor(served) as session:
        async with served.client() as client:
            await client.write_event(Synthesize("🎉").event())
            await receive(client, "audio-stop")
        async with session.get("/api/state") as response:
            (reply,) = (await response.json())["replies"]
    assert (reply["outcome"], reply["first_audio_s"]) == ("empty", None)
    (message,) = [text for text in caplog.messages if "reply" in text]
    assert message.startswith("Nothing to speak in a reply: ")
    assert message.endswith(", 1 characters")


@pytest.mark.parametrize("is_demo", [True, False])
async def test_the_demo(serving: Serving, *, is_demo: bool) -> None:
    """The page knows whether Fish Audio is emulated."""
    async with Emulator() as emulator:
        endpoint = Endpoint("key", emulator.url)
        account = [] if is_demo else [f"--base-url={emulator.url}", "--api-key=key"]
        demo = ["--demo"] if is_demo else []
        options = Options.parse(["--uri=tcp://127.0.0.1:0", HTTP, *account, *demo], {})
        server, page = build(options, endpoint)
        assert page is not None
        async with (
            server,
            aiohttp.ClientSession() as session,
            session.get(f"{page.url}api/state") as response,
        ):
            assert (await response.json())["demo"] == is_demo


async def test_stopping_finishes_what_the_page_hears(serving: Serving) -> None:
    """While the server stops it is not ready, speaks nothing new, and ends what it has begun."""
    settings = EmulatorSettings(voice="code", first_audio=0.05, pace=0.2, frame=0.1)
    async with contextlib.AsyncExitStack() as stack:
        served = await stack.enter_async_context(serving(settings, HTTP))
        session = await stack.enter_async_context(visitor(served))
        response = await session.post("/api/speak", json=wanted(TEXT))
        closing = asyncio.create_task(served.server.__aexit__(None, None, None))
        while (await ready(session))[0] == 200:
            pass
        assert await ready(session) == (503, "The server is stopping.\n")
        async with session.post("/api/speak", json=wanted(TEXT)) as refused:
            assert refused.status == 503
        assert decode_code_voice((await response.read())[HEADER:]) == TEXT
        await closing
        with pytest.raises(aiohttp.ClientConnectorError):
            await ready(session)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]"])  # noqa: S104
async def test_every_address_of_the_machine(serving: Serving, host: str) -> None:
    """The wildcard means IPv4 and IPv6 alike."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    flag = f"--http={host}:{port}"
    async with serving(EmulatorSettings(), flag) as served, aiohttp.ClientSession() as web:
        # Not the wildcard, which nobody can open.
        assert served.url == f"http://127.0.0.1:{port}/"
        for own in ("127.0.0.1", "[::1]"):
            async with web.get(f"http://{own}:{port}/healthz") as response:
                assert response.status == 200


async def test_a_taken_port_is_an_error() -> None:
    """A server that cannot serve its page does not start, and says which address it is."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        flags = ["--uri=tcp://127.0.0.1:0", "--api-key=key", f"--http={port}"]
        options = Options.parse(flags, {})
        server, _ = build(options, Endpoint("key", "http://127.0.0.1:1"))
        with pytest.raises(OSError, match=str(port)):
            await server.__aenter__()
