"""Whether speech goes by REST for a while, since the websocket cannot be had."""

from __future__ import annotations

import asyncio
from typing import Final

__all__ = ["CircuitBreaker"]

# Seconds until the websocket is tried again: a proxy or a server is set right by a person, who
# should not have to restart what speaks; and a handshake in vain takes a reply 0.3 s.
OPEN_S: Final = 300.0

# Attempts in a row to open a websocket that may fail until REST is tried: a restart of Fish's
# costs one or two, and REST hears of each sentence only when it is written.
FAILURE_THRESHOLD: Final = 3


class CircuitBreaker:
    """What is known of the way by websocket. No I/O: it is told what happened."""

    def __init__(self) -> None:
        self._missing_until = float("-inf")
        self._failing_until = float("-inf")
        self._failures = 0

    @property
    def missing(self) -> bool:
        """Whether the server itself has said that it has no websocket."""
        return _now() < self._missing_until

    @property
    def settled(self) -> bool:
        """Whether speech goes by REST for good reason, until the websocket is tried again.

        The server has no websocket, or REST has spoken where the websocket had failed.
        """
        return self.missing or _now() < self._failing_until

    @property
    def taken(self) -> bool:
        """Whether the next reply, or the next try of one, goes by REST."""
        return self.settled or self._failures >= FAILURE_THRESHOLD

    def refused(self) -> None:
        """Record that the server has no websocket."""
        self._missing_until = _now() + OPEN_S

    def failed(self, *, slowly: bool = False) -> None:
        """No websocket came about; one that failed ``slowly`` is not waited for again."""
        self._failures += FAILURE_THRESHOLD if slowly else 1

    def opened(self) -> None:
        """A websocket has been opened."""
        self._missing_until = self._failing_until = float("-inf")
        self._failures = 0

    def spoke(self) -> None:
        """REST has spoken: where the websocket had failed, that was not the network's fault."""
        if self._failures >= FAILURE_THRESHOLD:
            self._failing_until = _now() + OPEN_S
            self._failures = 0

    def failed_too(self) -> None:
        """REST has failed: where the websocket had too, that is as good a way."""
        self._failures = 0


def _now() -> float:
    return asyncio.get_running_loop().time()
