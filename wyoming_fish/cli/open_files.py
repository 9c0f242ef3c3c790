"""Limit of open files: raises it to the number that the options need.

Each connection is an open file. At the usual limit of 1,024, no more clients could connect.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
from typing import Any, Final

__all__ = ["check_open_files", "files_needed", "limit_accept_errors"]

_LOGGER = logging.getLogger(__name__)

# Standard streams, files of the event loop, listening sockets, requests about the account, a name
# lookup in each thread.
OWN_FILES: Final = 60

# Connections that can be accepted in one turn of the event loop before any of them is counted: 100
# by each of two listening sockets (asyncio's backlog).
ACCEPTED_CONNECTIONS: Final = 200

# Sessions, if nobody has set their number: an account may have up to 50.
SESSIONS: Final = 50
# If a connection does not answer, a second one is opened.
CONNECTIONS_PER_SESSION: Final = 2

# Files of the cache: one for each thread that reads or writes (32), and some for closing (8).
CACHE_FILES: Final = 40

_NO_FILE_LEFT: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


def files_needed(connections: int, sessions: int | None, *, has_cache: bool) -> int:
    """Return how many files may be open at the same time, in the worst case.

    ``connections`` counts those of clients and to the fallback voice. ``sessions`` is the number
    that the account may have at the same time; None if nobody has set it.
    """
    needed = OWN_FILES + ACCEPTED_CONNECTIONS + connections
    needed += CONNECTIONS_PER_SESSION * (sessions or SESSIONS)
    return needed + CACHE_FILES if has_cache else needed


def check_open_files(needed: int) -> None:
    """Raise the limit of open files to ``needed``, or log a warning that it is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, OverflowError, ValueError):
        # The kernel has another limit.
        wanted = soft
    if wanted < needed:
        _LOGGER.warning(
            "The limit of open files is too low: up to %d files are needed, and the limit is %d. "
            "Lower --max-connections, or raise the limit: LimitNOFILE in systemd, --ulimit nofile "
            "in Docker, ulimit -n in a shell.",
            needed,
            wanted,
        )


def limit_accept_errors(loop: asyncio.AbstractEventLoop) -> None:
    """Let ``loop`` log one line if the limit of open files prevents a connection.

    asyncio retries each second, and logs up to a hundred tracebacks each time.
    """

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if "socket" in context and isinstance(error, OSError) and error.errno in _NO_FILE_LEFT:
            _LOGGER.warning(
                "Cannot accept a connection: %s. Raise the limit of open files, or lower "
                "--max-connections.",
                error.strerror,
            )
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
