"""Shutdown on SIGTERM and Ctrl-C: an orderly one on the first signal, immediate on the second."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

__all__ = ["STOP_TIMEOUT_S", "exit_on_signal", "stop_on_signal"]

# Ctrl-C and the end of a terminal also let the replies in progress finish.
STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

# Seconds for an orderly shutdown: Docker and Home Assistant's Supervisor kill it after 10 s.
STOP_TIMEOUT_S: Final = 9.0

# Seconds after which the process ends in any case: Python waits without limit for a thread that
# hangs, such as one that reads from a disk that does not answer.
EXIT_TIMEOUT_S: Final = 9.5


def exit_on_signal() -> None:
    """End the process immediately on STOP_SIGNALS, before the server has started."""
    for number in STOP_SIGNALS:
        signal.signal(number, _exit)


def stop_on_signal(stop: Callable[[], None]) -> None:
    """Call ``stop`` in the running loop on the first of STOP_SIGNALS.

    The second one ends the process immediately, and so does EXIT_TIMEOUT_S. The handlers are
    Python's, not the event loop's, because the loop can hang. They are not the default actions,
    because the kernel ignores those for the first process of a container.
    """
    # `exit_on_signal` must run before this slow import.
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
    is_late = number == signal.SIGALRM
    # Not with the logging module: its lock can be held.
    os.write(2, b"Stopped before everything was closed.\n" if is_late else b"Stopped.\n")
    os._exit(1 if is_late else 128 + number)
