"""Clients that connect, and are gone before the server gets round to them."""

import asyncio
import socket
import struct

from wyoming.info import Describe, Info

from tests.support.server import Serving
from wyoming_fish.emulator import EmulatorSettings

# More than a kernel holds by default.
FLOOD = 500

# Seconds within which the kernel takes a connection if it has room. It tries again after 1 s.
CONNECT_LIMIT_S = 0.5

RESET = struct.pack("ii", 1, 0)


async def test_connections_that_are_reset(serving: Serving) -> None:
    """However many come at the same time, there is room for them, and none takes a place."""
    async with (
        serving(EmulatorSettings(), "--max-connections=1") as served,
        served.client() as silent,
    ):
        # The server is in this process: until the next await it accepts nobody.
        for _ in range(FLOOD):
            address = ("127.0.0.1", served.port)
            with socket.create_connection(address, CONNECT_LIMIT_S) as gone:
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        for _ in range(FLOOD):
            await asyncio.sleep(0)
        await silent.write_event(Describe().event())
        event = await silent.read_event()
        assert event is not None
        assert Info.is_type(event.type)
