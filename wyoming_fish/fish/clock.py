"""The clock of all times in the engine: the running event loop's, in seconds."""

from __future__ import annotations

import asyncio

__all__ = ["now"]


def now() -> float:
    """Return the running loop's time, which tests may move."""
    return asyncio.get_running_loop().time()
