"""Devices of the account and of its voices, and what the entities of voices have in common."""

from homeassistant.config_entries import ConfigSubentry
from homeassistant.helpers.device_registry import DeviceEntryType, DeviceInfo
from homeassistant.helpers.entity import Entity

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


class VoiceEntity(Entity):
    """An entity of a voice. It receives what happens and is never polled."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, entry: FishConfigEntry, voice: ConfigSubentry, key: str = "") -> None:
        """Initialize the entity; ``key`` tells it apart from the other entities of the voice."""
        self._attr_unique_id = f"{voice.subentry_id}_{key}" if key else voice.subentry_id
        self._attr_device_info = voice_device(entry, voice)


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
