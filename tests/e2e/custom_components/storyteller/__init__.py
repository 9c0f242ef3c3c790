"""What the end-to-end tests need of a house: an agent that answers bit by bit, and a speaker.

It runs inside Home Assistant, on Home Assistant's Python.
"""

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant

PLATFORMS = [Platform.CONVERSATION, Platform.MEDIA_PLAYER]


async def async_setup_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Set up both."""
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True
