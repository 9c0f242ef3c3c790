"""The app for Home Assistant: its files by the Supervisor's rules, and its start."""

import asyncio
import json
import os
import re
import socket
import struct
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import voluptuous as vol
from wyoming.client import AsyncTcpClient
from wyoming.tts import Synthesize

from tests.support.processes import ENVIRONMENT, READY, ROOT, Program
from tests.support.server import receive
from wyoming_fish.cli import home_assistant_app as app
from wyoming_fish.cli.flags import FLAGS
from wyoming_fish.cli.options import Options
from wyoming_fish.emulator import Emulator, EmulatorSettings, decode_code_voice

from .documents import IMAGE, load
from .supervisor import CONFIG, REPOSITORY, TRANSLATION, Supervisor, edges, options

FOLDER = ROOT / "apps" / "wyoming_fish"
APP = load("apps/wyoming_fish/config.yaml")
INTEGRATION = ROOT / "custom_components" / "wyoming_fish"
LANGUAGES = sorted(path.stem for path in (INTEGRATION / "translations").glob("*.json"))

# The flags that are no options of the app.
EXCEPTIONS = {
    "--uri": "the Supervisor maps the port",
    "--api-key-file": "the key is an option",
    "--zeroconf": "the Supervisor announces it, and multicast does not leave the app's network",
    "--allow-control-tokens": "the text is written by others: agents, and what they have read",
    "--cache-dir": "Home Assistant keeps announcements itself",
    "--cache-size": "Home Assistant keeps announcements itself",
    "--http": "the page shows what is spoken, and the app's network has no password",
    "--max-connections": "its clients are Home Assistant and what the house lets in",
    "--max-connections-per-address": "its clients are Home Assistant and what the house lets in",
    "--ignore-unknown-voices": "Home Assistant names the voices that it is offered",
    "--client-idle-timeout": "its clients are Home Assistant and what the house lets in",
    "--write-timeout": "its clients are Home Assistant and what the house lets in",
    "--max-pending-characters": "its clients are Home Assistant and what the house lets in",
    "--cues": "Assist writes no cues of its own",
    "--log-format": "the Supervisor shows the log as it is",
    "--demo": "the image has no voice of its own",
}

TEXT = "Good night. The doors are locked."
TOKEN = "a-token-of-the-supervisor"  # noqa: S105 - no real one


def test_rules() -> None:
    """The Supervisor takes the app and the repository as they are."""
    CONFIG(APP)
    REPOSITORY(load("repository.yaml"))
    assert FOLDER.name == APP["slug"]
    assert (FOLDER / "CHANGELOG.md").resolve() == ROOT / "CHANGELOG.md"
    assert "services" not in APP


def test_every_flag_is_an_option() -> None:
    """Each option is a flag, and each flag an option or an exception that has its reason."""
    flags = {flag.key: flag.name for flag in FLAGS}
    assert set(APP["schema"]) <= set(flags)
    assert {flags[name] for name in APP["schema"]} | set(EXCEPTIONS) == set(flags.values())
    assert {flags[name] for name in APP["schema"]}.isdisjoint(EXCEPTIONS)


def test_the_server_takes_the_options() -> None:
    """What the Supervisor lets through, to the edges of each option, the server takes."""
    plain = options(APP, {"api_key": "key"})
    assert Options.parse(app.arguments_of(plain), {}) == Options.parse(["--api-key=key"], {})
    tried = 0
    for name, written in APP["schema"].items():
        for value in edges(written):
            given = options(APP, {"api_key": "key", name: value})
            Options.parse(app.arguments_of(given), {})
            tried += 1
    assert tried > 20


@pytest.mark.parametrize(
    ("option", "value", "field", "expected"),
    [
        ("ready_connections", 0, "ready_connections", 0),
        ("volume", -3.5, "speech.volume", -3.5),
        ("sentence_pause", 0.5, "speech.sentence_pause_s", 0.5),
        ("debug", True, "debug", True),
        ("debug", False, "debug", False),
        ("voice", "", "speech.voice", None),
        ("sample_rate", "16000", "speech.sample_rate", 16000),
        ("max_pause", 1.5, "speech.max_pause_s", 1.5),
        ("fallback_uri", "tcp://core-piper:10200", "fallback_uri", "tcp://core-piper:10200"),
        ("base_url", "http://fish.local:8080", "endpoint.base_url", "http://fish.local:8080"),
    ],
)
def test_values(option: str, value: object, field: str, expected: object) -> None:
    """A value means the same in the app as in the server; zero and false are values."""
    given = options(APP, {"api_key": "key", option: value})
    found: Any = Options.parse(app.arguments_of(given), {})
    for part in field.split("."):
        found = getattr(found, part)
    assert found == expected


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"api_key": "key", "backend": "s2"},
        {"api_key": "key", "speed": 3},
        {"api_key": "key", "ready_connections": -1},
        {"api_key": "key", "fallback_uri": "core-piper"},
    ],
)
def test_mistakes(given: dict[str, Any]) -> None:
    """What the server would refuse, the Supervisor already refuses to save."""
    with pytest.raises(vol.Invalid):
        options(APP, given)


def test_name() -> None:
    """A person can tell the app and what Home Assistant discovers of it from the integration."""
    assert APP["name"] != json.loads((INTEGRATION / "manifest.json").read_text())["name"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations(language: str) -> None:
    """Each option and port has its words, in each language of the integration."""
    words = load(f"apps/wyoming_fish/translations/{language}.yaml")
    TRANSLATION(words)
    assert set(words["configuration"]) == set(APP["schema"])
    assert set(words["network"]) == set(APP["ports"])
    assert all(option["description"] for option in words["configuration"].values())


@pytest.mark.parametrize(("name", "size"), [("icon.png", (128, 128)), ("logo.png", (250, 100))])
def test_pictures(name: str, size: tuple[int, int]) -> None:
    """The pictures have the sizes that the store shows."""
    header = (FOLDER / name).read_bytes()[:24]
    assert header.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", header[16:24]) == size


def test_image() -> None:
    """The app is the server's image of its own version, with commands that there are."""
    text = (FOLDER / "Dockerfile").read_text()
    assert f"FROM {IMAGE.rpartition(':')[0]}:${{BUILD_VERSION}}\n" in text
    scripts = (ROOT / "pyproject.toml").read_text()
    commands = re.findall(r'^(?:HEALTHCHECK.* CMD|ENTRYPOINT) \["(.*)"\]$', text, re.MULTILINE)
    assert len(commands) == 2
    for command in commands:
        assert f'\n{command} = "wyoming_fish.' in scripts


def _as_root_in_a_container() -> Sequence[str]:
    if os.geteuid() != 0:
        return ()
    # The tests' Python may lie in a folder that is root's alone, other than the image's: the right
    # to read it stays when the user changes.
    return ("setpriv", "--securebits", "+no_setuid_fixup")


async def test_start(tmp_path: Path) -> None:
    """It starts from the Supervisor's file, gives root up, is announced, and speaks."""
    file = tmp_path / "options.json"
    async with (
        Emulator(EmulatorSettings(voice="code")) as emulator,
        Supervisor(APP, TOKEN) as supervisor,
    ):
        given = {"api_key": "key", "base_url": emulator.url, "speed": 1.5}
        file.write_text(json.dumps(options(APP, given)))
        file.chmod(0o600)
        code = (
            "import sys, pathlib, wyoming_fish.cli.home_assistant_app as app;"
            f"app.OPTIONS_FILE = pathlib.Path({str(file)!r}); app.SUPERVISOR = {supervisor.url!r};"
            "sys.exit(app.main())"
        )
        environment = ENVIRONMENT | {
            "SUPERVISOR_TOKEN": TOKEN,
            "WYOMING_FISH_URI": "tcp://127.0.0.1:0",
        }
        command = (*_as_root_in_a_container(), sys.executable, "-c", code)
        with Program(*command, env=environment) as program:
            uri = (await asyncio.to_thread(program.wait_for, READY))[1]
            await asyncio.to_thread(program.wait_for, "Registered with Home Assistant")
            own = {"uri": f"tcp://{socket.gethostname()}:10210"}
            assert supervisor.messages == [{"service": "wyoming", "config": own}]
            if os.geteuid() == 0:
                status = await asyncio.to_thread(Path(f"/proc/{program.pid}/status").read_text)
                assert re.search(r"^Uid:(\s+10210){4}$", status, re.MULTILINE)
                assert re.search(r"^Gid:(\s+10210){4}$", status, re.MULTILINE)
                assert re.search(r"^Groups:\s*$", status, re.MULTILINE)
            async with AsyncTcpClient("127.0.0.1", int(uri.rpartition(":")[2])) as client:
                await client.write_event(Synthesize(TEXT).event())
                reply = await receive(client, "audio-stop")
            assert decode_code_voice(reply.pcm) == TEXT
            assert emulator.sessions[-1].request["prosody"]["speed"] == 1.5
            assert await asyncio.to_thread(program.end) == 0
            assert TOKEN not in program.log


@pytest.mark.parametrize(
    ("failures", "requests", "told"),
    [((), 1, True), ((502, 503), 3, True), ((403,), 1, False), ((500,) * 9, 5, False)],
)
async def test_announcing(
    failures: tuple[int, ...],
    requests: int,
    told: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What passes is tried again, not for ever; what does not is said at once."""
    caplog.set_level("INFO")
    monkeypatch.setattr(app, "RETRY_DELAYS_S", (0.0,) * len(app.RETRY_DELAYS_S))
    monkeypatch.setenv("SUPERVISOR_TOKEN", TOKEN)
    async with Supervisor(APP, TOKEN, *failures) as supervisor:
        monkeypatch.setattr(app, "SUPERVISOR", supervisor.url)
        await app.register_with_supervisor()
    assert supervisor.requests == requests
    assert len(supervisor.messages) == told
    assert ("Registered with" if told else "Cannot register with") in caplog.text


async def test_no_supervisor(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, unused_tcp_port: int
) -> None:
    """Where there is no Supervisor, the log says so, and nothing breaks."""
    monkeypatch.setattr(app, "RETRY_DELAYS_S", ())
    monkeypatch.setattr(app, "SUPERVISOR", f"http://127.0.0.1:{unused_tcp_port}")
    await app.register_with_supervisor()
    assert "the Supervisor does not answer" in caplog.text


@pytest.mark.parametrize("content", [None, "", "[", "\xff"])
def test_no_options(
    content: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without the Supervisor's file, it says so and ends with 1."""
    file = tmp_path / "options.json"
    if content is not None:
        file.write_text(content, encoding="latin-1")
    monkeypatch.setattr(app, "OPTIONS_FILE", file)
    assert app.main() == 1
    assert "Cannot read the options" in capsys.readouterr().err
