"""The repair that is one click: a retiring backend is replaced by its successor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homeassistant.components.repairs import RepairsFlow
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant

from .const import (
    BACKEND_NAMES,
    CONF_BACKEND,
    RETIREMENT_DATE,
    RETIRING_BACKEND,
    SUCCESSOR_BACKEND,
)
from .markdown import escaped

if TYPE_CHECKING:
    # Newer than the oldest Home Assistant that this runs on.
    from homeassistant.components.repairs import RepairsFlowResult


async def async_create_fix_flow(
    hass: HomeAssistant, issue_id: str, data: dict[str, str | int | float | None] | None
) -> RepairsFlow:
    """Return the flow of the only issue that can be mended here."""
    return BackendRepairFlow(str((data or {}).get("entry_id")))


class BackendRepairFlow(RepairsFlow):
    """Replaces the backend of all of an entry's voices that have it."""

    def __init__(self, entry_id: str) -> None:
        """Take the entry's id."""
        self._entry_id = entry_id

    async def async_step_init(self, user_input: dict[str, str] | None = None) -> RepairsFlowResult:
        """Begin."""
        return await self.async_step_confirm()

    async def async_step_confirm(
        self, user_input: dict[str, str] | None = None
    ) -> RepairsFlowResult:
        """Ask, and do it."""
        entry: ConfigEntry | None = self.hass.config_entries.async_get_entry(self._entry_id)
        if entry is None:
            return self.async_abort(reason="entry_gone")
        voices = [
            voice
            for voice in entry.subentries.values()
            if voice.data[CONF_BACKEND] == RETIRING_BACKEND
        ]
        if user_input is not None:
            for voice in voices:
                self.hass.config_entries.async_update_subentry(
                    entry, voice, data={**voice.data, CONF_BACKEND: SUCCESSOR_BACKEND.value}
                )
            return self.async_create_entry(data={})
        return self.async_show_form(
            step_id="confirm",
            description_placeholders={
                "names": ", ".join(escaped(voice.title) for voice in voices),
                "backend": BACKEND_NAMES[RETIRING_BACKEND],
                "date": RETIREMENT_DATE,
                "successor": BACKEND_NAMES[SUCCESSOR_BACKEND],
            },
        )
