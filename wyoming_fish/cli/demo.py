"""The demo: an emulated Fish Audio in this process, without a key or a network."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from ..fish.settings import Endpoint

__all__ = ["demo"]


@contextlib.asynccontextmanager
async def demo() -> AsyncIterator[Endpoint]:
    """Run the emulator within ``async with``, and return its endpoint."""
    from ..emulator import Emulator, EmulatorSettings  # noqa: PLC0415 - a slow import

    # Users measured about these times at Fish Audio.
    async with Emulator(EmulatorSettings(first_audio=0.3, pace=0.13)) as emulator:
        yield Endpoint("demo", emulator.url)
