"""The limit of open files, which every connection is one of.

Where the usual limit of 1,024 is reached, no client can connect any more, so the limit is raised
to what the options may need.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
from typing import Any, Final

__all__ = ["check_open_files", "files_needed", "limit_accept_errors"]

_LOGGER = logging.getLogger(__name__)

# Standard streams, the event loop's own, sockets that listen, requests about the account, a
# lookup of names in each thread.
OWN_FILES: Final = 60

# Connections that are accepted in one turn of the loop before any of them is counted: 100 by each
# of two listening sockets (asyncio's backlog).
ACCEPTED_CONNECTIONS: Final = 200

# Sessions, if nobody has set their number: an account may have up to 50.
SESSIONS: Final = 50
# A second connection is opened beside one that does not answer.
CONNECTIONS_PER_SESSION: Final = 2

# Files of the cache: one for each thread that reads or writes (32), and for each that waits (8).
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
    """Raise this process's limit of open files to ``needed``, or warn that it is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, OverflowError, ValueError):
        # The kernel has a limit of its own.
        wanted = soft
    if wanted < needed:
        _LOGGER.warning(
            "Up to %d files may be open at the same time, and the limit is %d. Lower "
            "--max-connections, or raise the limit: LimitNOFILE in systemd, --ulimit nofile in "
            "Docker, ulimit -n in a shell.",
            needed,
            wanted,
        )


def limit_accept_errors(loop: asyncio.AbstractEventLoop) -> None:
    """Have ``loop`` log one line, and no traceback, when no file is left for a connection.

    asyncio tries again each second, and logs up to a hundred tracebacks each time.
    """

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if "socket" in context and isinstance(error, OSError) and error.errno in _NO_FILE_LEFT:
            _LOGGER.warning(
                "No new connection can be accepted: %s. Raise the limit of open files, or lower "
                "--max-connections.",
                error.strerror,
            )
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
