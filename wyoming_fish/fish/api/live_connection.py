"""Live connection: opens one websocket of Fish Audio, and translates its errors."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from typing import Any, Final

from websockets.asyncio.client import connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidProxyStatus,
    InvalidStatus,
    InvalidUpgrade,
)
from websockets.protocol import State as ConnectionState

from ..bounded_json import LIMIT_HEADER, concurrency_limit
from ..error_mapping import MAX_REFUSAL_BYTES, error_from_os_error, says_fish
from ..errors import FishConnectionError, FishError, NoWebsocketError, ProtocolError
from ..settings import Backend, Endpoint
from ..untrusted import hide
from .frame_connection import MAX_SILENT_FRAMES, FrameConnection
from .live_protocol import LiveSession, SessionState
from .proxies import Proxy, proxy_for

__all__ = ["LiveConnection", "open_live_connection"]

# At DEBUG websockets logs the headers of the handshake, and so the key.
_QUIET_LOGGER: Final = logging.getLogger(f"{__name__}.websockets")
_QUIET_LOGGER.setLevel(logging.WARNING)

# Seconds for name, TCP, TLS and upgrade together: about 0.3 on a good line.
OPEN_TIMEOUT_S: Final = 10.0

# Seconds after which the name's next address is tried beside one that has not answered, as RFC
# 8305 recommends. Many homes have an IPv6 that leads nowhere.
HAPPY_EYEBALLS_DELAY_S: Final = 0.25

# Seconds that a closing handshake may take before the connection is cut: a session that nobody
# hears any more must not hold its place for longer.
CLOSE_TIMEOUT_S: Final = 0.5

# Seconds between two pings. They keep routers from forgetting the connection, and no more: a pong
# may be late without a fault, behind audio that a slow listener has not taken yet, or behind a
# long generation (fish-audio-python issue 47). The attempt that uses a connection watches it.
PING_INTERVAL_S: Final = 20.0

# Frames that are read ahead of a listener that is slow. One holds up to half a second of audio.
MAX_QUEUED_FRAMES: Final = 4

# Bytes of one message: 3 seconds of audio at 44100 Hz. Fish Audio's were seen to have 50 kB at
# most.
MAX_MESSAGE_BYTES: Final = 2**18

# Frames on a connection that is not in use. Fish Audio asks clients to ignore unknown events, but
# sends none.
MAX_IDLE_FRAMES: Final = 100

# HTTP statuses that mean that the upgrade to a websocket is not possible. Senders: a server without
# websockets (uvicorn, which serves fish-speech, sends 403), a web server or gateway without support
# for them, and a proxy that blocks them. Fish Audio also sends 403 for a key without permission to
# speak: REST gives the same error.
_NO_WEBSOCKET: Final = frozenset((403, 404, 405, 407, 426, 501))


class LiveConnection:
    """One open websocket of one backend, carrying one session after another."""

    def __init__(
        self,
        connection: FrameConnection,
        backend: Backend,
        *,
        timestamps: bool = False,
        is_cloud: bool = False,
    ) -> None:
        self.backend = backend
        self.timestamps = timestamps
        """Whether its audio tells which words it says."""
        self.upgrade_time = connection.upgrade_time
        """Seconds that the upgrade took, once the connection, TLS included, was there."""
        self.opened_at = connection.loop.time()
        """When it was opened, by the loop's clock."""
        self.answered = False
        """Whether the server has sent a frame in a session on it."""
        self._connection = connection
        self._is_fish = is_cloud
        self._session = LiveSession(is_cloud=is_cloud)

    @property
    def alive(self) -> bool:
        """Whether it is open as far as is known, with no session under way."""
        resting = self._session.state in (SessionState.NEW, SessionState.FINISHED)
        return resting and self._connection.state is ConnectionState.OPEN

    @property
    def has_finished(self) -> bool:
        """Whether its last session came to its end."""
        return self._session.state is SessionState.FINISHED

    @property
    def limit(self) -> int | None:
        """Sessions that the account may have at the same time, if Fish's answer has the number."""
        response = self._connection.response
        return concurrency_limit(response.headers.get(LIMIT_HEADER)) if response else None

    @property
    def upgrade_headers(self) -> tuple[tuple[str, str], ...]:
        """The headers of the server's answer to the upgrade."""
        response = self._connection.response
        return tuple(response.headers.raw_items()) if response else ()

    def begin(self) -> LiveSession:
        """A new session, whose frames are to be sent here."""
        self._session = LiveSession(is_cloud=self._is_fish)
        self._connection.limit.renew()
        return self._session

    def hear(self, seconds: float) -> None:
        """So many seconds of audio have been heard: the server may send more frames."""
        self._connection.limit.hear(seconds)

    async def send(self, frame: bytes) -> None:
        """Send a frame. Raises FishConnectionError if the socket is closed."""
        try:
            await self._connection.send(frame)
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def receive(self) -> bytes | str:
        """The next frame. Raises FishConnectionError if the socket is closed.

        Raises ProtocolError for what is not a websocket message, for too large a one, and for too
        many without audio. When it is cancelled, no frame is lost.
        """
        try:
            frame = await self._connection.recv()
        except ConnectionClosed as error:
            if self._connection.limit.is_exceeded:
                raise ProtocolError(
                    f"The server sent more than {MAX_SILENT_FRAMES} messages with hardly any audio."
                ) from error
            if error.rcvd is None and error.sent is not None and self._connection.is_broken:
                raise ProtocolError(
                    f"The server sent a message that cannot be read: {error.sent.reason}."
                ) from error
            raise _closed(error) from error
        self.answered = True
        return frame

    async def send_ping(self) -> asyncio.Future[float]:
        """Send a ping; the future is done when it is answered, or the connection is closed."""
        try:
            return asyncio.ensure_future(await self._connection.ping())
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def ping(self) -> None:
        """Send a ping, and return when it is answered. Raises FishConnectionError."""
        try:
            await (await self._connection.ping())
        except ConnectionClosed as error:
            raise _closed(error) from error

    async def closes(self, until: float) -> bool:
        """Whether it can carry no session any more before the loop's time ``until``.

        For a connection that is not in use. Unknown events are passed over: Fish asks clients to
        ignore them. What belongs to a session would be heard in the next one. When it is cancelled,
        no frame is lost.
        """
        with contextlib.suppress(ConnectionClosed, FishError):
            try:
                async with asyncio.timeout_at(until):
                    for _ in range(MAX_IDLE_FRAMES):
                        self._session.receive(await self._connection.recv())
            except TimeoutError:
                return False
        return True

    def abort(self) -> None:
        """Cut the connection immediately: ``receive`` then raises an error."""
        self._connection.transport.abort()

    async def close(self) -> None:
        """Close the socket within CLOSE_TIMEOUT_S. May be called twice."""
        try:
            await self._connection.close()
        finally:
            self.abort()


async def open_live_connection(
    endpoint: Endpoint,
    backend: Backend,
    *,
    timestamps: bool = False,
    ssl_context: ssl.SSLContext | None = None,
) -> LiveConnection:
    """Open a websocket, the one with timestamps if so wanted; ``ssl_context`` is for wss.

    Raises NoWebsocketError if there is none at that address, FishError if it is refused.
    """
    more: dict[str, Any] = {}
    if endpoint.live_url.startswith("wss:"):
        more["ssl"] = ssl_context or True
    # uvloop, under which somebody may run this, knows nothing of it.
    if isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop):
        more["happy_eyeballs_delay"] = HAPPY_EYEBALLS_DELAY_S
    proxy = proxy_for(endpoint.base_url)
    try:
        connection = await _Connect(
            endpoint.live_url + ("/with-timestamp" if timestamps else ""),
            additional_headers={**endpoint.headers, "model": str(backend)},
            user_agent_header="wyoming-fish",
            create_connection=FrameConnection,
            proxy=proxy.url if proxy else None,
            compression=None,  # audio hardly shrinks, and Fish offers none
            open_timeout=OPEN_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=None,
            max_size=MAX_MESSAGE_BYTES,
            max_queue=MAX_QUEUED_FRAMES,
            logger=_QUIET_LOGGER,
            **more,
        )
    except TimeoutError as error:
        raise FishConnectionError(
            f"{endpoint.name} did not answer within {OPEN_TIMEOUT_S:.0f} s."
        ) from error
    except (OSError, InvalidHandshake) as error:
        # A traceback of websockets' own would show what the server has sent, such as the key.
        cause = error if isinstance(error, (OSError, InvalidStatus)) else None
        raise _refused(error, endpoint, proxy) from cause
    assert isinstance(connection, FrameConnection)  # noqa: S101 - as it was asked for
    return LiveConnection(connection, backend, timestamps=timestamps, is_cloud=endpoint.is_cloud)


class _Connect(connect):
    """`connect` that follows no redirect: the key is for the address that it was given for."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def _refused(
    error: OSError | InvalidHandshake, endpoint: Endpoint, proxy: Proxy | None
) -> FishError:
    """The error for a websocket, or a connection, that could not be opened."""
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        body = bytes(error.response.body or b"")[:MAX_REFUSAL_BYTES]
        if status in _NO_WEBSOCKET or status < 400 or _is_no_upgrade(status, body):
            return _missing(f"{endpoint.name} has no websocket ({status}).", status)
        return endpoint.refusal(status, body)
    if isinstance(error, InvalidProxyStatus) and proxy:
        refusal = proxy.refusal(error.response.status_code, endpoint)
        # A plain request may pass where a tunnel does not; REST tells if it does not.
        return refusal if refusal.retryable else _missing(refusal.reason, refusal.status)
    if isinstance(error, InvalidUpgrade):
        return _missing(f"{endpoint.name} answers, but opens no websocket.")
    if isinstance(error, OSError):
        # TLS is spoken with the server, within the proxy's tunnel.
        is_proxys = not isinstance(error, ssl.SSLError)
        return error_from_os_error(error, proxy.name if proxy and is_proxys else endpoint.name)
    # An error quotes the headers of an answer.
    said = hide(str(error), endpoint.api_key)
    return FishConnectionError(f"{endpoint.name} did not open a websocket: {said}.")


def _is_no_upgrade(status: int, body: bytes) -> bool:
    """Whether the server was asked for a plain page, since a proxy took the upgrade's headers away.

    Fish Audio's own 400 tells in JSON what is wrong with the request. Over HTTP/2 it is
    "invalid protocol".
    """
    return status == 400 and (not says_fish(body) or b"invalid protocol" in body)


def _missing(happened: str, status: int | None = None) -> NoWebsocketError:
    error = NoWebsocketError(happened)
    error.status = status
    return error


def _closed(error: ConnectionClosed) -> FishConnectionError:
    how = f"{error.rcvd.code} {error.rcvd.reason}".rstrip() if error.rcvd else "no reason given"
    return FishConnectionError(f"The server closed the connection ({how}).")
