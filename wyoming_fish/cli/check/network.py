"""Network check: name, TCP and TLS of Fish Audio, or of the proxy."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from ...fish import proxy_for
from ...fish.error_mapping import error_from_os_error
from ...fish.errors import FishConnectionError
from ...fish.settings import Endpoint

__all__ = ["NetworkCheck"]

# Seconds for each step: a slower network is of no use for a voice assistant.
STEP_TIMEOUT_S: Final = 5.0


class NetworkCheck:
    """Checks the host of ``endpoint``, or its proxy."""

    def __init__(self, endpoint: Endpoint) -> None:
        proxy = proxy_for(endpoint.base_url)
        parts = urlsplit(proxy.url if proxy else endpoint.base_url)
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.proxied = proxy is not None
        """Whether the environment has a proxy, which is then checked."""
        self.name = proxy.name if proxy else endpoint.host
        """The name of the host or the proxy, for the start of a sentence."""
        self.secure = parts.scheme == "https"
        self._addresses: list[str] = []

    async def look_up(self) -> list[str]:
        """Return the addresses of the host, in the order of the tries."""
        with self._translated():
            async with asyncio.timeout(STEP_TIMEOUT_S):
                found = await asyncio.get_running_loop().getaddrinfo(
                    self.host, self.port, type=socket.SOCK_STREAM
                )
        self._addresses = list(dict.fromkeys(str(address[4][0]) for address in found))
        return self._addresses

    async def connect(self) -> dict[str, float | FishConnectionError]:
        """Connect to all addresses at the same time; return the seconds or the error of each.

        Raises FishConnectionError if none answers.
        """
        outcomes = await asyncio.gather(*map(self._try, self._addresses))
        tried = dict(zip(self._addresses, outcomes, strict=True))
        # The next step uses an address that answers.
        self._addresses = [address for address in tried if isinstance(tried[address], float)]
        if not self._addresses:
            raise next(error for error in outcomes if isinstance(error, FishConnectionError))
        return tried

    async def _try(self, address: str) -> float | FishConnectionError:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            with self._translated():
                _, writer = await self._open(address)
        except FishConnectionError as error:
            return error
        writer.transport.abort()
        return loop.time() - began

    async def encrypt(self, context: ssl.SSLContext) -> tuple[str, float]:
        """Return the TLS version, and the seconds of the handshake."""
        loop = asyncio.get_running_loop()
        with self._translated():
            _, writer = await self._open(self._addresses[0])
            began = loop.time()
            try:
                async with asyncio.timeout(STEP_TIMEOUT_S):
                    await writer.start_tls(context, server_hostname=self.host)
                connection = writer.get_extra_info("ssl_object")
                return str(connection.version()), loop.time() - began
            finally:
                writer.transport.abort()

    async def _open(self, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(STEP_TIMEOUT_S):
            return await asyncio.open_connection(address, self.port)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise all errors as FishConnectionError."""
        try:
            yield
        except TimeoutError as error:
            raise FishConnectionError(
                f"{self.name} does not answer within {STEP_TIMEOUT_S:.0f} s."
            ) from error
        except (OSError, UnicodeError) as error:
            raise error_from_os_error(error, self.name) from error
