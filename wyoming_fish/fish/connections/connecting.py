"""Connections that are being opened, each in a task of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, cast

from ..api.live_connection import LiveConnection
from ..errors import ClosedError, FishError
from ..settings import Backend

__all__ = ["PendingConnections"]

# Seconds that ``close()`` gives to what is just being opened.
CLOSE_TIMEOUT_S: Final = 0.5

_PendingConnection: TypeAlias = "asyncio.Task[LiveConnection | FishError]"


class PendingConnections:
    """Opens connections that go on being opened when the reply that waits for one is given up.

    ``open_one`` opens a connection, or raises FishError. ``keep`` gets each that nothing waits for.
    """

    def __init__(
        self,
        open_one: Callable[[Backend], Awaitable[LiveConnection]],
        store: Callable[[LiveConnection], None],
    ) -> None:
        self._open_one = open_one
        self._store = store
        self._unclaimed: dict[Backend, list[_PendingConnection]] = {
            backend: [] for backend in Backend
        }
        self._all: set[_PendingConnection] = set()

    def __len__(self) -> int:
        return len(self._all)

    def unclaimed(self, backend: Backend) -> int:
        """How many are being opened that nothing waits for."""
        return len(self._unclaimed[backend])

    def start(self, backend: Backend) -> None:
        """Open a connection in the background."""
        pending = asyncio.create_task(self._open(backend))
        self._unclaimed[backend].append(pending)
        self._all.add(pending)
        pending.add_done_callback(self._all.discard)

    async def take(self, backend: Backend) -> LiveConnection:
        """Wait for the one that will be there first. Raises FishError."""
        if not self._unclaimed[backend]:
            self.start(backend)
        pending = self._unclaimed[backend].pop(0)
        try:
            await asyncio.wait((pending,))
        except asyncio.CancelledError:
            if not pending.done():
                self._unclaimed[backend].append(pending)
            elif not pending.cancelled() and isinstance(
                connection := pending.result(), LiveConnection
            ):
                self._store(connection)
            raise
        if pending.cancelled():
            raise ClosedError("The connections to the server are closed.")
        if isinstance(opened := pending.result(), FishError):
            raise opened
        return opened

    async def close(self) -> None:
        """End them all."""
        if self._all:
            # Cancelled in the moment that it is made, a TCP connection would stay open (CPython).
            await asyncio.wait(self._all, timeout=CLOSE_TIMEOUT_S)
        for pending in self._all:
            pending.cancel()
        if self._all:
            await asyncio.wait(self._all)

    async def _open(self, backend: Backend) -> LiveConnection | FishError:
        current = cast("_PendingConnection", asyncio.current_task())
        opened: LiveConnection | FishError | None = None
        try:
            opened = await self._open_one(backend)
        except FishError as error:
            opened = error
        finally:
            self._all.discard(current)
            if current in self._unclaimed[backend]:
                self._unclaimed[backend].remove(current)
                if isinstance(opened, LiveConnection):
                    self._store(opened)
        return opened
