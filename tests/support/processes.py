"""Programs that tests start, wait for and end."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[2]

# Without what the person who runs the tests may have set for the server.
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("FISH_", "WYOMING_FISH_"))
}

# Seconds for a program that ends by itself, on a busy machine.
RUN_TIMEOUT_S = 120.0


def run_to_end(
    *command: str | Path, env: Mapping[str, str] = ENVIRONMENT, cwd: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, by default in the project's folder, and keep what it prints."""
    return subprocess.run(
        command,
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_TIMEOUT_S,
    )


class Program:
    """A program that runs in the background; what it prints is kept."""

    def __init__(self, *command: str, env: Mapping[str, str] = ENVIRONMENT) -> None:
        """Start it in the project's folder."""
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self._lines: list[str] = []
        self._ended = False
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def log(self) -> str:
        """All that it has printed so far."""
        return "".join(self._lines)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_for(self, pattern: str, seconds: float = 30) -> re.Match[str]:
        """Wait until a printed line has this; fail where it ends first or takes too long."""

        def found() -> re.Match[str] | None:
            return next(filter(None, (re.search(pattern, line) for line in self._lines)), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or self._ended, seconds)
            match = found()
        assert match, f"{pattern!r} was not printed, but:\n{self.log}"
        return match

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def wait(self, seconds: float = 15) -> int:
        """Wait until it has ended by itself, and return its exit status."""
        status = self._process.wait(seconds)
        self._reader.join()
        return status

    def end(self, seconds: float = 15) -> int:
        """Ask it to end, insist where it does not, and return its exit status."""
        self._process.terminate()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reader.join()
        return self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                with self._changed:
                    self._lines.append(line.decode(errors="replace"))
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def server(*flags: str) -> Program:
    """Start the server as a person would; `.wait_for(READY)[1]` is then its URI."""
    return Program(sys.executable, "-m", "wyoming_fish", *flags)


READY = r"Ready on (\S+)"
