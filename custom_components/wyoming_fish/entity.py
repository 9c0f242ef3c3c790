"""The devices that the entities belong to."""

from homeassistant.config_entries import ConfigSubentry
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo

from .const import BACKEND_NAMES, CONF_BACKEND, DOMAIN, MANUFACTURER
from .coordinator import FishConfigEntry
from .fish import Backend


def account_device(entry: FishConfigEntry) -> DeviceInfo:
    """Return the device of the account."""
    return DeviceInfo(
        identifiers={(DOMAIN, entry.entry_id)},
        entry_type=DeviceEntryType.SERVICE,
        manufacturer=MANUFACTURER,
        name=entry.title,
    )


def voice_device(voice: ConfigSubentry) -> DeviceInfo:
    """Return the device of a voice."""
    return DeviceInfo(
        identifiers={(DOMAIN, voice.subentry_id)},
        entry_type=DeviceEntryType.SERVICE,
        manufacturer=MANUFACTURER,
        model=BACKEND_NAMES[Backend(voice.data[CONF_BACKEND])],
        name=voice.title,
    )
