"""Whether a reply would be spoken now."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from typing import Final, NamedTuple

from ..fish import clock
from ..fish.errors import FishError, UnsupportedError
from ..fish.settings import Backend
from .context import ServerContext

__all__ = ["Readiness", "ReadinessState"]

_LOGGER = logging.getLogger(__name__)

_INTERNAL: Final = "An internal error occurred. See the server's log, and please report it."

# Seconds for which Fish's answer about the account is taken to hold: however often somebody asks
# here, Fish is asked once a minute. A failure is looked at again sooner.
OK_TTL_S: Final = 60.0
FAILURE_TTL_S: Final = 5.0

# Seconds to wait for it: Kubernetes gives a probe one. Fish's answer is there for the next.
MAX_WAIT_S: Final = 0.5


class ReadinessState(NamedTuple):
    """How it is."""

    ready: bool
    says: str
    """In a sentence or two, for a person; what to do about it where it is not well."""


class Readiness:
    """Looks at Fish, the account and the sockets. Call ``close()`` in the end."""

    def __init__(self, context: ServerContext) -> None:
        self.credit: Decimal | None = None
        """US dollars; None where it is not known, or the server has no wallets."""
        self.stopping = False
        """To be set when no more is asked of the server."""
        self._context = context
        self._asking: asyncio.Task[Decimal | None] | None = None
        self._failure = ""
        self._known_until: float | None = None

    async def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait((self._asking,))

    async def look(self) -> ReadinessState:
        """How it is now, within PATIENCE."""
        if self.stopping:
            return ReadinessState(ready=False, says="The server is stopping.")
        await self._renew()
        trouble = self._trouble()
        if trouble and self._context.options.fallback_uri:
            return ReadinessState(ready=True, says=f"The fallback voice speaks, since: {trouble}")
        if trouble:
            return ReadinessState(ready=False, says=trouble)
        if self.credit is None:
            # Without a wallet there is nothing that tells whether a key is good.
            return ReadinessState(ready=True, says=f"{self._context.fish.endpoint.name} answers.")
        free = self._context.options.speech.backend is Backend.S2_1_PRO_FREE
        if self.credit <= 0 and not free:
            # It answers all the same, and says what is wrong.
            return ReadinessState(
                ready=True, says="Fish Audio answers, but the API credit is used up."
            )
        return ReadinessState(ready=True, says="Fish Audio answers, and the key is good.")

    def _trouble(self) -> str:
        fish = self._context.fish
        if self._known_until is None:
            return f"{fish.endpoint.name} has not answered yet."
        if self._failure:
            return self._failure
        if not fish.status.is_ready:
            # No client comes until it is ready, so that nothing else would try.
            self._context.synthesis.prewarm()
            return f"{fish.endpoint.name} answers, but no connection for speech is open yet."
        return ""

    async def _renew(self) -> None:
        """Ask Fish where what it said has grown old, but do not wait for long."""
        if self._asking is None and (self._known_until is None or clock.now() >= self._known_until):
            self._asking = asyncio.create_task(self._credit())
            self._asking.add_done_callback(self._note)
        if self._asking is not None:
            await asyncio.wait((self._asking,), timeout=MAX_WAIT_S)

    def _note(self, asking: asyncio.Task[Decimal | None]) -> None:
        """Take note of the answer. What has failed in another way than Fish can is a bug."""
        self._asking = None
        if asking.cancelled():
            return
        error = asking.exception()
        if error is None:
            self.credit, self._failure = asking.result(), ""
        elif isinstance(error, FishError):
            self._failure = str(error)
        else:
            _LOGGER.error("Checking the account failed; please report this", exc_info=error)
            self._failure = _INTERNAL
        self._known_until = clock.now() + (FAILURE_TTL_S if self._failure else OK_TTL_S)

    async def _credit(self) -> Decimal | None:
        try:
            return (await self._context.fish.credit()).amount
        except UnsupportedError:
            # A server without wallets asks for its key here, if it has one.
            await self._context.fish.voices()
            return None
