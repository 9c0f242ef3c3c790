"""Where the documentation's commands are run: a copy of the project, and an own Fish Audio."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import ENVIRONMENT, ROOT, Program
from tests.support.project import copy_project


@dataclass(frozen=True)
class Scene:
    """What is there when a command is run."""

    folder: Path
    """A copy of the project, in which everything is set up."""
    speaker: str
    """The URI of a server that speaks."""
    environment: dict[str, str]
    """As after the documentation's own `export`; Fish Audio is an emulated one."""

    def run(self, command: str, given: str = "") -> str:
        """Run a command to its end as a person would, and return what it printed."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    @contextmanager
    def start(self, command: str) -> Iterator[Program]:
        """Run a command that goes on until it is ended, at a free port."""
        environment = self.environment | {"WYOMING_FISH_URI": "tcp://127.0.0.1:0"}
        # It reads the variables before the command as a shell would, and becomes the command.
        words = ("env", f"--chdir={self.folder}", *shlex.split(command))
        with Program(*words, env=environment) as started:
            yield started


@contextmanager
def scene(folder: Path, speaker: str) -> Iterator[Scene]:
    """Set the scene in an empty folder."""
    copy_project(folder)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    # What it would install is in that virtualenv, and in the copy it would do it once more.
    (folder / "script" / "setup").write_text("#!/bin/sh\n")
    (folder / "fish_api_key").write_text("your-key\n")

    emulator = Program(
        str(ROOT / ".venv" / "bin" / "python"), "-m", "wyoming_fish.emulator", "--voice=tone"
    )
    with emulator:
        url = emulator.wait_for(r"(http://\S+)")[1]
        path = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
        fish = {"FISH_API_KEY": "your-key", "FISH_BASE_URL": url}
        # Help that is not broken into lines.
        shell = {"PATH": path, "COLUMNS": "1000"}
        yield Scene(folder, speaker, ENVIRONMENT | fish | shell)
