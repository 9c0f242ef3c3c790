"""The project's own files, without what is made from them, and the texts that they are held to."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from script.home_assistant import VENV
from tests.support.processes import ROOT

_IGNORED = shutil.ignore_patterns(
    ".git", *(line.strip("/") for line in (ROOT / ".gitignore").read_text().split())
)


def files() -> list[Path]:
    """Return all files, sorted."""
    found = []
    for folder, folders, names in os.walk(ROOT):
        ignored = _IGNORED(folder, [*folders, *names])
        folders[:] = [name for name in folders if name not in ignored]
        found += [Path(folder, name) for name in names if name not in ignored]
    return sorted(found)


def copy_project(folder: Path) -> None:
    """Copy the project into a folder, as one who clones it has it."""
    shutil.copytree(ROOT, folder, symlinks=True, ignore=_IGNORED, dirs_exist_ok=True)


def frontend_texts(language: str) -> dict[str, str]:
    """Return the texts of Home Assistant's frontend. Skips the test if it is not set up."""
    folder = next(VENV.glob("lib/python*/site-packages/hass_frontend/static/translations"), None)
    if folder is None:
        pytest.skip("Home Assistant is not set up: script/setup home-assistant")
    texts: dict[str, str] = {}
    for path in folder.rglob("*.json"):
        if re.fullmatch(rf"{language}-[0-9a-f]+", path.stem):
            texts |= json.loads(path.read_text())
    return texts
