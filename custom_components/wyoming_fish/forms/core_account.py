"""The account and the voices of Home Assistant's own integration Fish Audio."""

from contextlib import suppress
from typing import Any, Final

from homeassistant.config_entries import SOURCE_IGNORE, ConfigEntry, ConfigSubentryData
from homeassistant.core import HomeAssistant, callback

from ..const import (
    CONF_BACKEND,
    CONF_LATENCY,
    CONF_SPEED,
    CONF_VOICE,
    DEFAULT_BACKEND,
    DOMAIN,
    SUBENTRY_VOICE,
)
from ..fish import Backend
from ..speech.options import VOICE_DEFAULTS

# Names in that integration (homeassistant/components/fish_audio/const.py).
CORE_DOMAIN: Final = "fish_audio"
CORE_SUBENTRY_VOICE: Final = "tts"
CORE_CONF_VOICE: Final = "voice_id"


@callback
def core_entry(hass: HomeAssistant) -> ConfigEntry | None:
    """Return an entry of an account that is not set up here yet."""
    entries = hass.config_entries.async_entries(DOMAIN)
    taken = {entry.unique_id for entry in entries if entry.source != SOURCE_IGNORE}
    for entry in hass.config_entries.async_entries(CORE_DOMAIN, include_ignore=False):
        if entry.unique_id not in taken:
            return entry
    return None


def core_voices(entry: ConfigEntry) -> list[ConfigSubentryData]:
    """Return the voices of the entry, as subentries of this integration."""
    return [
        ConfigSubentryData(
            subentry_type=SUBENTRY_VOICE,
            title=voice.title,
            data=_voice_data(voice.data),
            unique_id=None,
        )
        for voice in entry.subentries.values()
        if voice.subentry_type == CORE_SUBENTRY_VOICE and voice.data.get(CORE_CONF_VOICE)
    ]


def _voice_data(data: Any) -> dict[str, Any]:
    """Return the data of a voice. It may have a model that Fish Audio has retired since."""
    backend = DEFAULT_BACKEND
    with suppress(ValueError):
        backend = Backend(data[CONF_BACKEND])
    kept = {name: data[name] for name in (CONF_LATENCY, CONF_SPEED) if name in data}
    return {
        CONF_VOICE: data[CORE_CONF_VOICE],
        CONF_BACKEND: backend.value,
        **VOICE_DEFAULTS,
        **kept,
    }
