"""The project's YAML files, and the checks of them that several tests share."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.support.processes import ROOT
from wyoming_fish import __version__

IMAGE = f"ghcr.io/wyoming-fish/wyoming-fish:{__version__}"


def load(name: str) -> dict[str, Any]:
    """Read a file of one document; its path is the project's."""
    document: dict[str, Any] = yaml.safe_load((ROOT / name).read_text())
    return document


def load_all(name: str) -> list[dict[str, Any]]:
    """Read a file of several documents."""
    return list(yaml.safe_load_all((ROOT / name).read_text()))


def check_compose(name: str) -> None:
    """Hold a Compose file against the Compose specification's own schema."""
    command = Path(sys.executable).parent / "check-jsonschema"
    done = subprocess.run(
        [command, "--builtin-schema", "vendor.compose-spec", ROOT / name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
