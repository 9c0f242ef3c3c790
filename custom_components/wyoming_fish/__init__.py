"""The Wyoming Fish integration: Fish Audio's voices in Home Assistant."""

from homeassistant.const import EVENT_HOMEASSISTANT_STOP, Platform
from homeassistant.core import Event, HomeAssistant

from . import repairs
from .const import CONF_FALLBACK_VOICE, DOMAIN
from .coordinator import CreditCoordinator, FishConfigEntry, FishData, VoicesCoordinator
from .speech.client import account_endpoint, create_client
from .speech.sample import delete_samples

PLATFORMS = [Platform.EVENT, Platform.SENSOR, Platform.TTS]


async def async_setup_entry(hass: HomeAssistant, entry: FishConfigEntry) -> bool:
    """Set up an account and its voices."""
    repairs.delete_outdated_issues(hass, entry)
    fish = create_client(hass, account_endpoint(entry.data))
    credit = CreditCoordinator(hass, entry, fish)
    await credit.async_config_entry_first_refresh()
    voices = VoicesCoordinator(hass, entry, fish)
    voices.has_account = credit.data is not None
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
    is_unloaded = await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
    if is_unloaded and not hass.config_entries.async_loaded_entries(DOMAIN):
        delete_samples(hass)
    return is_unloaded


async def async_remove_entry(hass: HomeAssistant, entry: FishConfigEntry) -> None:
    """Delete the repair issues of a removed account."""
    repairs.delete_all_issues(hass, entry)


async def _reload(hass: HomeAssistant, entry: FishConfigEntry) -> None:
    """Reload the account after a change of its key, options, or voices."""
    hass.config_entries.async_schedule_reload(entry.entry_id)
