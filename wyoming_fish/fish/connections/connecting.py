"""Connections that are being opened, each in a task of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, TypeAlias

from ..api.live_connection import LiveConnection
from ..errors import ClosedError, FishError
from ..settings import Backend

__all__ = ["PendingConnections"]

# Seconds that ``close()`` gives to what is just being opened.
CLOSE_TIMEOUT_S: Final = 0.5

_PendingConnection: TypeAlias = asyncio.Task[LiveConnection]


class PendingConnections:
    """Opens connections that go on being opened when the reply that waits for one is given up.

    ``open_one`` opens a connection, or raises FishError. ``store`` gets each that nothing waits
    for.
    """

    def __init__(
        self,
        open_one: Callable[[Backend], Coroutine[Any, Any, LiveConnection]],
        store: Callable[[LiveConnection], None],
    ) -> None:
        self._open_one = open_one
        self._store = store
        self._unclaimed = {backend: list[_PendingConnection]() for backend in Backend}
        self._all: set[_PendingConnection] = set()

    def __len__(self) -> int:
        return len(self._all)

    def unclaimed(self, backend: Backend) -> int:
        """How many are being opened that nothing waits for."""
        return len(self._unclaimed[backend])

    def start(self, backend: Backend) -> None:
        """Open a connection in the background."""
        pending = asyncio.create_task(self._open_one(backend))
        self._unclaimed[backend].append(pending)
        self._all.add(pending)
        pending.add_done_callback(partial(self._on_done, self._unclaimed[backend]))

    async def take(self, backend: Backend) -> LiveConnection:
        """Wait for the one that will be there first. Raises FishError."""
        unclaimed = self._unclaimed[backend]
        if not unclaimed:
            self.start(backend)
        pending = unclaimed.pop(0)
        try:
            await asyncio.wait((pending,))
        except asyncio.CancelledError:
            unclaimed.append(pending)
            if pending.done():
                self._on_done(unclaimed, pending)
            raise
        if pending.cancelled():
            raise ClosedError("The connections to the server are closed.")
        return pending.result()

    async def close(self) -> None:
        """End them all."""
        if self._all:
            # Cancelled in the moment that it is made, a TCP connection would stay open (CPython).
            await asyncio.wait(self._all, timeout=CLOSE_TIMEOUT_S)
        for pending in self._all:
            pending.cancel()
        if self._all:
            await asyncio.wait(self._all)

    def _on_done(self, unclaimed: list[_PendingConnection], pending: _PendingConnection) -> None:
        self._all.discard(pending)
        if pending in unclaimed:
            unclaimed.remove(pending)
            if not pending.cancelled():
                with contextlib.suppress(FishError):
                    self._store(pending.result())
