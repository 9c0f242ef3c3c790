"""script/setup where it cannot work: one sentence, and nothing else."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT

# What the script uses of the system, but for Python.
PROGRAMS = ("bash", "cat", "cmp", "dirname", "env")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the set-up reads, without a virtualenv."""
    project = tmp_path / "project"
    for folder in ("requirements", "script", "wyoming_fish"):
        shutil.copytree(ROOT / folder, project / folder)
    for file in ("LICENSE", "README.md", "pyproject.toml"):
        shutil.copy(ROOT / file, project)
    return project


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder for a PATH without Python."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in PROGRAMS:
        found = shutil.which(name)
        assert found
        (programs / name).symlink_to(found)
    return programs


def _set_up(project: Path, path: str | Path, **env: str) -> list[str]:
    """Run a set-up that must fail, and return the lines that it printed."""
    done = subprocess.run(
        [project / "script" / "setup", "run"],
        env=os.environ | {"PATH": str(path), "PYTHON": ""} | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_no_python(project: Path, programs: Path) -> None:
    """Without Python, it says which is needed."""
    sentence = "Python 3.11 or later is needed, and there is none on the PATH."
    assert _set_up(project, programs) == [sentence]


def test_old_python(project: Path, programs: Path) -> None:
    """A Python that is too old is as good as none."""
    python = programs / "python3"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    sentence = "Python 3.11 or later is needed, and there is none on the PATH."
    assert _set_up(project, programs) == [sentence]


def test_another_python(project: Path, programs: Path) -> None:
    """The Python that PYTHON names is taken and no other, whatever is on the PATH."""
    (programs / "python3").symlink_to(sys.executable)
    sentence = "Python 3.11 or later is needed, and /no/python is not that."
    assert _set_up(project, programs, PYTHON="/no/python") == [sentence]


def test_another_python_than_before(project: Path, tmp_path: Path, programs: Path) -> None:
    """A virtualenv of another Python than PYTHON names is made again."""
    for program in ("rm", "env"):
        (programs / program).unlink(missing_ok=True)
        (programs / program).symlink_to(shutil.which(program) or "")
    stale = project / ".venv" / "bin"
    stale.mkdir(parents=True)
    (stale / "python").symlink_to(sys.executable)
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\n[ "$2" = "import sys; print(sys.version)" ] && echo 3.99 && exit\n'
        f'[ "$2" != venv ] && exec {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    *_, sentence = _set_up(project, programs, PYTHON=str(python))
    assert sentence.startswith(f"{python} cannot make a virtualenv")
    assert not stale.exists()


def test_no_venv_module(project: Path, programs: Path) -> None:
    """Without the module that makes virtualenvs, it says what to install."""
    python = programs / "python3"
    python.write_text(f'#!/bin/sh\n[ "$2" != venv ] && exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    *_, sentence = _set_up(project, programs)
    assert sentence == (
        "python3 cannot make a virtualenv: "
        "install its venv module (Debian and Ubuntu: python3-venv)."
    )


def test_no_network(project: Path, unused_tcp_port: int) -> None:
    """Without a network, it says so, and where the details are."""
    nowhere = f"http://127.0.0.1:{unused_tcp_port}/"
    *_, sentence = _set_up(
        project,
        os.environ["PATH"],
        PIP_CONFIG_FILE=os.devnull,
        PIP_NO_CACHE_DIR="1",
        PIP_FIND_LINKS="",
        PIP_EXTRA_INDEX_URL="",
        PIP_INDEX_URL=nowhere,
    )
    assert sentence == (
        "The packages could not be installed (is there a network?): .venv/install.log says why."
    )
    assert (project / ".venv" / "install.log").read_text()
