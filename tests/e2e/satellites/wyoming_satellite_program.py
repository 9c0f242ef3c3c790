"""Runs Wyoming Satellite.

The newest release in the registry is 1.0.0. It does not answer pings, and Home Assistant leaves a
satellite that does not. Later releases answer pings, as this program does.
"""

import asyncio

from wyoming.event import Event
from wyoming_satellite.__main__ import main
from wyoming_satellite.satellite import WakeStreamingSatellite

event_from_server = WakeStreamingSatellite.event_from_server


async def answer_ping(satellite: WakeStreamingSatellite, event: Event) -> None:
    """Answer a ping, and do with any other event what the satellite does."""
    if event.type == "ping":
        await satellite.event_to_server(Event("pong", event.data))
    else:
        await event_from_server(satellite, event)


WakeStreamingSatellite.event_from_server = answer_ping
asyncio.run(main())
