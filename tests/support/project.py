"""The project's own files, without what is made from them."""

import os
import shutil
from pathlib import Path

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
