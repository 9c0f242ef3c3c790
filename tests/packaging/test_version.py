"""The version and the repository's address: each in one place, and the same everywhere."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.processes import ROOT
from tests.support.project import files
from wyoming_fish import __version__

MANIFEST = json.loads((ROOT / "custom_components" / "wyoming_fish" / "manifest.json").read_text())

# What tells the version, and where in it.
PLACES = {
    "custom_components/wyoming_fish/manifest.json": r'"version": "(.*)"',
    "apps/wyoming_fish/config.yaml": r'^version: "?([^"\n]*)"?$',
    "CHANGELOG.md": r"^## \[(\d\S*)\]",
}

# A release as the repository's files name it: an address, an image, a package.
RELEASES = re.compile(r"wyoming-fish(?::|==| |/releases/(?:tag|download)/v)(\d+\.\d+\.\d+)")
REPOSITORIES = re.compile(
    r"\b(?:github\.com|githubusercontent\.com|ghcr\.io)/([\w.-]+/wyoming-fish)\b"
)

TEXTS = {".cfg", ".json", ".md", ".toml", ".txt", ".xml", ".yaml", ".yml", ""}


def _texts() -> list[Path]:
    """Return the files of the repository that are for people and machines to read, not to run."""
    return [path for path in files() if path.suffix in TEXTS]


@pytest.mark.parametrize("place", PLACES)
def test_version(place: str) -> None:
    """What tells the version tells the package's; of the changelog's entries, the newest."""
    found = re.search(PLACES[place], (ROOT / place).read_text(), re.MULTILINE)
    assert found
    assert found[1] == __version__


def test_named_releases() -> None:
    """Wherever an image or a release is named with its version, it is this one."""
    for path in _texts():
        assert set(RELEASES.findall(path.read_text())) <= {__version__}, path


def test_repository() -> None:
    """Every address of the repository and of its image is that of the manifest."""
    repository = MANIFEST["documentation"].removeprefix("https://github.com/")
    assert MANIFEST["issue_tracker"] == f"https://github.com/{repository}/issues"
    assert MANIFEST["codeowners"] == [f"@{repository.split('/')[0]}"]
    found = {path: set(REPOSITORIES.findall(path.read_text())) for path in _texts()}
    assert found[ROOT / "CHANGELOG.md"]
    for path, repositories in found.items():
        assert repositories <= {repository}, path


def test_addresses_of_the_package() -> None:
    """The package's addresses are the repository's, and the files that they name exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    home = MANIFEST["documentation"]
    assert {"Homepage", "Documentation", "Changelog", "Issues"} <= set(project["urls"])
    for url in project["urls"].values():
        assert url.startswith(home), url
        _, is_file, path = url.partition("/blob/main/")
        assert not is_file or (ROOT / path.partition("#")[0]).is_file(), url


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the release's notes are made from."""
    for name in ("CHANGELOG.md", "script/release_notes.py", "wyoming_fish/__init__.py"):
        copy = tmp_path / name
        copy.parent.mkdir(exist_ok=True)
        copy.write_text((ROOT / name).read_text())
    return tmp_path


def _notes(project: Path, tag: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(project / "script" / "release_notes.py"), tag]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_notes(project: Path) -> None:
    """The notes of a release are what the changelog says of it, and nothing of an older one."""
    changelog = project / "CHANGELOG.md"
    newest = (
        "## [Unreleased]\n\n- Later\n\n## [9.1.0] - 2027-01-02\n\n### Added\n\n- A thing\n\n## ["
    )
    changelog.write_text(changelog.read_text().replace("## [", newest, 1))
    (project / "wyoming_fish" / "__init__.py").write_text('__version__ = "9.1.0"\n')
    done = _notes(project, "v9.1.0")
    assert done.stderr == ""
    assert done.stdout == "### Added\n\n- A thing\n"


def test_notes_of_the_last_entry(project: Path) -> None:
    """The last entry ends before the addresses at the end of the file."""
    done = _notes(project, f"v{__version__}")
    assert done.returncode == 0
    assert "### Added" in done.stdout
    assert f"\n[{__version__}]:" not in done.stdout


@pytest.mark.parametrize("tag", ["v9.9.9", __version__])
def test_wrong_tag(project: Path, tag: str) -> None:
    """A tag that is not the version, with its v, is told, and there are no notes."""
    done = _notes(project, tag)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"The tag is {tag}, ")


def test_no_entry(project: Path) -> None:
    """A changelog in which nothing was released has no notes."""
    (project / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n- Later\n")
    done = _notes(project, f"v{__version__}")
    assert done.returncode == 1
    assert done.stderr == "CHANGELOG.md has no entry with a version and a date.\n"
