"""The Dockerfile, as far as it can be tried without a container engine."""

import asyncio
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from wyoming.client import AsyncTcpClient
from wyoming.tts import Synthesize

from tests.support.processes import READY, ROOT, Program
from tests.support.server import receive
from wyoming_fish import __version__
from wyoming_fish.emulator import Emulator, EmulatorSettings, decode_code_voice

# An instruction, and what follows it up to the end of the last continued line.
INSTRUCTION = re.compile(r"^([A-Z]+)\s+((?:.*\\\n)*.*)$", re.MULTILINE)

TEXT = "Good night. The doors are locked."


def _text() -> str:
    return (ROOT / "Dockerfile").read_text()


def _instructions() -> list[tuple[str, str]]:
    return [(name, rest.replace("\\\n", "")) for name, rest in INSTRUCTION.findall(_text())]


def _instruction(wanted: str) -> str:
    (found,) = [rest for name, rest in _instructions() if name == wanted]
    return found


def _copies() -> list[tuple[list[str], str]]:
    """Return what is copied from the project: sources and where they go."""
    copies = [rest.split() for name, rest in _instructions() if name == "COPY"]
    return [(sources, target) for *sources, target in copies if "--from=build" not in sources]


def test_sources_are_sent() -> None:
    """All that is copied exists, and .dockerignore lets it through."""
    let_through = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    sources = [source for sources, _ in _copies() for source in sources]
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert source.split("/")[0] in let_through


def test_nothing_needs_a_shell() -> None:
    """What runs in the image itself is started without one, and stopped as the server expects."""
    begin = [name for name, _ in _instructions()].index("FROM", 1)
    for name, rest in _instructions()[begin:]:
        if name in ("RUN", "CMD", "ENTRYPOINT"):
            json.loads(rest)
    assert json.loads(_instruction("HEALTHCHECK").partition("CMD")[2]) == ["wyoming-fish-health"]
    assert _instruction("STOPSIGNAL") == "SIGTERM"


def test_not_root() -> None:
    """The server's user is a number other than root's."""
    assert int(_instruction("USER").split(":")[0]) > 0


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_wheels(machine: str, tmp_path: Path) -> None:
    """Every package of the image has a wheel for its Python, on each of its architectures."""
    (version,) = {
        match[1] for match in re.finditer(r"^FROM python:([\d.]+)-slim", _text(), re.MULTILINE)
    }
    platform = ("--python-platform", f"{machine}-unknown-linux-gnu", "--python-version", version)
    pins = [f"--requirement=requirements/{name}.txt" for name in ("build", "server")]
    done = subprocess.run(
        [
            *(Path(sys.executable).parent / "uv", "pip", "install", "--dry-run"),
            *("--target", tmp_path, *platform),
            *("--only-binary", ":all:", "--require-hashes", *pins),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert " + websockets==" in done.stderr


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image's /app becomes: made from what is copied alone, by the file's own commands."""
    folder = tmp_path_factory.mktemp("image")
    src, app, python = folder / "src", folder / "app", folder / "python"
    src.mkdir()
    # In place of the image's Python.
    subprocess.run([sys.executable, "-m", "venv", python], check=True)
    path = {"PATH": f"{python / 'bin'}:{os.environ['PATH']}"}
    for name, rest in _instructions():
        if name == "COPY" and "--from=build" not in rest:
            *sources, target = rest.split()
            for source in sources:
                if (ROOT / source).is_dir():
                    pyc = shutil.ignore_patterns("__pycache__")
                    shutil.copytree(ROOT / source, src / target, ignore=pyc)
                else:
                    (src / target).mkdir(exist_ok=True)
                    shutil.copy(ROOT / source, src / target)
        elif name == "RUN" and not rest.startswith("["):
            command = rest.replace("/app", str(app))
            subprocess.run(["sh", "-c", command], cwd=src, env=os.environ | path, check=True)
    subprocess.run(["chmod", "-R", "a-w", app], check=True)
    return app


def _sandbox() -> Iterator[str]:
    """Yield the words before a command that make it run as in the image, on this machine.

    That is: as the image's user, without any capability that could write, on a root file system
    that is read-only.
    """
    if os.geteuid() != 0:
        # The tests' own user is another one than root already.
        return
    user, group = _instruction("USER").split(":")
    yield from ("unshare", "--mount", "sh", "-c")
    yield from (
        'mount -o remount,bind,ro / && exec "$@"',
        "sh",
        "setpriv",
        "--reuid",
        user,
        "--regid",
        group,
        "--clear-groups",
    )
    # The tests' Python may lie in a folder that is root's alone, other than the image's.
    yield from ("--inh-caps", "-all,+dac_read_search", "--ambient-caps", "+dac_read_search")
    yield from ("--bounding-set", "-all,+dac_read_search", "--no-new-privs")


@pytest.mark.timeout(180)
def test_wheel(app: Path) -> None:
    """The wheel holds the package and nothing else."""
    (wheel,) = (app.parent / "src" / "dist").glob("*.whl")
    folders = {Path(name).parts[0] for name in ZipFile(wheel).namelist()}
    assert folders == {"wyoming_fish", f"wyoming_fish-{__version__}.dist-info"}
    assert "wyoming_fish/py.typed" in ZipFile(wheel).namelist()


@pytest.mark.timeout(180)
def test_everyone_may_read(app: Path) -> None:
    """The image's user can read all that is installed, though root owns it."""
    unreadable = [path for path in app.rglob("*") if not path.stat().st_mode & stat.S_IROTH]
    assert unreadable == []


@pytest.mark.timeout(180)
async def test_speaks_in_the_image(app: Path, tmp_path: Path) -> None:
    """As the image's user, with an empty environment and nothing to write to, it speaks."""
    key = tmp_path / "key"
    key.write_text("key")
    async with Emulator(EmulatorSettings(voice="code")) as emulator:
        environment = {
            "PATH": f"{app / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin",
            "WYOMING_FISH_URI": "tcp://127.0.0.1:0",
            "FISH_API_KEY_FILE": str(key),
            "FISH_BASE_URL": emulator.url,
        }
        program = Program(*_sandbox(), *json.loads(_instruction("ENTRYPOINT")), env=environment)
        with program:
            uri = (await asyncio.to_thread(program.wait_for, READY))[1]
            if os.geteuid() == 0:
                status = await asyncio.to_thread(Path(f"/proc/{program.pid}/status").read_text)
                assert re.search(r"^Uid:\s+10210\s+10210", status, re.MULTILINE)
            asked = json.loads(_instruction("HEALTHCHECK").partition("CMD")[2])
            with Program(
                *_sandbox(), *asked, env=environment | {"WYOMING_FISH_URI": uri}
            ) as health:
                assert await asyncio.to_thread(health.wait) == 0, health.log
            assert health.log == f"Healthy: {uri}\n"
            async with AsyncTcpClient("127.0.0.1", int(uri.rpartition(":")[2])) as client:
                await client.write_event(Synthesize(TEXT).event())
                reply = await receive(client, "audio-stop")
            assert decode_code_voice(reply.pcm) == TEXT
            assert await asyncio.to_thread(program.end) == 0
        assert "WARNING" not in program.log
