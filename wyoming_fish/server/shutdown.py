"""Stopping on SIGTERM and Ctrl-C: in order on the first signal, immediately on the second."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

__all__ = ["STOP_TIMEOUT_S", "exit_on_signal", "stop_on_signal"]

# Ctrl-C, and the end of a terminal, are no reason to break off what is being said either.
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

# Seconds in which the server stops in order: Docker and Home Assistant's Supervisor kill it after
# 10 s.
STOP_TIMEOUT_S: Final = 9.0

# Seconds after which the process ends whatever it is doing: Python waits without end for a thread
# that hangs, such as one that reads from a disk that does not answer.
EXIT_TIMEOUT_S: Final = 9.5


def exit_on_signal() -> None:
    """End the process immediately on STOP_SIGNALS: it has nothing to stop in order yet."""
    for number in STOP_SIGNALS:
        signal.signal(number, _exit)


def stop_on_signal(stop: Callable[[], None]) -> None:
    """Call ``stop`` in the running loop on the first of STOP_SIGNALS.

    The second one ends the process immediately, and so does EXIT_TIMEOUT_S. These are handlers of
    Python's own and not of the loop's, since they are for a loop that hangs, too; and no default
    actions, since the kernel ignores those for the first process of a container.
    """
    # `exit_on_signal` comes before such imports.
    import asyncio  # noqa: PLC0415

    loop = asyncio.get_running_loop()

    def first(number: int, frame: FrameType | None) -> None:
        if loop.is_closed():
            _exit(number, frame)
        exit_on_signal()
        signal.signal(signal.SIGALRM, _exit)
        signal.setitimer(signal.ITIMER_REAL, EXIT_TIMEOUT_S)
        loop.call_soon_threadsafe(stop)

    for number in STOP_SIGNALS:
        signal.signal(number, first)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    late = number == signal.SIGALRM
    # Without the logging module, whose lock may be taken.
    os.write(2, b"Stopped before everything was closed.\n" if late else b"Stopped.\n")
    os._exit(1 if late else 128 + number)
