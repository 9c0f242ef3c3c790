"""The server's page as a browser visits it."""

import contextlib
from collections.abc import AsyncIterator
from typing import Final

import aiohttp

from .conftest import Served

__all__ = ["HEADER", "HTTP", "TEXT", "ready", "visitor", "wanted"]

TEXT: Final = "Die Küche ist dunkel. Good night. The doors are locked."
HTTP: Final = "--http=127.0.0.1:0"
HEADER: Final = 44
"""Bytes of a WAV before its samples."""


@contextlib.asynccontextmanager
async def visitor(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the server's page."""
    assert served.server.url is not None
    async with aiohttp.ClientSession(served.server.url) as session:
        yield session


async def ready(session: aiohttp.ClientSession) -> tuple[int, str]:
    """The status and the words of whether the server is ready."""
    async with session.get("/readyz") as response:
        return response.status, await response.text()


def wanted(text: str, voice: str | None = None) -> dict[str, object]:
    """What the page sends to have ``text`` spoken."""
    return {"text": text, "voice": {"name": voice}}
