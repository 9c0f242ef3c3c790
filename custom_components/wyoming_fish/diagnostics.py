"""Diagnostics: all that helps to find what is wrong, without secrets and without text."""

from typing import Any

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_API_KEY
from homeassistant.core import HomeAssistant

from .const import CONF_BASE_URL, CONF_CODE, CONF_PRONUNCIATIONS
from .coordinator import FishConfigEntry
from .fish.settings import FISH_URL


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: FishConfigEntry
) -> dict[str, Any]:
    """Return what is known of an entry. The address of a self-hosted server is not told."""
    told: dict[str, Any] = {
        "entry": async_redact_data(dict(entry.data), {CONF_API_KEY, CONF_BASE_URL}),
        "own_server": entry.data[CONF_BASE_URL] != FISH_URL,
        "state": entry.state.value,
        "voices": [
            {
                **async_redact_data(dict(voice.data), {CONF_CODE, CONF_PRONUNCIATIONS}),
                "title": voice.title,
            }
            for voice in entry.subentries.values()
        ],
    }
    if entry.state is ConfigEntryState.LOADED:
        told |= _account(entry)
    return told


def _account(entry: FishConfigEntry) -> dict[str, Any]:
    """Return what is known while the entry is set up."""
    data = entry.runtime_data
    return {
        "credit": {
            "answered": data.credit.last_update_success,
            "error": _kind(data.credit.last_exception),
            "us_dollars": None if data.credit.data is None else str(data.credit.data.amount),
        },
        "listed_voices": {
            "answered": data.voices.last_update_success,
            "error": _kind(data.voices.last_exception),
            "count": len(data.voices.data),
        },
        "last_first_audio": [data.first_audio.get(voice) for voice in entry.subentries],
        "warm_sockets": data.fish.status.idle,
    }


def _kind(error: BaseException | None) -> str | None:
    """Return what kind of error it was; its text may name addresses."""
    cause = (error and error.__cause__) or error
    return None if cause is None else type(cause).__name__
