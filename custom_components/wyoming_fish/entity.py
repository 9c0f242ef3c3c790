"""Devices of the account and of its voices."""

from homeassistant.config_entries import ConfigSubentry
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo

from .const import (
    ACCOUNT_URL,
    BACKEND_NAMES,
    CONF_BACKEND,
    CONF_BASE_URL,
    CONF_VOICE,
    DOMAIN,
    MANUFACTURER,
    VOICE_URL,
    VOICES_URL,
)
from .coordinator import FishConfigEntry
from .fish import Backend


def account_device(entry: FishConfigEntry) -> DeviceInfo:
    """Return the device of the account."""
    return DeviceInfo(
        identifiers={(DOMAIN, entry.entry_id)},
        entry_type=DeviceEntryType.SERVICE,
        manufacturer=MANUFACTURER,
        name=entry.title,
        configuration_url=_server_url(entry) or ACCOUNT_URL,
    )


def voice_device(entry: FishConfigEntry, voice: ConfigSubentry) -> DeviceInfo:
    """Return the device of a voice."""
    voice_id = voice.data[CONF_VOICE]
    return DeviceInfo(
        identifiers={(DOMAIN, voice.subentry_id)},
        entry_type=DeviceEntryType.SERVICE,
        manufacturer=MANUFACTURER,
        model=BACKEND_NAMES[Backend(voice.data[CONF_BACKEND])],
        name=voice.title,
        configuration_url=_server_url(entry)
        or (VOICES_URL if voice_id is None else VOICE_URL.format(voice_id)),
    )


def _server_url(entry: FishConfigEntry) -> str | None:
    """Return the address of a server without accounts; None for Fish Audio."""
    url: str = entry.data[CONF_BASE_URL]
    return None if entry.runtime_data.voices.has_account else url
