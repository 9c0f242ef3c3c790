"""The workflows, as far as they can be tried without GitHub; script/lint checks them too."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import yaml

from tests.support.processes import ROOT
from tests.support.project import copy_project
from wyoming_fish import __version__

WORKFLOWS = {
    path.name: yaml.safe_load(path.read_text())
    for path in (ROOT / ".github" / "workflows").glob("*.yml")
}

# A commit, and in a comment the version that it is, or of which day.
PIN = re.compile(r"uses: ([\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+|\w+ of \d{4}-\d\d-\d\d)$")

# A digest, as an image has it.
DIGEST = "sha256:" + 64 * "7"


def _steps(workflow: str) -> Iterator[dict[str, Any]]:
    for job in WORKFLOWS[workflow]["jobs"].values():
        yield from job.get("steps", ())


def test_pins() -> None:
    """Each action is pinned to a commit, everywhere to the same one, and says what it is."""
    pins: dict[str, set[tuple[str, str]]] = {}
    for name in WORKFLOWS:
        for line in (ROOT / ".github" / "workflows" / name).read_text().splitlines():
            if "uses: " in line and "uses: $/" not in line:
                found = PIN.search(line)
                assert found, line
                pins.setdefault(found[1], set()).add((found[2], found[3]))
    assert len(pins) > 5
    for action, commits in pins.items():
        assert len(commits) == 1, action


def test_every_python() -> None:
    """The tests run on each Python that the package says it runs on."""
    matrix = WORKFLOWS["test.yml"]["jobs"]["everything"]["strategy"]["matrix"]["python"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    classifier = re.compile(r"Programming Language :: Python :: (3\.\d+)")
    said = [found[1] for found in map(classifier.fullmatch, project["classifiers"]) if found]
    assert [".".join(python.split(".")[:2]) for python in matrix] == said
    assert project["requires-python"] == f">={said[0]}"


def test_least_permissions() -> None:
    """A workflow may do nothing; each of its jobs only what it names."""
    for workflow in WORKFLOWS.values():
        assert workflow["permissions"] == {}
        for job in workflow["jobs"].values():
            assert job["permissions"]
    reading = {"contents": "read"}
    assert all(job["permissions"] == reading for job in WORKFLOWS["test.yml"]["jobs"].values())


def test_a_release_waits_for_the_tests() -> None:
    """Nothing is published before all tests have passed and the tag was found to be the version."""
    jobs = WORKFLOWS["release.yml"]["jobs"]
    assert jobs["test"]["uses"] == "$/.github/workflows/test.yml"
    for name, job in jobs.items():
        publishes = {"packages", "id-token"} & job["permissions"].keys() and name != "build"
        if publishes:
            assert {"test", "build"} <= set(job["needs"])
    assert {"build", "package", "image"} <= set(jobs["release"]["needs"])


def test_shell() -> None:
    """What the steps run is sound shell, and the project's files in it exist."""
    for name in WORKFLOWS:
        for step in _steps(name):
            script = step.get("run", "")
            assert "${{" not in script, "use an expression only in env, where it is not code"
            shellcheck = [str(Path(sys.executable).with_name("shellcheck")), "--shell=bash", "-"]
            checked = subprocess.run(shellcheck, input=script, text=True, check=False)
            assert checked.returncode == 0, script
            for file in re.findall(r"\b(?:script|requirements)/[\w.-]+", script):
                assert (ROOT / file).exists()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the project, as GitHub checks it out."""
    copy_project(tmp_path / "checkout")
    return tmp_path / "checkout"


def _run(step: dict[str, Any], folder: Path, **env: str) -> None:
    """Run a step's script as GitHub does."""
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", step["run"]],
        cwd=folder,
        env=os.environ | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_release(checkout: Path) -> None:
    """From a tag come a wheel and a sdist of its version, the archive, and notes with the image."""
    programs = checkout.parent / "programs"
    programs.mkdir()
    # What builds the package is here already; nothing may be published from here.
    (programs / "pip").symlink_to("/bin/true")
    (programs / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (programs / "gh").write_text('#!/bin/sh\nprintf "%s\\n" "$@" >gh.txt\n')
    for name in ("python3", "gh"):
        (programs / name).chmod(0o755)
    env = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "GITHUB_REF_NAME": f"v{__version__}",
        "GITHUB_OUTPUT": str(checkout / "output.txt"),
        "GITHUB_REPOSITORY": "wyoming-fish/wyoming-fish",
        "IMAGE": WORKFLOWS["release.yml"]["env"]["IMAGE"],
        "DIGEST": DIGEST,
    }
    jobs = WORKFLOWS["release.yml"]["jobs"]
    for step in (*jobs["build"]["steps"], *jobs["release"]["steps"]):
        if "run" in step:
            _run(step, checkout, **env)

    assert (checkout / "output.txt").read_text() == f"version={__version__}\n"
    made = {path.name for path in (checkout / "dist").iterdir()}
    assert made == {
        f"wyoming_fish-{__version__}-py3-none-any.whl",
        f"wyoming_fish-{__version__}.tar.gz",
    }
    with ZipFile(checkout / "release" / "wyoming_fish.zip") as archive:
        assert "manifest.json" in archive.namelist()

    arguments = (checkout / "gh.txt").read_text().splitlines()
    assert arguments[:3] == ["release", "create", f"v{__version__}"]
    files = [argument for argument in arguments if argument.startswith(("dist/", "release/"))]
    notes, *assets = files
    assert {Path(asset).name for asset in assets} == made | {"wyoming_fish.zip"}
    text = (checkout / notes).read_text()
    assert "### Added" in text
    assert text.endswith(f"\nThe image: ghcr.io/wyoming-fish/wyoming-fish:{__version__}@{DIGEST}\n")
