"""Event entities: replies that failed or that the fallback voice spoke."""

from typing import Final, override

from homeassistant.components.event import EventEntity
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import SIGNAL_PROBLEM, ReplyProblem
from .coordinator import FishConfigEntry
from .entity import VoiceEntity

# The entities only receive signals.
PARALLEL_UPDATES = 0

# In the unique ids and translations.
REPLY_PROBLEM: Final = "reply_problem"

ATTR_ERROR: Final = "error"


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FishConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add an event entity for each voice."""
    for voice in entry.subentries.values():
        async_add_entities([ReplyProblemEvent(entry, voice)], config_subentry_id=voice.subentry_id)


class ReplyProblemEvent(VoiceEntity, EventEntity):
    """A reply failed, or the fallback voice spoke it."""

    _attr_translation_key = REPLY_PROBLEM

    def __init__(self, entry: FishConfigEntry, voice: ConfigSubentry) -> None:
        """Initialize the entity of a voice."""
        super().__init__(entry, voice, REPLY_PROBLEM)
        self._signal = SIGNAL_PROBLEM.format(voice.subentry_id)
        self._attr_event_types = [problem.value for problem in ReplyProblem]

    @override
    async def async_added_to_hass(self) -> None:
        """Subscribe to the problems of the voice."""
        await super().async_added_to_hass()
        self.async_on_remove(async_dispatcher_connect(self.hass, self._signal, self._on_problem))

    @callback
    def _on_problem(self, problem: ReplyProblem, error: str) -> None:
        """Trigger the event of a problem with its error code."""
        self._trigger_event(problem.value, {ATTR_ERROR: error})
        self.async_write_ha_state()
