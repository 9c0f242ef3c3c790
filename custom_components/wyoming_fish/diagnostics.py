"""Diagnostics of an account, without secrets and without spoken text."""

from typing import Any

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import CONF_API_KEY
from homeassistant.core import HomeAssistant

from .const import CONF_BASE_URL, CONF_CODE, CONF_PRONUNCIATIONS
from .coordinator import FishConfigEntry
from .fish.settings import is_cloud_url


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: FishConfigEntry
) -> dict[str, Any]:
    """Return the diagnostics of an entry. The address of a self-hosted server is redacted."""
    diagnostics: dict[str, Any] = {
        "entry": async_redact_data(dict(entry.data), {CONF_API_KEY, CONF_BASE_URL}),
        "options": dict(entry.options),
        "self_hosted": not is_cloud_url(entry.data[CONF_BASE_URL]),
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
        diagnostics |= _loaded_state(entry)
    return diagnostics


def _loaded_state(entry: FishConfigEntry) -> dict[str, Any]:
    """Return the state of a loaded account."""
    data = entry.runtime_data
    return {
        "credit": {
            "answered": data.credit.last_update_success,
            "error": _error_type(data.credit.last_exception),
            "us_dollars": None if data.credit.data is None else str(data.credit.data.amount),
        },
        "listed_voices": {
            "answered": data.voices.last_update_success,
            "error": _error_type(data.voices.last_exception),
            "count": len(data.voices.data),
        },
        "last_first_audio": [data.first_audio.get(voice) for voice in entry.subentries],
        "ready_connections": data.fish.status.idle,
    }


def _error_type(error: BaseException | None) -> str | None:
    """Return the type of an error. Its text may contain addresses."""
    cause = (error and error.__cause__) or error
    return None if cause is None else type(cause).__name__
