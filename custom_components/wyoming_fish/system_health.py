"""System health: whether Fish Audio can be reached, and the number of open connections."""

from typing import Any

from homeassistant.components import system_health
from homeassistant.core import HomeAssistant, callback

from .const import CONF_BASE_URL, DOMAIN
from .coordinator import FishConfigEntry
from .fish.settings import FISH_URL


@callback
def async_register(hass: HomeAssistant, register: system_health.SystemHealthRegistration) -> None:
    """Register the system health of the integration."""
    register.async_register_info(_info)


async def _info(hass: HomeAssistant) -> dict[str, Any]:
    entries: list[FishConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    url = entries[0].data[CONF_BASE_URL] if entries else FISH_URL
    return {
        "can_reach_server": system_health.async_check_can_reach_url(hass, url),
        "voices": sum(len(entry.subentries) for entry in entries),
        "ready_connections": sum(entry.runtime_data.fish.status.idle for entry in entries),
    }
