"""The Home Assistant integration's archive, and the check of its files."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.support.processes import ROOT

COMPONENT = Path("custom_components", "wyoming_fish")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what belongs to the integration."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "custom_components", project / "custom_components", symlinks=True)
    for folder in ("script", "wyoming_fish"):
        shutil.copytree(ROOT / folder, project / folder)
    for file in ("LICENSE", "hacs.json", "pyproject.toml"):
        shutil.copy(ROOT / file, project)
    return project


def test_archive(project: Path) -> None:
    """It has real files, the engine's among them, and is the same whenever it is made."""
    made = []
    for name in ("one.zip", "two.zip"):
        archive = project / "dist" / name
        subprocess.run([project / "script" / "package-integration", archive], check=True)
        made.append(archive.read_bytes())
    assert made[0] == made[1]
    with ZipFile(project / "dist" / "one.zip") as file:
        names = set(file.namelist())
        assert {
            "manifest.json",
            "LICENSE",
            "brand/icon.png",
            "fish/text/sentences/ends.py",
        } <= names
        assert not [name for name in names if "__pycache__" in name]
        for info in file.infolist():
            assert info.external_attr >> 16 == 0o100644
        for path in (ROOT / "wyoming_fish" / "fish").rglob("*.py"):
            name = f"fish/{path.relative_to(ROOT / 'wyoming_fish' / 'fish')}"
            assert file.read(name) == path.read_bytes()


def _replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    """Return what replaces a text in one of the integration's files."""

    def change(project: Path) -> None:
        path = project / COMPONENT / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


def _check(project: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, project / "script" / "check_integration.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_nothing_is_wrong(project: Path) -> None:
    """As it is, there is nothing to complain of."""
    assert _check(project) == (0, "")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (_replace("manifest.json", '"version": "', '"version": "9'), "not the package's"),
        (_replace("manifest.json", '"iot_class"', '"iot_clas"'), "missing or unknown"),
        (_replace("manifest.json", "websockets>=", "websockets>=1"), "pyproject.toml"),
        (_replace("manifest.json", '"ormsgpack>=1.10,<2", ', ""), "ormsgpack is not among"),
        (_replace("manifest.json", ",<18", ""), "has no upper bound"),
        (_replace("speech/voices.py", "..fish import", "..fish.client import"), "below the"),
        (_replace("translations/de.json", "{line}", "{zeile}"), "has other placeholders"),
        (_replace("translations/ja.json", '"no_credit": {', '"no_money": {'), "only there"),
        (_replace("translations/en.json", '"wrong_account"', '"wrong_person"'), "wrong_account"),
        (_replace("forms/voice_steps.py", 'step_id="search"', 'step_id="seek"'), "its steps are"),
        (_replace("errors.py", '"not_fish"', '"no_fish"'), "the errors of config are not"),
        (_replace("errors.py", '"invalid_url"', '"bad_url"'), "the errors of config are not"),
        (_replace("speech/request.py", '"voice_unknown"', '"voice_odd"'), "voice_odd is an error"),
        (_replace("fish/errors.py", '"no-audio"', '"silence"'), "silence is an error"),
        (_replace("icons.json", "mdi:fish", "fish"), "not a Material Design icon"),
        (_replace("quality_scale.yaml", "devices: done", "devices: todo"), "devices is not done"),
        (lambda project: (project / COMPONENT / "fish").unlink(), "not the link"),
    ],
)
def test_what_is_wrong(project: Path, change: Callable[[Path], None], complaint: str) -> None:
    """What does not fit together is told in a line."""
    change(project)
    status, printed = _check(project)
    assert status == 1
    assert complaint in printed
