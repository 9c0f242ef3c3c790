"""A house with satellites and pipelines of Home Assistant's own kind."""

from typing import override

from homeassistant.components.assist_pipeline import PipelineEvent, async_get_pipelines
from homeassistant.components.assist_pipeline.pipeline import KEY_ASSIST_PIPELINE
from homeassistant.components.assist_satellite import (
    AssistSatelliteConfiguration,
    AssistSatelliteEntity,
)
from homeassistant.components.assist_satellite.const import DATA_COMPONENT
from homeassistant.components.assist_satellite.entity import (
    AssistSatelliteAnnouncement,
    AssistSatelliteState,
)
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component


class Satellite(AssistSatelliteEntity):
    """A satellite that wakes up when it is told to."""

    _attr_name = "Kitchen"
    _attr_pipeline_entity_id = "select.kitchen_assistant"

    def wake(self, state: AssistSatelliteState) -> None:
        """Go into a state, as a pipeline's events do."""
        self._set_state(state)

    @override
    def async_get_configuration(self) -> AssistSatelliteConfiguration:
        return AssistSatelliteConfiguration([], [], 1)

    @override
    async def async_set_configuration(self, config: AssistSatelliteConfiguration) -> None:
        """Take nothing."""

    @override
    def on_pipeline_event(self, event: PipelineEvent) -> None:
        """Ignore it."""

    @override
    async def async_announce(self, announcement: AssistSatelliteAnnouncement) -> None:
        """Say nothing."""


async def add_satellite(hass: HomeAssistant) -> Satellite:
    """Add a satellite, with all of Assist that it needs."""
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, "assist_satellite", {})
    satellite = Satellite()
    await hass.data[DATA_COMPONENT].async_add_entities([satellite])
    return satellite


async def add_pipeline(hass: HomeAssistant, name: str, engine: str | None) -> str:
    """Add a pipeline that speaks by ``engine``, and return its id."""
    (first, *_) = async_get_pipelines(hass)
    pipeline = await hass.data[KEY_ASSIST_PIPELINE].pipeline_store.async_create_item(
        {
            "name": name,
            "language": "en",
            "conversation_engine": first.conversation_engine,
            "conversation_language": "en",
            "stt_engine": None,
            "stt_language": None,
            "tts_engine": engine,
            "tts_language": "en",
            "tts_voice": None,
            "wake_word_entity": None,
            "wake_word_id": None,
        }
    )
    return pipeline.id


def prefer(hass: HomeAssistant, pipeline_id: str) -> None:
    """Make a pipeline the preferred one."""
    hass.data[KEY_ASSIST_PIPELINE].pipeline_store.async_set_preferred_item(pipeline_id)
