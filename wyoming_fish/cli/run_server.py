"""The server as a command: it builds the server and the status page, runs them, and logs."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import logging
import os
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..fish.settings import Endpoint
from ..logs import set_up_logging
from ..server.listener import ListenError
from ..server.server import MAX_REFUSALS, Server
from ..server.shutdown import stop_on_signal
from .demo import demo
from .open_files import check_open_files, files_needed, limit_accept_errors
from .options import Options

if TYPE_CHECKING:
    from ..web import StatusServer

__all__ = ["Background", "build", "open_files_needed", "run"]

_LOGGER = logging.getLogger(__name__)

Background = Coroutine[Any, Any, None]

# Why the server cannot listen at an address, and what to do: for TCP, and for a unix socket.
_TCP_REASONS: Final = {
    errno.EADDRINUSE: "port {port} is in use. Stop the other program, or select another port.",
    errno.EADDRNOTAVAIL: (
        "this machine does not have the address {host}. Use an address of this machine, or 0.0.0.0."
    ),
    errno.EACCES: "only an administrator can use port {port}. Select a port above 1023.",
}
_NAME_REASON: Final = "the name {host} is not known. Use an address of this machine, or 0.0.0.0."
_UNIX_REASONS: Final = {
    errno.EADDRINUSE: "another server uses {path}. Stop it, or select another path.",
    errno.ENOENT: "the folder {folder} does not exist. Create it, or select another path.",
    errno.EACCES: "this user cannot write to the folder {folder}. Select another path.",
}
_OTHER_REASON: Final = "cannot listen at this address: {reason}. Select another address."


def run(
    arguments: Sequence[str] | None = None, announce: Callable[[], Background] | None = None
) -> int:
    """Run the server until it is stopped; the exit status is 1 if it cannot listen.

    ``announce`` starts when the server listens.
    """
    options = Options.parse(arguments)
    set_up_logging(logging.DEBUG if options.debug else logging.INFO, options.log_format)
    return asyncio.run(_serve(options, announce))


def build(options: Options, endpoint: Endpoint) -> tuple[Server, StatusServer | None]:
    """Return the server, and its status page if the options ask for one.

    The page opens and closes with the server. ``endpoint`` is used instead of
    ``options.endpoint``. If the options have none, the page says that Fish Audio is emulated.
    """
    server = Server(options, endpoint)
    if options.http is None:
        return server, None
    from ..web import StatusServer  # noqa: PLC0415 - it takes a quarter of a second

    status_server = StatusServer(server.context, options.http, is_demo=options.endpoint is None)
    server.attach(status_server)
    return server, status_server


def open_files_needed(options: Options) -> int:
    """Return how many files the server may have open at the same time."""
    connections = options.max_connections + MAX_REFUSALS
    if options.fallback_uri is not None:
        connections += options.max_connections
    if options.http is not None:
        from ..web import MAX_OPEN_CONNECTIONS  # noqa: PLC0415 - as above

        connections += MAX_OPEN_CONNECTIONS
    return files_needed(connections, options.concurrency, has_cache=options.cache_dir is not None)


async def _serve(options: Options, announce: Callable[[], Background] | None) -> int:
    """Serve until SIGTERM or Ctrl-C; over stdio, until its end. Returns the exit status.

    ``announce`` starts when the server listens, and is cancelled before the server stops.
    """
    check_open_files(open_files_needed(options))
    limit_accept_errors(asyncio.get_running_loop())
    async with contextlib.AsyncExitStack() as stack:
        endpoint = options.endpoint
        if endpoint is None:
            endpoint = await stack.enter_async_context(demo())
        server, _ = build(options, endpoint)
        try:
            await stack.enter_async_context(server)
            announcements = _announcements(options, server)
        except OSError as error:
            print(f"wyoming-fish: {_explain(error, options)}", file=sys.stderr)
            return 1
        stop_on_signal(server.stop)
        # Imported objects stay. Otherwise, each full garbage collection would look at them, for up
        # to 0.2 s.
        gc.collect()
        gc.freeze()
        here, *elsewhere = server.uris
        _LOGGER.info(" and, from other machines, on ".join((f"Ready on {here}", *elsewhere)))
        for announcing in (*announcements, *(() if announce is None else (announce(),))):
            task = asyncio.create_task(_log_errors(announcing))
            stack.push_async_callback(server.within_stop, _cancel(task))
        await server.stopping.wait()
    return 0


def _explain(error: OSError, options: Options) -> str:
    """Return why the server cannot listen, and what to do."""
    if not isinstance(error, ListenError):
        return error.strerror or str(error)
    address = error.address
    if isinstance(error.__cause__, socket.gaierror):
        reason = _NAME_REASON
    elif address.scheme == "unix":
        reason = _UNIX_REASONS.get(error.errno or 0, _OTHER_REASON)
    else:
        # From Python 3.12 on, asyncio gives no number for an address of another machine.
        reason = _TCP_REASONS.get(error.errno or errno.EADDRNOTAVAIL, _OTHER_REASON)
    said = reason.format(
        **address._asdict(),
        folder=Path(address.path).parent,
        # asyncio's text repeats the address in Python's form.
        reason=os.strerror(error.errno) if error.errno else str(error.__cause__),
    )
    return f"{'--http' if address is options.http else '--uri'}: {said}"


def _announcements(options: Options, server: Server) -> list[Background]:
    """What announces the server. Raises OSError if no other machine can reach it."""
    if options.zeroconf is None:
        return []
    from ..server.zeroconf import advertise, check_reachable  # noqa: PLC0415 - rarely used

    check_reachable(server.hosts)
    return [advertise(options.zeroconf, server.hosts, server.port)]


async def _log_errors(work: Background) -> None:
    """Await ``work``, and log its error: no other task awaits it."""
    try:
        await work
    except Exception:
        _LOGGER.exception("Cannot announce the server. Report this error.")


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,))
