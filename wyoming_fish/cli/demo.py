"""A Fish Audio in this process, for who wants to try without a key or a network."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from ..fish.settings import Endpoint

__all__ = ["demo"]


@contextlib.asynccontextmanager
async def demo() -> AsyncIterator[Endpoint]:
    """Emulate Fish Audio within ``async with``; gives its address and a key to it."""
    from ..emulator import Emulator, EmulatorSettings  # noqa: PLC0415 - heavy, and for this alone

    # About the pace that users measured at Fish Audio's.
    async with Emulator(EmulatorSettings(first_audio=0.3, pace=0.13)) as emulator:
        yield Endpoint("demo", emulator.url)
