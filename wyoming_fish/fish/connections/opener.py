"""Connection opener: opens the pool's connections, and backs off while they fail."""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import Final

from .. import clock
from ..api.live_connection import LiveConnection, open_live_connection
from ..errors import (
    BackendMissingError,
    FishConnectionError,
    NoWebsocketError,
    UnavailableError,
)
from ..settings import TIMESTAMP_BACKENDS, TIMESTAMP_ONLY_BACKENDS, Backend, Endpoint
from .transport import CircuitBreaker

__all__ = ["ConnectionOpener"]

_LOGGER = logging.getLogger(__name__)

# Seconds to the next try to open a connection in the background after a failure; each further
# one doubles them.
RETRY_DELAY_S: Final = 1.0
MAX_RETRY_DELAY_S: Final = 60.0

# After so many failures in a row, connections are opened at most one in so many seconds, whatever
# asks for them.
FREE_FAILURES: Final = 3
MIN_OPEN_INTERVAL_S: Final = 0.25


class ConnectionOpener:
    """Opens websockets of one account, and backs off while they turn out to be of no use.

    A handshake alone proves nothing: a load balancer without a server behind it accepts and hangs
    up. So the pool reports what becomes of each connection (``proved``, ``failed``). The circuit
    breaker between websocket and REST is told the same.
    """

    def __init__(
        self, endpoint: Endpoint, ssl_context: ssl.SSLContext | None, timestamps: bool | None
    ) -> None:
        self.breaker = CircuitBreaker()
        self.opened = 0
        """How many connections have been opened."""
        self.failures = 0
        """To get a good connection, in a row."""
        self.retry_at = float("-inf")
        """When one may be opened in the background again, by the loop's clock."""
        self._endpoint = endpoint
        self._ssl_context = ssl_context
        self._timestamps = timestamps
        self._next_open = float("-inf")

    def proved(self) -> None:
        """A connection has turned out to be good."""
        self.failures = 0
        self.retry_at = float("-inf")
        self.breaker.record_open()

    def failed(self, *, slowly: bool = False) -> None:
        """No good connection came about; ``slowly`` if the time ran out."""
        self.breaker.record_failure(slowly=slowly)
        delay = min(RETRY_DELAY_S * 2.0**self.failures, MAX_RETRY_DELAY_S)
        self.failures += 1
        self.retry_at = clock.now() + delay

    async def open(self, backend: Backend) -> LiveConnection:
        """Open a connection. Raises FishError."""
        if self.failures >= FREE_FAILURES:
            now = clock.now()
            at = max(self._next_open, now)
            self._next_open = at + MIN_OPEN_INTERVAL_S
            await asyncio.sleep(at - now)
        if self._ssl_context is None and self._endpoint.live_url.startswith("wss:"):
            # Made once: it takes tens of milliseconds, and reads files.
            self._ssl_context = await asyncio.to_thread(ssl.create_default_context)
        try:
            connection = await self._open_either(backend)
        except NoWebsocketError:
            self.breaker.mark_unsupported()
            raise
        except (FishConnectionError, UnavailableError) as error:
            error.hide(self._endpoint.api_key)
            self.failed(slowly=isinstance(error.__cause__, TimeoutError))
            raise
        self.opened += 1
        return connection

    async def _open_either(self, backend: Backend) -> LiveConnection:
        """The websocket with timestamps if it is wanted and exists, else the plain one.

        Raises BackendMissingError if the backend needs timestamps, and the server has none.
        """
        needs_timestamps = backend in TIMESTAMP_ONLY_BACKENDS
        wanted = backend in TIMESTAMP_BACKENDS if self._timestamps is None else self._timestamps
        trust = self._ssl_context
        if wanted or needs_timestamps:
            try:
                return await open_live_connection(
                    self._endpoint, backend, timestamps=True, ssl_context=trust
                )
            except NoWebsocketError as error:
                if needs_timestamps:
                    raise BackendMissingError(
                        f"{self._endpoint.name} has no websocket with timestamps, which the "
                        f"backend {backend} needs ({error.status})."
                    ) from error
                _LOGGER.debug("No websocket with timestamps")
        connection = await open_live_connection(self._endpoint, backend, ssl_context=trust)
        if wanted:
            _LOGGER.info("The server has no websocket with timestamps: replies are not resumed")
            self._timestamps = False
        return connection
