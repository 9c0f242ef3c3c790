"""`wyoming-fish-check`: each trouble of the account and the service, and how it is told."""

import asyncio
import contextlib
import os
import pty
import subprocess
import sys
from decimal import Decimal

import pytest

from tests.support.gateways import without_upgrade
from tests.support.listening import listening
from tests.support.processes import ENVIRONMENT, ROOT, run_to_end
from wyoming_fish.cli.flags import FLAGS
from wyoming_fish.cli.options import TEXT_FLAGS
from wyoming_fish.emulator import (
    VOICES,
    Emulator,
    EmulatorSettings,
    Fault,
    FishSpeechEmulator,
    OpenAiSpeechEmulator,
)

from ..support.server import KEY, Check, wrong_in

VOICE = VOICES[0]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is not tried again."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.RETRY_TIMEOUT_S", -1.0)
    monkeypatch.setattr("wyoming_fish.fish.connections.limiter.QUEUE_TIMEOUT_S", 0.05)


async def test_all_is_well(check: Check) -> None:
    """Everything is looked at, what takes time is timed, and a sentence is spoken twice."""
    settings = EmulatorSettings(voice="tone", handshake=0.05, key="secret-key")
    async with Emulator(settings) as emulator:
        status, findings = await check(f"--base-url={emulator.url}", f"--voice={VOICE.id}")
    assert status == 0
    assert {finding["state"] for finding in findings.values()} == {"ok"}
    assert list(findings) == [
        *("dns", "tcp", "server", "key", "credit", "backend", "voice", "websocket"),
        *("speech-cold", "speech-warm"),
    ]
    assert "10.00" in findings["credit"]["text"]
    assert VOICE.title in findings["voice"]["text"]
    assert findings["server"]["text"] == "The server has Fish Audio's API."
    assert findings["websocket"]["seconds"] >= 0.05
    # Cold, it pays for the handshake; warm, it does not.
    assert findings["speech-cold"]["seconds"] >= 0.05
    assert [session.texts for session in emulator.sessions] == [["The fish can speak."]] * 2


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("settings", "wrong", "code", "said"),
    [
        (EmulatorSettings(key="another"), ["key"], "key-refused", "Check the API key"),
        (EmulatorSettings(credit=Decimal(0)), ["credit"], "no-credit", "Add API credit"),
        (EmulatorSettings(voices=()), ["voice"], "voice-not-found", "Check the voice ID"),
        (
            EmulatorSettings(faults=[Fault("upgrade", 401, times=None)]),
            ["websocket"],
            "key-refused",
            "Check the API key",
        ),
        (
            EmulatorSettings(faults=[Fault("upgrade", 402, times=None)]),
            ["websocket"],
            "no-credit",
            "Add API credit",
        ),
        (
            EmulatorSettings(concurrency=0),
            ["speech-cold"],
            "limit",
            "Try again in a moment",
        ),
        (
            EmulatorSettings(faults=[Fault("upgrade", 429, times=None)]),
            ["websocket", "speech-cold"],
            "limit",
            "Try again in a moment",
        ),
        (
            EmulatorSettings(faults=[Fault("audio", "silent", times=None)]),
            ["speech-cold"],
            "no-audio",
            "Select another voice",
        ),
        (
            EmulatorSettings(frame=0.01, faults=[Fault("audio", "finish-error", times=None, at=1)]),
            ["speech-cold"],
            "broken-stream",
            "Try again",
        ),
        (
            EmulatorSettings(faults=[Fault("rest", 503, times=None)]),
            ["key"],
            "unavailable",
            "Try again in a moment",
        ),
    ],
)
async def test_troubles_of_the_account_and_the_service(
    check: Check, settings: EmulatorSettings, wrong: list[str], code: str, said: str
) -> None:
    """What is wrong is found where it is, with what to do; nothing is tried that must fail."""
    settings.voice = "code"
    voice = [f"--voice={VOICE.id}"] if not settings.faults else []
    async with Emulator(settings) as emulator:
        status, findings = await check(f"--base-url={emulator.url}", *voice)
    assert status == 1
    assert wrong_in(findings) == wrong
    for name in wrong:
        assert findings[name]["code"] == code
        assert said in findings[name]["text"]
    if code not in ("limit", "unavailable"):
        # No further than to where the trouble is told, but for what stands beside it.
        assert list(findings)[-1] in (*wrong, "voice")


@pytest.mark.parametrize("fault", [404, 403, 407])
async def test_a_proxy_that_refuses_upgrades(check: Check, fault: int) -> None:
    """Where REST works though the websocket does not, that is a warning, and speech is heard."""
    settings = EmulatorSettings(voice="code", faults=[Fault("upgrade", fault, times=None)])
    async with Emulator(settings) as emulator:
        status, findings = await check(f"--base-url={emulator.url}")
    assert status == 0
    assert findings["websocket"]["state"] == "warning"
    assert f"({fault})" in findings["websocket"]["text"]
    assert "A firewall or a proxy" in findings["websocket"]["text"]
    assert "By HTTP" in findings["speech-warm"]["text"]


async def test_a_reverse_proxy_without_upgrade_headers(check: Check) -> None:
    """The check names the headers that have to be passed on, and hears speech all the same."""
    async with (
        Emulator(EmulatorSettings(voice="code")) as emulator,
        without_upgrade(emulator.url) as url,
    ):
        status, findings = await check(f"--base-url={url}")
    assert status == 0
    assert findings["websocket"]["state"] == "warning"
    assert "(400)" in findings["websocket"]["text"]
    assert "the headers Upgrade and Connection" in findings["websocket"]["text"]
    assert "By HTTP" in findings["speech-warm"]["text"]


async def test_a_websocket_that_is_never_answered(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A websocket that runs out of time is wrong, though REST speaks."""
    monkeypatch.setattr("wyoming_fish.fish.api.live_connection.OPEN_TIMEOUT_S", 0.1)
    settings = EmulatorSettings(voice="code", faults=[Fault("upgrade", "stall", times=None)])
    async with Emulator(settings) as emulator:
        status, findings = await check(f"--base-url={emulator.url}")
    assert status == 1
    assert wrong_in(findings) == ["websocket"]
    assert "did not answer" in findings["websocket"]["text"]
    assert "By HTTP" in findings["speech-warm"]["text"]


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "Set FISH_API_KEY"),
        ({"FISH_API_KEY": "secret-key with blanks"}, "has a space"),
        ({"FISH_API_KEY_FILE": "/nowhere/at/all"}, "--api-key-file: cannot read the file: No such"),
    ],
)
async def test_no_key_that_could_be_used(check: Check, environ: dict[str, str], said: str) -> None:
    """Without a key, or with one that is none, the way to Fish is looked at all the same."""
    url = "https://api.fish.audio:1"
    status, findings = await check(environ={**environ, "FISH_BASE_URL": url})
    assert status == 1
    assert findings["key"]["state"] == "failed"
    assert said in findings["key"]["text"]
    assert list(findings)[1] == "dns"


@pytest.mark.parametrize(
    ("flags", "settings", "name", "said"),
    [
        (["--backend=s1"], EmulatorSettings(), "backend", "retires s1"),
        ([], EmulatorSettings(credit=Decimal("0.99")), "credit", "0.99 US dollars"),
        (["--latency=normal"], EmulatorSettings(first_audio=0.2), "speech-warm", "earlier start"),
        ([], EmulatorSettings(pace=8, frame=0.01), "speech-warm", "Set a lower sample rate"),
    ],
)
async def test_warnings(
    check: Check,
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    settings: EmulatorSettings,
    name: str,
    said: str,
) -> None:
    """What could be better, or will not be well for long, is said and does not fail."""
    monkeypatch.setattr("wyoming_fish.cli.check.diagnostics.SLOW_S", 0.1)
    settings.voice = "code"
    async with Emulator(settings) as emulator:
        status, findings = await check(f"--base-url={emulator.url}", *flags)
    assert status == 0
    assert findings[name]["state"] == "warning"
    assert said in findings[name]["text"]


async def test_the_free_backend_needs_no_credit(check: Check) -> None:
    """An empty wallet is well with the backend that costs nothing."""
    async with Emulator(EmulatorSettings(voice="code", credit=Decimal(0))) as emulator:
        status, findings = await check(f"--base-url={emulator.url}", "--backend=s2.1-pro-free")
    assert status == 0
    assert findings["credit"]["state"] == "ok"


async def test_a_server_of_ones_own(check: Check) -> None:
    """A fish-speech has no wallet, no backends and no websocket, and all of that is well."""
    async with FishSpeechEmulator("tone") as server:
        flags = (f"--base-url={server.url}", "--voice=coral_2")
        status, findings = await check(*flags, environ={"HOME": "/"})
        assert (status, {finding["state"] for finding in findings.values()}) == (0, {"ok"})
        assert "does not need one" in findings["key"]["text"]
        _, findings = await check(*flags)
        assert findings["key"]["text"] == "It is not refused."
        assert "By HTTP" in findings["speech-cold"]["text"]
        assert not findings.keys() & {"credit", "backend"}
        assert findings["server"]["text"] == "It is fish-speech."

        status, findings = await check(f"--base-url={server.url}", "--voice=nobody")
        assert (status, wrong_in(findings)) == (1, ["voice"])

        server.key = "another"
        status, findings = await check(*flags)
        assert (status, wrong_in(findings)) == (1, ["key"])


async def test_a_server_with_openais_api(check: Check) -> None:
    """It is told what was detected, and all is well without a key, a voice and a websocket."""
    async with OpenAiSpeechEmulator("vllm", "tone") as server:
        status, findings = await check(f"--base-url={server.url}/v1", environ={"HOME": "/"})
    assert (status, {finding["state"] for finding in findings.values()}) == (0, {"ok"})
    assert findings["server"]["text"] == "The server has OpenAI's speech API."


async def test_what_is_no_fish(check: Check) -> None:
    """An address at which something else answers is told to be that."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")

    async with listening(answer) as port:
        status, findings = await check(f"--base-url=http://127.0.0.1:{port}")
    assert (status, wrong_in(findings)) == (1, ["key"])
    assert (
        "Check that the base URL is that of Fish Audio or of a supported server"
        in findings["key"]["text"]
    )


def _run(*flags: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "wyoming_fish.cli.check", *flags)
    return run_to_end(*command, env=ENVIRONMENT | environ)


def test_the_command() -> None:
    """With --demo it needs nothing; a person gets a line for each thing, without colours."""
    done = _run("--demo")
    assert (done.returncode, done.stderr) == (0, "")
    first, *lines, last = done.stdout.splitlines()
    assert first.endswith(", demo")
    assert all(line.startswith("ok  ") for line in lines)
    assert [line.split()[1] for line in lines][-2:] == ["speech-cold", "speech-warm"]
    assert last == "No errors."
    assert "\033" not in done.stdout


@pytest.mark.parametrize(
    ("flags", "environ", "said"),
    [
        (["--base-url=fish.local"], {}, "http://"),
        ([], {"FISH_BACKEND": "s3"}, "s2.1-pro"),
        (["--speed=fast"], {}, "--speed must be a number"),
        (["--voice=Sarah"], {}, "--voice must be a voice ID"),
        (["--ready-connections=1"], {}, "--ready-connections"),
    ],
)
def test_usage(flags: list[str], environ: dict[str, str], said: str) -> None:
    """What the server would not start with exits with 2, in the server's words."""
    done = _run(*flags, **KEY, **environ)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours(environ: dict[str, str], coloured: bool) -> None:
    """On a terminal it is coloured, unless NO_COLOR asks for none."""
    ours, theirs = pty.openpty()
    env = {name: value for name, value in ENVIRONMENT.items() if name != "NO_COLOR"} | environ
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        program = subprocess.Popen(
            (sys.executable, "-m", "wyoming_fish.cli.check", "--base-url=http://127.0.0.1:1"),
            cwd=ROOT,
            env=env,
            stdout=theirs,
        )
        os.close(theirs)
        printed = b""
        # At the end of a terminal there is an error, not an end of file.
        with contextlib.suppress(OSError):
            while data := terminal.read(4096):
                printed += data
        assert program.wait() == 1
    assert b"failed" in printed
    assert (b"\033[" in printed) == coloured


def test_it_reads_what_the_server_reads() -> None:
    """Every flag of the server's that says where Fish is, or how it is to speak, is here too."""
    shown = _run("--help").stdout
    for flag in FLAGS:
        ours = flag.variable.startswith("FISH_") or flag.name == "--demo"
        assert (f"[{flag.variable}]" in shown) == (ours and flag.key not in NOT_SPEECH), flag.name
    assert "secret-key" not in _run("--help", **KEY).stdout


# What only a server that runs for long has.
NOT_SPEECH = (
    *("concurrency", "ready_connections", "pool_idle_timeout", "keepalive_interval"),
    *("pronunciations", "sentence_pause", *TEXT_FLAGS.values()),
)
