"""Transport: whether replies go by websocket or by REST."""

from __future__ import annotations

from typing import Final

from .. import clock

__all__ = ["CircuitBreaker"]

# Seconds until the websocket is tried again: a proxy or a server is set right by a person, who
# should not have to restart this program. A handshake that fails costs a reply 0.3 s.
OPEN_S: Final = 300.0

# Failures in a row to open a websocket after which REST is tried: a restart of Fish's costs one or
# two, and REST hears of each sentence only when it is written.
FAILURE_THRESHOLD: Final = 3


class CircuitBreaker:
    """Circuit breaker: chooses websocket or REST. No I/O: it is told what happened."""

    def __init__(self) -> None:
        self._unsupported_until = self._open_until = float("-inf")
        self._failures = 0

    @property
    def websocket_unsupported(self) -> bool:
        """Whether the server itself has said that it has no websocket."""
        return clock.now() < self._unsupported_until

    @property
    def is_open(self) -> bool:
        """Whether REST is known to be the better way, until the websocket is tried again.

        The server has no websocket, or REST has spoken after the websocket had failed.
        """
        return self.websocket_unsupported or clock.now() < self._open_until

    @property
    def use_rest(self) -> bool:
        """Whether the next reply, or the next try of one, goes by REST."""
        return self.is_open or self._failures >= FAILURE_THRESHOLD

    def mark_unsupported(self) -> None:
        """Record that the server has no websocket."""
        self._unsupported_until = clock.now() + OPEN_S

    def record_failure(self, *, slowly: bool = False) -> None:
        """No websocket could be opened; one that failed ``slowly`` is not waited for again."""
        self._failures += FAILURE_THRESHOLD if slowly else 1

    def record_open(self) -> None:
        """A websocket has been opened, and is good."""
        self._unsupported_until = self._open_until = float("-inf")
        self._failures = 0

    def record_rest_success(self) -> None:
        """REST has spoken: if the websocket had failed, that was not the network's fault."""
        if self._failures >= FAILURE_THRESHOLD:
            self._open_until = clock.now() + OPEN_S
            self._failures = 0

    def record_rest_failure(self) -> None:
        """REST has failed: the websocket is tried again, unless the server has none."""
        self._failures = 0
