"""The Wyoming Fish integration: Fish Audio's voices in Home Assistant."""

from homeassistant.const import CONF_API_KEY, EVENT_HOMEASSISTANT_STOP, Platform
from homeassistant.core import Event, HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from homeassistant.util.ssl import get_default_context

from . import repairs
from .const import CONF_BASE_URL, CONF_FALLBACK_VOICE
from .coordinator import CreditCoordinator, FishConfigEntry, FishData, VoicesCoordinator
from .fish import Endpoint, FishClient

PLATFORMS = [Platform.EVENT, Platform.SENSOR, Platform.TTS]


async def async_setup_entry(hass: HomeAssistant, entry: FishConfigEntry) -> bool:
    """Set up an account and its voices."""
    repairs.delete_outdated_issues(hass, entry)
    endpoint = Endpoint(entry.data[CONF_API_KEY], entry.data[CONF_BASE_URL])
    session = async_get_clientsession(hass)
    fish = FishClient(endpoint, ssl_context=get_default_context(), session=session)
    credit = CreditCoordinator(hass, entry, fish)
    await credit.async_config_entry_first_refresh()
    voices = VoicesCoordinator(hass, entry, fish)
    voices.is_self_hosted = credit.data is None
    await voices.async_config_entry_first_refresh()

    entry.runtime_data = FishData(fish, credit, voices)

    async def stop(_event: Event) -> None:
        await fish.close()

    entry.async_on_unload(fish.close)
    entry.async_on_unload(hass.bus.async_listen_once(EVENT_HOMEASSISTANT_STOP, stop))
    entry.async_on_unload(entry.add_update_listener(_reload))
    repairs.update_retiring_backend_issue(hass, entry)
    if CONF_FALLBACK_VOICE not in entry.options:
        repairs.delete_fallback_issue(hass, entry)
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: FishConfigEntry) -> bool:
    """Unload an account. Replies in progress are spoken to their end."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: FishConfigEntry) -> None:
    """Delete the repair issues of a removed account."""
    repairs.delete_all_issues(hass, entry)


async def _reload(hass: HomeAssistant, entry: FishConfigEntry) -> None:
    """Reload the account after a change of its key, options, or voices."""
    hass.config_entries.async_schedule_reload(entry.entry_id)
