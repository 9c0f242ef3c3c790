"""Start-up: from `exec` to the answer to `describe`, and how much of it is imports."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from typing import Final

from wyoming.event import read_event
from wyoming.info import Describe

import wyoming_fish
from tests.support.processes import ENVIRONMENT, Program
from wyoming_fish.server.events import encode

from .table import Verdict, print_table, print_verdicts, verdict

ROUNDS: Final = 15
LIMIT: Final = 0.5

# Seconds between two attempts to connect.
POLL: Final = 0.002
TIMEOUT: Final = 30.0

ANSWER: Final = "`describe` is answered"
COMMAND: Final = Path(sys.executable).parent / "wyoming-fish"
IMPORTS: Final = "import wyoming_fish.cli.run_server"
# The clock is the machine's: two processes read the same.
CLOCK: Final = "import time; print(time.monotonic())"


def run(*, quick: bool = False) -> list[Verdict]:
    """Measure, print the table and give the verdicts."""
    # As installing a package does; the project's folder is not installed but linked.
    folder = str(Path(wyoming_fish.__file__).parent)
    subprocess.run((sys.executable, "-m", "compileall", "-q", folder), check=True)
    measures: dict[str, Callable[[], float]] = {
        ANSWER: _answer,
        "the server's modules are imported": lambda: _python(IMPORTS),
        "Python runs": lambda: _python("pass"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(1 if quick else ROUNDS):
        for name, measure in measures.items():
            seconds[name].append(measure())
    answer = median(seconds[ANSWER])
    print_table(
        "Start-up, from `exec` on",
        ["until", "share", "median", "least"],
        [
            [
                name,
                f"{median(every) / answer:.0%}",
                f"{1000 * median(every):.0f} ms",
                f"{1000 * min(every):.0f} ms",
            ]
            for name, every in seconds.items()
        ],
    )
    verdicts = [verdict("from exec to the answer to describe, median", answer, LIMIT, "s")]
    print_verdicts(verdicts)
    return verdicts


def _answer() -> float:
    """Seconds from `exec` to the answer, which never waits for Fish: nobody is there."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    flags = ("--uri", f"tcp://127.0.0.1:{port}", "--api-key", "key")
    nowhere = ("--base-url", "http://127.0.0.1:9")
    began = monotonic()
    with (
        Program(str(COMMAND), *flags, *nowhere) as program,
        _connect(port) as connection,
        connection.makefile("rb") as answers,
    ):
        connection.sendall(encode(Describe().event()))
        answer = read_event(answers)
        seconds = monotonic() - began
    if answer is None or answer.type != "info":
        raise RuntimeError(f"The server did not answer, but:\n{program.log}")
    return seconds


def _connect(port: int) -> socket.socket:
    """Connect as soon as somebody listens. Raises ConnectionRefusedError."""
    given_up = monotonic() + TIMEOUT
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            if monotonic() > given_up:
                raise
            sleep(POLL)


def _python(code: str) -> float:
    """Seconds from `exec` until the code has run."""
    began = monotonic()
    command = [sys.executable, "-c", f"{code}\n{CLOCK}"]
    done = subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.PIPE, check=True)
    return float(done.stdout) - began
