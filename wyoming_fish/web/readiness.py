"""Readiness: whether a reply would be spoken now."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from typing import Final, NamedTuple

from ..fish import clock
from ..fish.errors import FishError, UnsupportedError
from ..fish.settings import Backend
from ..server.context import ServerContext
from ..server.requests.synthesis import InternalError

__all__ = ["Readiness", "ReadinessState"]

_LOGGER = logging.getLogger(__name__)

# Seconds for which an answer of Fish Audio about the account is reused, so that probes cause at
# most one request a minute. A failure is checked again sooner.
OK_TTL_S: Final = 60.0
FAILURE_TTL_S: Final = 5.0

# Seconds to wait for a new answer: a probe of Kubernetes waits for one second. A later answer
# counts for the next probe.
MAX_WAIT_S: Final = 0.5


class ReadinessState(NamedTuple):
    """The result of a check."""

    ready: bool
    message: str
    """What is wrong, and what to do; or that all is well."""


class Readiness:
    """Checks the account and the connections. Call ``close()`` in the end."""

    def __init__(self, context: ServerContext) -> None:
        self.credit: Decimal | None = None
        """US dollars; None if it is unknown, or if the server has no credit."""
        self.stopping = False
        """To be set when the server stops."""
        self._context = context
        self._credit_check: asyncio.Task[Decimal | None] | None = None
        self._failure = ""
        self._known_until: float | None = None

    async def close(self) -> None:
        """Cancel the check of the account."""
        if self._credit_check is not None:
            self._credit_check.cancel()
            await asyncio.wait((self._credit_check,))

    async def check(self) -> ReadinessState:
        """Return the current state, within MAX_WAIT_S."""
        if self.stopping:
            return ReadinessState(ready=False, message="The server is stopping.")
        await self._refresh()
        problem = self._problem()
        if problem and self._context.options.fallback_uri:
            return ReadinessState(ready=True, message=f"Using the fallback voice: {problem}")
        if problem:
            return ReadinessState(ready=False, message=problem)
        if self.credit is None:
            # A server without credit does not report whether a key is valid.
            return ReadinessState(
                ready=True, message=f"{self._context.fish.endpoint.name} answers."
            )
        free = self._context.options.speech.backend is Backend.S2_1_PRO_FREE
        if self.credit <= 0 and not free:
            # A reply then fails with an error that says so.
            return ReadinessState(
                ready=True,
                message="Fish Audio answers, but the API credit is used up. Add API credit at "
                "fish.audio, or select the backend s2.1-pro-free.",
            )
        return ReadinessState(ready=True, message="Fish Audio answers and accepts the API key.")

    def _problem(self) -> str:
        """The reason why a reply would not be spoken; empty if there is none."""
        fish = self._context.fish
        if self._known_until is None:
            return f"{fish.endpoint.name} has not answered yet."
        if self._failure:
            return self._failure
        if not fish.status.is_ready:
            # Until the server is ready, no client causes a new connection.
            self._context.synthesis.prewarm()
            return f"{fish.endpoint.name} answers, but no connection for speech is open yet."
        return ""

    async def _refresh(self) -> None:
        """Check the account again if the last answer has expired; wait for MAX_WAIT_S at most."""
        if self._credit_check is None and (
            self._known_until is None or clock.now() >= self._known_until
        ):
            self._credit_check = asyncio.create_task(self._credit())
            self._credit_check.add_done_callback(self._on_checked)
        if self._credit_check is not None:
            await asyncio.wait((self._credit_check,), timeout=MAX_WAIT_S)

    def _on_checked(self, check: asyncio.Task[Decimal | None]) -> None:
        """Store the answer. Any error other than a FishError is a bug."""
        self._credit_check = None
        if check.cancelled():
            return
        error = check.exception()
        if error is None:
            self.credit, self._failure = check.result(), ""
        elif isinstance(error, FishError):
            self._failure = str(error)
        else:
            _LOGGER.error("Cannot check the account. Report this error.", exc_info=error)
            self._failure = str(InternalError())
        self._known_until = clock.now() + (FAILURE_TTL_S if self._failure else OK_TTL_S)

    async def _credit(self) -> Decimal | None:
        try:
            return (await self._context.fish.credit()).amount
        except UnsupportedError:
            # A server without credit checks its key here, if it has one.
            await self._context.fish.voices()
            return None
