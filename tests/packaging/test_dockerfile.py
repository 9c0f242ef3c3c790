"""The Dockerfile, as far as it can be tried without a container engine."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.processes import ROOT
from wyoming_fish import __version__

# An instruction, and what follows it up to the end of the last continued line.
INSTRUCTION = re.compile(r"^([A-Z]+)\s+((?:.*\\\n)*.*)$", re.MULTILINE)


def _instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text()
    return [(name, rest.replace("\\\n", "")) for name, rest in INSTRUCTION.findall(text)]


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


@pytest.mark.timeout(180)
def test_build(tmp_path: Path) -> None:
    """From what is copied alone, the build stage's own commands make a server that runs."""
    src, app, python = tmp_path / "src", tmp_path / "app", tmp_path / "python"
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
        elif name == "RUN":
            command = rest.replace("/app", str(app))
            subprocess.run(["sh", "-c", command], cwd=src, env=os.environ | path, check=True)

    (wheel,) = (src / "dist").glob("*.whl")
    folders = {Path(name).parts[0] for name in ZipFile(wheel).namelist()}
    assert folders == {"wyoming_fish", f"wyoming_fish-{__version__}.dist-info"}
    assert "wyoming_fish/py.typed" in ZipFile(wheel).namelist()

    (entry_point,) = [json.loads(rest) for name, rest in _instructions() if name == "ENTRYPOINT"]
    shown = subprocess.run(
        [*entry_point, "--version"],
        cwd=tmp_path,
        env={"PATH": str(app / "bin")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert __version__ in shown.stdout


def test_not_root() -> None:
    """The server's user is a number other than root's."""
    users = [rest for name, rest in _instructions() if name == "USER"]
    assert len(users) == 1
    assert int(users[0].split(":")[0]) > 0
