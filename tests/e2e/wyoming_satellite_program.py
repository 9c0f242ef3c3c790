"""Runs Wyoming Satellite.

The newest release in the registry is 1.0.0. It does not answer pings, and Home Assistant leaves a
satellite that does not. Later releases answer them as this program does.
"""

import asyncio

from wyoming.event import Event
from wyoming_satellite.__main__ import main
from wyoming_satellite.satellite import WakeStreamingSatellite


class _Satellite(WakeStreamingSatellite):
    async def event_from_server(self, event: Event) -> None:
        if event.type == "ping":
            await self.event_to_server(Event("pong", event.data))
        else:
            await super().event_from_server(event)


main.__globals__["WakeStreamingSatellite"] = _Satellite
asyncio.run(main())
