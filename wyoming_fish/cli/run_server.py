"""The server as a command: its log, its run, and what it says if it cannot listen."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Final

from ..logs import set_up_logging
from ..server.server import Background, serve
from .options import Options

__all__ = ["run"]

# What to do if an address cannot be had.
_CURES: Final = {
    errno.EADDRINUSE: "Stop the program that uses it, or select another port.",
    errno.EADDRNOTAVAIL: "This machine does not have that address: use one of its own, or 0.0.0.0.",
    errno.ENOENT: "Create the folder of the socket first.",
    errno.EACCES: "Only an administrator may use it: select a port above 1023.",
}
_NAME_CURE: Final = "Check the host in --uri and --http: it must be a name of this machine."


def run(
    arguments: Sequence[str] | None = None, announce: Callable[[], Background] | None = None
) -> int:
    """Run the server until it is stopped; the exit status is 1 where it cannot listen.

    ``announce`` is started once it listens.
    """
    options = Options.parse(arguments)
    set_up_logging(logging.DEBUG if options.debug else logging.INFO, options.log_format)
    try:
        asyncio.run(serve(options, announce))
    except OSError as error:
        # asyncio's text names the address.
        print(f"wyoming-fish: {error.strerror or error}", file=sys.stderr)
        is_name = isinstance(error, socket.gaierror)
        # From Python 3.12 on, asyncio gives no number for an address of another machine.
        number = error.errno or errno.EADDRNOTAVAIL
        if cure := _NAME_CURE if is_name else _CURES.get(number):
            print(cure, file=sys.stderr)
        return 1
    return 0
