"""The command `wyoming-fish`."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Sequence

from .options import Options
from .server import Background, serve

__all__ = ["main"]


def main(
    arguments: Sequence[str] | None = None, announce: Callable[[], Background] | None = None
) -> int:
    """Run the server until it is stopped; the exit status is 1 where it cannot listen.

    ``announce`` is started once it listens.
    """
    options = Options.parse(arguments)
    logging.basicConfig(
        level=logging.DEBUG if options.debug else logging.INFO, format=options.log_format
    )
    try:
        asyncio.run(serve(options, announce))
    except OSError as error:
        # asyncio's text names the address, and whether it is taken or not this machine's.
        print(f"wyoming-fish: {error.strerror or error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
