"""HTTP connections: one request each, within limits of number, time and bytes.

The status server has no password, and each connection is an open file of the process that also
serves the Wyoming port. A new connection is never refused: it replaces an older one.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from collections.abc import Collection, Mapping
from typing import Any, Final

from aiohttp import StreamReader, web

from ..fish.owner import NETWORK_SHARE, NO_OWNER, Shares, owner_at
from ..server.stream import SEND_BUFFER_BYTES, STALL_CHECKS

__all__ = ["ACCEPT_BATCH", "MAX_OPEN_CONNECTIONS", "Connections", "cut_off"]

_LOGGER = logging.getLogger(__name__)

# Connections at the same time, in total and of one address; a network has NETWORK_SHARE times the
# limit of an address. A browser opens up to 6 for each window, Prometheus and a health check one
# each, and behind a proxy all of them have one address.
MAX_CONNECTIONS: Final = 64
MAX_CONNECTIONS_PER_ADDRESS: Final = 24

# Connections that are accepted in one turn of the loop, before any of them is counted, and that the
# kernel keeps ready.
ACCEPT_BATCH: Final = 32

# Connections that are open at the same time in the worst case: one batch of each of two listening
# sockets, IPv4 and IPv6, is accepted before any of it is counted.
MAX_OPEN_CONNECTIONS: Final = MAX_CONNECTIONS + 2 * ACCEPT_BATCH

# Seconds until the head of the request must have arrived: a browser sends it immediately.
HEAD_TIMEOUT_S: Final = 10.0

# Seconds in which the rest of a refused request is read and dropped: otherwise TCP would reset the
# connection before the client has read the answer.
LINGER_TIMEOUT_S: Final = 2.0

# Head of a request, and all bytes after the request. Browsers send 1 to 4 KB, and the cookies of
# all other servers of this machine.
MAX_HEAD_BYTES: Final = 32 * 1024

# All bytes of a connection: a body that is too large is still read for LINGER_TIMEOUT_S.
MAX_RECEIVED_BYTES: Final = 256 * 1024

# Bytes that are read at a time. What comes before a request is known to be complete can be no more
# than a few of these. To parse them takes up to 0.3 ms, as chunks of one byte, and others are
# served before more is read.
READ_BYTES: Final = 1024


class Connections:
    """All HTTP connections.

    ``headers`` are for answers to requests that are not valid HTTP. A client must read some of its
    answer within ``write_timeout_s``.
    """

    def __init__(self, headers: Mapping[str, str], write_timeout_s: float) -> None:
        self.headers = headers
        self.check_interval_s = write_timeout_s / STALL_CHECKS
        self.buffer = memoryview(bytearray(READ_BYTES))
        """Shared buffer of all connections for received bytes."""
        self._open: dict[web.RequestHandler, _Connection] = {}
        """The oldest first."""

    def accept(self, server: web.Server) -> asyncio.BaseProtocol:
        """Return the protocol of a new connection. ``server`` answers its request."""
        return _Connection(self, _Handler(server, self.headers))

    def begin(self, request: web.Request) -> None:
        """Take note that the head of a request is complete.

        Raises HTTPLengthRequired for a body in chunks: to parse chunks of one byte takes 100 ms.
        """
        if (connection := self._open.get(request.protocol)) is not None:
            connection.begin(request.content)
            if "Transfer-Encoding" in request.headers:
                connection.handler.is_refused = True
                raise web.HTTPLengthRequired(
                    text="Send the request with a Content-Length, without a Transfer-Encoding.\n"
                )

    def keep(self, request: web.Request) -> None:
        """Mark the connection of a reply: other connections are closed first."""
        if (connection := self._open.get(request.protocol)) is not None:
            connection.is_kept = True

    async def write(self, request: web.Request, response: web.StreamResponse, piece: bytes) -> None:
        """Write a part of an answer; wait while the client has too much unread."""
        if (connection := self._open.get(request.protocol)) is not None:
            connection.written_bytes += len(piece)
        await response.write(piece)

    def abort(self) -> None:
        """Close all of them now."""
        for connection in list(self._open.values()):
            connection.abort()

    def add(self, connection: _Connection) -> None:
        """Add a connection, and close another one if there are too many."""
        for most, party in (
            (MAX_CONNECTIONS_PER_ADDRESS, connection.owner),
            (math.ceil(NETWORK_SHARE * MAX_CONNECTIONS_PER_ADDRESS), (connection.owner.network,)),
            (MAX_CONNECTIONS, ()),
        ):
            others = [c for c in self._open.values() if c.owner[: len(party)] == party]
            if len(others) >= most:
                self._close_one(others)
        self._open[connection.handler] = connection

    def discard(self, connection: _Connection) -> None:
        """Remove a connection."""
        self._open.pop(connection.handler, None)

    @staticmethod
    def _close_one(connections: Collection[_Connection]) -> None:
        """Close one connection of the network and the address that have the most."""
        sizes = Shares(connection.owner for connection in connections)

        def rank(connection: _Connection) -> tuple[bool, int, int, bool]:
            network, address = sizes.of(connection.owner)
            return connection.is_kept, -network, -address, connection.has_asked

        # The oldest first; connections without a request before all others.
        least = min(connections, key=rank)
        _LOGGER.warning(
            "Closing the oldest connection to the page: there are too many, %d of them from %s",
            sizes.of(least.owner)[1],
            least.owner.address,
        )
        least.abort()


def cut_off(request: web.Request, reason: Exception) -> None:
    """Close the connection, so that the client knows that its answer is incomplete."""
    _LOGGER.debug("Closing a connection to the page: %r", reason)
    if request.transport is not None:
        request.transport.abort()


class _Connection(asyncio.BufferedProtocol):
    """One connection: passes received bytes to aiohttp's handler, within the limits."""

    def __init__(self, connections: Connections, handler: _Handler) -> None:
        self.handler = handler
        self.owner = NO_OWNER
        self.is_kept = False
        """Whether it carries a reply."""
        self.written_bytes = 0
        """Bytes of an answer that is written in parts."""
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._head_bytes = self._received_bytes = 0
        self._body: StreamReader | None = None
        """The body of the request, once its head is complete."""
        self._taken_bytes = 0
        self._stalled_checks = 0
        self._timer = self._loop.call_later(HEAD_TIMEOUT_S, self.abort)

    @property
    def has_asked(self) -> bool:
        """Whether the head of its request is complete."""
        return self._body is not None

    def begin(self, body: StreamReader) -> None:
        """Record that the head is complete; from now on, the client must read."""
        self._body = body
        self._watch()

    def abort(self) -> None:
        """Close it now; data that the client has not read is lost."""
        self._connections.discard(self)
        self._timer.cancel()
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - it is a server of TCP
        self._transport = transport
        self.owner = owner_at(str(transport.get_extra_info("peername")[0]))
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._connections.add(self)
        self.handler.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._timer.cancel()
        self.handler.connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._connections.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._received_bytes += nbytes
        if self._received_bytes > MAX_RECEIVED_BYTES:
            self.abort()
            return
        if self.handler.is_refused:
            return
        if self._body is None or self._body.is_eof():
            self._head_bytes += nbytes
            if self._head_bytes > MAX_HEAD_BYTES:
                self.abort()
                return
            if self._body is not None:
                # Another request of a client that does not wait: the answer closes the connection.
                return
        self.handler.data_received(bytes(self._connections.buffer[:nbytes]))

    def eof_received(self) -> None:
        self.handler.eof_received()

    def pause_writing(self) -> None:
        self.handler.pause_writing()

    def resume_writing(self) -> None:
        self.handler.resume_writing()

    def _watch(self) -> None:
        """Close the connection if the client has read nothing for the write timeout."""
        self._timer.cancel()
        unsent_bytes = self._transport.get_write_buffer_size()
        # Negative if no written bytes are counted: it still grows when the client reads.
        taken_bytes = self.written_bytes - unsent_bytes
        is_stalled = unsent_bytes > 0 and taken_bytes <= self._taken_bytes
        self._stalled_checks = self._stalled_checks + 1 if is_stalled else 0
        self._taken_bytes = taken_bytes
        if self._stalled_checks > STALL_CHECKS:
            _LOGGER.warning(
                "Closing a connection to the page from %s: the client does not read",
                self.owner.address,
            )
            self.abort()
        else:
            self._timer = self._loop.call_later(self._connections.check_interval_s, self._watch)


class _Handler(web.RequestHandler):
    """aiohttp's handler, which neither logs nor repeats any data of a client."""

    def __init__(self, server: web.Server, headers: Mapping[str, str]) -> None:
        settings: dict[str, Any] = {
            "loop": asyncio.get_running_loop(),
            "access_log": None,
            "lingering_time": LINGER_TIMEOUT_S,
            # No request is large, and a small compressed body can become a large one.
            "auto_decompress": False,
        }
        super().__init__(server, **settings)
        self.is_refused = False
        """Whether the request is refused, so that no more of it is parsed."""
        self._error_headers = headers

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that is not valid HTTP (400), or that a bug has ended (500).

        Raises ConnectionError if the client has left: aiohttp then closes the connection.
        """
        if status == 400:
            # aiohttp would parse what follows, and keep an error with 8 KB for each piece.
            self.is_refused = True
            _LOGGER.debug("A request is not valid HTTP: %r", exc)
            text = "This is not a valid HTTP request.\n"
        elif isinstance(exc, ConnectionError):
            # The client disconnected before the answer.
            raise exc
        else:
            _LOGGER.error("Cannot answer a request to the page. Report this error.", exc_info=exc)
            text = "An internal error occurred. See the log of the server, and report the error.\n"
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        response = web.Response(status=status, text=text, headers=self._error_headers)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kwargs: Any) -> None:
        """Log errors of aiohttp for debugging only, such as a body that is not valid HTTP."""
        _LOGGER.debug(*args, **kwargs)
