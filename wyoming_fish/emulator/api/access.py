"""Who may speak: the key, the wallet, and the headers that tell the account's limits."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import HttpVersion11, web

from ..state import EmulatorState
from .errors import status_error
from .request import FREE_BACKEND

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def may_leave(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do not log an error if a client disconnects before or during its response."""
    try:
        return await handler(request)
    except ConnectionError:
        return web.Response()  # nobody hears it


def check_key(request: web.Request, state: EmulatorState) -> None:
    """Raise ApiError 401 unless the request carries a key that is accepted."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    wanted = state.settings.key
    if scheme != "Bearer" or not key or (wanted is not None and key != wanted):
        raise status_error(HTTPStatus.UNAUTHORIZED)


def check_credit(backend: str, state: EmulatorState) -> None:
    """Raise ApiError 402 if the backend has to be paid for and the wallet is empty.

    A free backend that has ended is refused whatever is in the wallet.
    """
    settings = state.settings
    if backend == FREE_BACKEND and settings.free_model != "billed":
        refused = settings.free_model == "ended"
    else:
        refused = settings.credit <= 0
    if refused:
        raise status_error(HTTPStatus.PAYMENT_REQUIRED)


def check_socket_limit(state: EmulatorState) -> None:
    """Raise ApiError 429 if the account may open no more websockets now."""
    settings = state.settings
    at_upgrade = settings.idle_sockets_count or settings.limit_at == "upgrade"
    if at_upgrade and state.slots_taken >= settings.concurrency:
        raise status_error(HTTPStatus.TOO_MANY_REQUESTS)


def add_headers(state: EmulatorState, response: web.StreamResponse) -> None:
    """Add the headers that Fish sends with every answer, upgrades among them."""
    if state.settings.limit_headers:
        response.headers["ratelimit-limit-concurrency"] = str(state.settings.concurrency)
        response.headers["ratelimit-current-concurrency"] = str(state.slots_taken)
    response.headers["x-fish-trace-id"] = secrets.token_hex(16)


def headers_without_key(request: web.Request) -> dict[str, str]:
    """The request's headers, names in lower case, but for the key."""
    return {
        name.lower(): value
        for name, value in request.headers.items()
        if name.lower() != "authorization"
    }


def send_in_pieces(request: web.Request, response: web.StreamResponse) -> None:
    """Prepare an answer whose length is not known: over HTTP/1.0 its end is the connection's."""
    if request.version >= HttpVersion11:
        response.enable_chunked_encoding()
    else:
        response.force_close()


def cut_off(request: web.Request) -> None:
    """End the TCP connection, with what was already sent but no farewell."""
    transport = request.transport
    if transport is not None:
        # abort() would throw away what has not yet left the process.
        if transport.get_write_buffer_size():
            transport.close()
        else:
            transport.abort()


async def stall() -> None:
    """Wait until cancelled, which happens when the client leaves."""
    await asyncio.get_running_loop().create_future()
