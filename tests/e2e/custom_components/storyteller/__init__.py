"""What the end-to-end tests need of a house: an agent that answers bit by bit, and a speaker.

Home Assistant's clock can leap, too. It runs inside Home Assistant, on Home Assistant's Python.
"""

import aiohttp.connector
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant, ServiceCall

PLATFORMS = [Platform.CONVERSATION, Platform.MEDIA_PLAYER]


async def async_setup_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Set up both, and a service that lets time pass: the clock of the event loop leaps."""

    async def pass_time(call: ServiceCall) -> None:
        clock, seconds = hass.loop.time, call.data["seconds"]
        hass.loop.time = aiohttp.connector.monotonic = lambda: clock() + seconds

    hass.services.async_register("storyteller", "pass_time", pass_time)
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True
