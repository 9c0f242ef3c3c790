"""The HTTP client of one server: session, proxy, time limits, and what a failure means."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..bounded_json import from_json
from ..error_mapping import MAX_REFUSAL_BYTES, error_from_os_error
from ..errors import (
    ClosedError,
    FishConnectionError,
    FishError,
    ProtocolError,
    SettingsError,
)
from ..settings import Endpoint
from .proxies import Proxy, proxy_for

if TYPE_CHECKING:
    import aiohttp

__all__ = ["HttpClient", "read_body"]

# For name, TCP and TLS together.
CONNECT_TIMEOUT_S: Final = 10.0

# A connection without use is kept that long for the next request: servers close one after a minute
# or so.
KEEPALIVE_S: Final = 30.0

# Bytes of an answer that is read whole. A page of 100 voices has some 300 kB.
MAX_ANSWER_BYTES: Final = 2**20

# Seconds for the text of a refusal: its status is known by then.
REFUSAL_TIMEOUT_S: Final = 2.0


class HttpClient:
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
        self._is_own = session is None
        self._ssl: ssl.SSLContext | bool = ssl_context or True
        self._keepalive_s = min(keepalive_s, KEEPALIVE_S)
        self._closed = False

    async def close(self) -> None:
        """Close the session if it is its own. Every later request fails."""
        self._closed = True
        if self._is_own and self._session is not None:
            await self._session.close()

    @contextlib.asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        read_timeout_s: float,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The server's answer, its body not yet read.

        ``read_timeout_s`` is the longest wait for the answer to begin, and for the next byte of its
        body. ``body`` is sent as JSON. Raises FishError, also while the body is read.
        """
        # The import takes a third of a second, and not every program needs it.
        import aiohttp  # noqa: PLC0415

        if self._closed:
            raise ClosedError("The connections to the server are closed.")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(keepalive_timeout=self._keepalive_s),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        proxy = proxy_for(self.endpoint.base_url)
        connect_timeout_s = min(CONNECT_TIMEOUT_S, read_timeout_s)
        request = self._session.request(
            method,
            self.endpoint.url(path),
            params=query,
            data=None if body is None else _json_body(body),
            headers={
                **self.endpoint.headers,
                "User-Agent": "wyoming-fish",
                # A small compressed answer can become gigabytes.
                "Accept-Encoding": "identity",
                **({} if body is None else {"Content-Type": "application/json"}),
                **(headers or {}),
            },
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(
                total=None, connect=connect_timeout_s, sock_read=read_timeout_s
            ),
            # The key is for this address alone.
            allow_redirects=False,
            proxy=proxy.url if proxy else None,
            ssl=self._ssl,
        )
        try:
            async with contextlib.AsyncExitStack() as stack:
                # Interim answers (1xx) have no end by themselves.
                async with asyncio.timeout(connect_timeout_s + read_timeout_s):
                    response = await stack.enter_async_context(request)
                if response.status == 200 and _is_compressed(response):
                    raise ProtocolError(
                        f"{self.endpoint.name} sent a compressed answer, which is not supported."
                    )
                yield response
        except TimeoutError as error:
            raise FishConnectionError(f"{self.endpoint.name} did not answer in time.") from error
        except (aiohttp.ClientError, OSError) as error:
            # A traceback of aiohttp's own would show the proxy's password, or what the server has
            # sent, such as the key.
            is_harmless = isinstance(error, OSError) and not proxy
            raise self._failure(error, proxy) from (error if is_harmless else None)

    async def json(
        self, path: str, *, timeout_s: float, query: Mapping[str, str] | None = None
    ) -> object:
        """The JSON at ``path``, which has to be there whole in ``timeout_s``. Raises FishError."""
        # A fish-speech server answers MessagePack if JSON is not asked for.
        headers = {"Accept": "application/json"}
        answer = self.request("GET", path, read_timeout_s=timeout_s, query=query, headers=headers)
        try:
            async with asyncio.timeout(timeout_s), answer as response:
                if response.status != 200:
                    raise await self.refusal(response)
                body = await read_body(response, MAX_ANSWER_BYTES + 1)
        except TimeoutError as error:
            raise FishConnectionError(f"{self.endpoint.name} did not answer in time.") from error
        if len(body) > MAX_ANSWER_BYTES:
            raise ProtocolError("The server's answer is too large.")
        return from_json(body, self.endpoint.api_key)

    async def refusal(self, response: aiohttp.ClientResponse) -> FishError:
        """The error for an answer of ``response``'s status."""
        body = b""
        if not _is_compressed(response):
            body = await read_body(response, MAX_REFUSAL_BYTES, REFUSAL_TIMEOUT_S)
        proxy = proxy_for(self.endpoint.base_url)
        # Without TLS there is no tunnel: a proxy answers in the server's place, with a page.
        if proxy and response.url.scheme == "http":
            body = proxy.without_login(body)
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
            return error_from_os_error(cause if isinstance(cause, OSError) else error, name)
        if isinstance(error, aiohttp.ClientConnectorError):
            return error_from_os_error(error.os_error, name)
        if isinstance(error, aiohttp.ClientPayloadError):
            return FishConnectionError(f"{name} did not send its whole answer.")
        if isinstance(error, OSError) and error.errno:
            return error_from_os_error(error, name)
        if isinstance(error, aiohttp.ServerDisconnectedError | OSError):
            return FishConnectionError(f"{name} closed the connection without an answer.")
        return ProtocolError(f"{name} did not send a valid HTTP answer.")


async def read_body(
    response: aiohttp.ClientResponse, most: int, timeout_s: float | None = None
) -> bytes:
    """Up to ``most`` bytes of the body, as far as they come in ``timeout_s``."""
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            while len(body) < most and (data := await response.content.read(most - len(body))):
                body += data
    except TimeoutError:
        if timeout_s is None:
            raise
    return bytes(body)


def _json_body(body: Mapping[str, Any]) -> bytes:
    """The body of a request for speech. Raises SettingsError."""
    try:
        return json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # Without the error's own words, which quote the text.
        raise SettingsError("The text has half of a character (an unpaired surrogate).") from None


def _is_compressed(response: aiohttp.ClientResponse) -> bool:
    return response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity")
