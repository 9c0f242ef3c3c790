"""The HTTP client of one server: session, proxy, time limits, and what a failure means."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Final

from .errors import ClosedError, FishConnectionError, FishError
from .proxies import Proxy, proxy_for
from .refusals import from_os_error
from .settings import Endpoint

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Http"]

# For name, TCP and TLS together.
CONNECT_TIMEOUT_S: Final = 10.0

# A connection without use is kept that long for the next request: servers close one after a minute
# or so.
KEEPALIVE_S: Final = 30.0

# What is read of a refusal.
MAX_REFUSAL_BYTES: Final = 8192


class Http:
    """Requests to one server.

    Uses the aiohttp session handed in and leaves it open, or makes its own, which ``close()``
    closes. Without ``ssl_context`` the system's certificates are trusted.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        session: aiohttp.ClientSession | None = None,
        ssl_context: ssl.SSLContext | None = None,
        keepalive_s: float = KEEPALIVE_S,
    ) -> None:
        self.endpoint = endpoint
        self._session = session
        self._ssl: ssl.SSLContext | bool = ssl_context or True
        self._keepalive_s = min(keepalive_s, KEEPALIVE_S)
        self._own: aiohttp.ClientSession | None = None
        self._closed = False

    async def close(self) -> None:
        """Close the session if it is its own. Every later request fails."""
        self._closed = True
        if self._own is not None:
            await self._own.close()
            self._own = None

    @contextlib.asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        read_timeout_s: float,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The server's answer, its body not yet read.

        ``read_timeout_s`` is the longest wait for the next byte, and for a connection. Raises
        FishError, also while the body is read.
        """
        # The import takes a third of a second, and not every program needs it.
        import aiohttp  # noqa: PLC0415

        if self._closed:
            raise ClosedError("The connections to the server are closed.")
        session = self._session or self._own
        if session is None:
            connector = aiohttp.TCPConnector(keepalive_timeout=self._keepalive_s)
            session = self._own = aiohttp.ClientSession(connector=connector)
        proxy = proxy_for(self.endpoint.base_url)
        try:
            async with session.request(
                method,
                self.endpoint.url(path),
                params=query,
                data=body,
                headers={**self.endpoint.headers, "User-Agent": "wyoming-fish", **(headers or {})},
                timeout=aiohttp.ClientTimeout(
                    total=None,
                    connect=min(CONNECT_TIMEOUT_S, read_timeout_s),
                    sock_read=read_timeout_s,
                ),
                # The key is for this address alone.
                allow_redirects=False,
                proxy=proxy.url if proxy else None,
                ssl=self._ssl,
            ) as response:
                yield response
        except TimeoutError as error:
            raise FishConnectionError(f"{self.endpoint.name} did not answer in time.") from error
        except (aiohttp.ClientError, OSError) as error:
            # A traceback of aiohttp's own would show the proxy's password.
            raise self._failure(error, proxy) from (None if proxy else error)

    async def refusal(self, response: aiohttp.ClientResponse) -> FishError:
        """The error for an answer of ``response``'s status."""
        body = await response.content.read(MAX_REFUSAL_BYTES)
        proxy = proxy_for(self.endpoint.base_url)
        # Without TLS there is no tunnel: a proxy answers in the server's place, with a page.
        is_page = response.url.scheme == "http" and response.content_type == "text/html"
        if proxy and (response.status == 407 or (response.status == 403 and is_page)):
            return proxy.refusal(response.status, self.endpoint)
        return self.endpoint.refusal(response.status, body)

    def _failure(self, error: aiohttp.ClientError | OSError, proxy: Proxy | None) -> FishError:
        """What it means. aiohttp's own texts quote addresses, with a proxy's password in them."""
        import aiohttp  # noqa: PLC0415

        name = self.endpoint.name
        if isinstance(error, aiohttp.ClientHttpProxyError) and proxy:
            return proxy.refusal(error.status, self.endpoint)
        if isinstance(error, aiohttp.ClientProxyConnectionError) and proxy:
            name = proxy.name
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            cause = error.certificate_error
            return from_os_error(cause if isinstance(cause, OSError) else error, name)
        if isinstance(error, aiohttp.ClientConnectorError):
            return from_os_error(error.os_error, name)
        if isinstance(error, aiohttp.ClientPayloadError):
            return FishConnectionError(f"{name} broke off its answer.")
        if isinstance(error, OSError) and error.errno:
            return from_os_error(error, name)
        if isinstance(error, aiohttp.ServerDisconnectedError | OSError):
            return FishConnectionError(f"{name} closed the connection without an answer.")
        return FishConnectionError(f"{name} does not answer as HTTP does ({type(error).__name__}).")
