"""The page's connections: one request each, within bounds of number, time and bytes.

The page has no password, and each of its connections takes a file of the process that serves the
Wyoming port too. A new connection is never refused: it takes the place of an older one.
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

__all__ = ["ACCEPT_BATCH", "MAX_CONNECTIONS", "Connections", "cut_off"]

_LOGGER = logging.getLogger(__name__)

# Connections at the same time, in total and of one address; a network has NETWORK_SHARE times what
# an address has. A browser opens up to 6 for each
# window, Prometheus and a health check one each, and behind a proxy all of them have one address.
MAX_CONNECTIONS: Final = 64
MAX_CONNECTIONS_PER_ADDRESS: Final = 24

# Connections that are accepted in one turn of the loop, before any of them is counted, and that the
# kernel keeps ready.
ACCEPT_BATCH: Final = 32

# Seconds until a connection has sent the head of its request: a browser sends it immediately.
HEAD_TIMEOUT_S: Final = 10.0

# Seconds in which the rest of a refused request is read and dropped, so that the answer arrives.
LINGER_TIMEOUT_S: Final = 2.0

# Bytes of a request's head, and of what comes after the request. Browsers send 1 to 4 KB, and the
# cookies of everything else on this machine.
MAX_HEAD_BYTES: Final = 32 * 1024

# Bytes of all that a connection sends: a body that is refused as too large is still read for a
# moment, so that the answer arrives.
MAX_RECEIVED_BYTES: Final = 256 * 1024

# Bytes that are read at a time. What comes before a request is known to be complete can be no more
# than a few of these.
READ_BYTES: Final = 8 * 1024


class Connections:
    """All connections of the page.

    ``headers`` are those of an answer to a request that is not valid HTTP. A client must take some
    of its answer within ``write_timeout_s`` seconds.
    """

    def __init__(self, headers: Mapping[str, str], write_timeout_s: float) -> None:
        self.headers = headers
        self.check_interval_s = write_timeout_s / STALL_CHECKS
        self.buffer = memoryview(bytearray(READ_BYTES))
        """What has just been read of any of them."""
        self._open: dict[web.RequestHandler, _Connection] = {}
        """In the order in which they were opened."""

    def accept(self, server: web.Server) -> asyncio.BaseProtocol:
        """Return the protocol of a new connection, whose requests ``server`` answers."""
        return _Connection(self, _Handler(server, self.headers))

    def begin(self, request: web.Request) -> None:
        """Take note that the head of a request is complete."""
        if (connection := self._open.get(request.protocol)) is not None:
            connection.begin(request.content)

    def keep(self, request: web.Request) -> None:
        """Close other connections before this one, since a reply is spoken by it."""
        if (connection := self._open.get(request.protocol)) is not None:
            connection.is_kept = True

    async def write(self, request: web.Request, response: web.StreamResponse, piece: bytes) -> None:
        """Write a piece of an answer, and wait while the client has much of it to read."""
        if (connection := self._open.get(request.protocol)) is not None:
            connection.written_bytes += len(piece)
        await response.write(piece)

    def abort(self) -> None:
        """Close all of them now."""
        for connection in list(self._open.values()):
            connection.abort()

    def add(self, connection: _Connection) -> None:
        """Count a connection, and close another one if there are too many now."""
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
        """Count a connection no more."""
        self._open.pop(connection.handler, None)

    @staticmethod
    def _close_one(connections: Collection[_Connection]) -> None:
        """Close one of the network that has the most of them, and of the address in it."""
        sizes = Shares(connection.owner for connection in connections)

        def rank(connection: _Connection) -> tuple[bool, int, int, bool]:
            network, address = sizes.of(connection.owner)
            return connection.is_kept, -network, -address, connection.has_asked

        # The oldest one; first those that ask for nothing.
        least = min(connections, key=rank)
        _LOGGER.warning(
            "The page has too many connections, %d of them from %s. The oldest are closed.",
            sizes.of(least.owner)[1],
            least.owner.address,
        )
        least.abort()


def cut_off(request: web.Request, reason: Exception) -> None:
    """Close the connection of an answer that has begun, which must not look whole."""
    _LOGGER.debug("An answer of the page was not read to its end: %r", reason)
    if request.transport is not None:
        request.transport.abort()


class _Connection(asyncio.BufferedProtocol):
    """One connection: it passes on to aiohttp's handler what is within the bounds."""

    def __init__(self, connections: Connections, handler: _Handler) -> None:
        self.handler = handler
        self.owner = NO_OWNER
        self.is_kept = False
        """Whether a reply is spoken by it."""
        self.written_bytes = 0
        """Of an answer that is written in pieces."""
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
        """Take note that the head is complete, and from now on watch whether the client reads."""
        self._body = body
        self._watch()

    def abort(self) -> None:
        """Close it now; what the client has not taken is lost."""
        self._connections.discard(self)
        self._timer.cancel()
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - it is a server of TCP
        self._transport = transport
        self.owner = owner_at(str(transport.get_extra_info("peername")[0]))
        own: socket.socket = transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
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
        if self._body is None or self._body.is_eof():
            self._head_bytes += nbytes
            if self._head_bytes > MAX_HEAD_BYTES:
                self.abort()
                return
            if self._body is not None:
                # Another request, of a client that does not wait: no answer leaves it open.
                return
        self.handler.data_received(bytes(self._connections.buffer[:nbytes]))

    def eof_received(self) -> None:
        self.handler.eof_received()

    def pause_writing(self) -> None:
        self.handler.pause_writing()

    def resume_writing(self) -> None:
        self.handler.resume_writing()

    def _watch(self) -> None:
        """Close the connection if the client has long taken nothing of what it was sent."""
        self._timer.cancel()
        unsent_bytes = self._transport.get_write_buffer_size()
        # Below zero where nothing is counted: it grows all the same as the client takes something.
        taken_bytes = self.written_bytes - unsent_bytes
        is_stalled = unsent_bytes > 0 and taken_bytes <= self._taken_bytes
        self._stalled_checks = self._stalled_checks + 1 if is_stalled else 0
        self._taken_bytes = taken_bytes
        if self._stalled_checks > STALL_CHECKS:
            _LOGGER.warning(
                "A client of the page at %s was cut off: it does not read its answer",
                self.owner.address,
            )
            self.abort()
        else:
            self._timer = self._loop.call_later(self._connections.check_interval_s, self._watch)


class _Handler(web.RequestHandler):
    """aiohttp's handler, except that it neither logs nor repeats what a stranger has written."""

    def __init__(self, server: web.Server, headers: Mapping[str, str]) -> None:
        own: dict[str, Any] = {
            "loop": asyncio.get_running_loop(),
            "access_log": None,
            "lingering_time": LINGER_TIMEOUT_S,
            # Nothing is asked of the page that would be worth it.
            "auto_decompress": False,
        }
        super().__init__(server, **own)
        self._error_headers = headers

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that is not valid HTTP (400), or that a bug has ended.

        Raises ConnectionError if the client has left, so that aiohttp closes the connection.
        """
        if status == 400:
            _LOGGER.debug("A request is not valid HTTP: %r", exc)
            text = "This is not a valid HTTP request.\n"
        elif isinstance(exc, ConnectionError):
            # The client has left before its request was answered.
            raise exc
        else:
            _LOGGER.error("A request to the page failed; please report this", exc_info=exc)
            text = "An internal error occurred. See the server's log, and please report it.\n"
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun")
        response = web.Response(status=status, text=text, headers=self._error_headers)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kwargs: Any) -> None:
        """Log what aiohttp takes for an error of ours: a body that is not valid HTTP, for one."""
        _LOGGER.debug(*args, **kwargs)
