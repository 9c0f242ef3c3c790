"""Diagnostics: all that helps to find what is wrong, without secrets and without text."""

from typing import Any

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.const import CONF_API_KEY
from homeassistant.core import HomeAssistant

from .const import CONF_BASE_URL, CONF_CODE, CONF_PRONUNCIATIONS
from .coordinator import FishConfigEntry
from .fish.settings import FISH_URL


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant, entry: FishConfigEntry
) -> dict[str, Any]:
    """Return what is known of an entry. The address of a server of one's own is not told."""
    data = entry.runtime_data
    return {
        "entry": async_redact_data(dict(entry.data), {CONF_API_KEY, CONF_BASE_URL}),
        "own_server": entry.data[CONF_BASE_URL] != FISH_URL,
        "credit": {
            "answered": data.credit.last_update_success,
            "error": _kind(data.credit.last_exception),
            "us_dollars": None if data.credit.data is None else str(data.credit.data.amount),
        },
        "voices": {
            "answered": data.voices.last_update_success,
            "error": _kind(data.voices.last_exception),
            "listed": len(data.voices.data),
            "set_up": [
                {
                    **async_redact_data(dict(voice.data), {CONF_CODE, CONF_PRONUNCIATIONS}),
                    "title": voice.title,
                    "last_first_audio": data.meters[voice.subentry_id].first_audio,
                }
                for voice in entry.subentries.values()
            ],
        },
        "warm_sockets": data.sockets.idle,
    }


def _kind(error: BaseException | None) -> str | None:
    """Return what kind of error it was; its text may name addresses."""
    cause = (error and error.__cause__) or error
    return None if cause is None else type(cause).__name__
