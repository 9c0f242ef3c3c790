"""Prewarming: opens a connection when a satellite starts to listen."""

from collections.abc import Callable
from typing import Final

from homeassistant.core import CALLBACK_TYPE, Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers.event import TrackStates, async_track_state_change_filtered

_SATELLITES: Final = TrackStates(all_states=False, entities=set(), domains={"assist_satellite"})

# The states of a satellite from the wake word to its reply.
ACTIVE_STATES: Final = {"listening", "processing"}


@callback
def prewarm_on_satellite_activity(
    hass: HomeAssistant, on_engine: Callable[[str], None]
) -> CALLBACK_TYPE:
    """Call ``on_engine`` with the text-to-speech engine of each satellite that starts to listen.

    Return the function that unsubscribes.
    """

    @callback
    def state_changed(event: Event[EventStateChangedData]) -> None:
        state = event.data["new_state"]
        if state is not None and state.state in ACTIVE_STATES:
            engine = _tts_engine(hass, state.entity_id)
            if engine is not None:
                on_engine(engine)

    return async_track_state_change_filtered(hass, _SATELLITES, state_changed).async_remove


def _tts_engine(hass: HomeAssistant, satellite_id: str) -> str | None:
    """Return the text-to-speech engine of the satellite's pipeline, or None."""
    if "assist_satellite" not in hass.config.components:
        return None
    # Imported here because a Home Assistant without satellites may lack the packages that it needs.
    from homeassistant.components.assist_pipeline.pipeline import (  # noqa: PLC0415
        async_get_pipeline,
        async_get_pipelines,
    )
    from homeassistant.components.assist_satellite.const import DATA_COMPONENT  # noqa: PLC0415

    satellite = hass.data[DATA_COMPONENT].get_entity(satellite_id)
    if satellite is None:
        return None
    selected = hass.states.get(satellite.pipeline_entity_id or "")
    pipelines = async_get_pipelines(hass)
    # Any other name, such as "preferred", means the preferred pipeline, as it does to satellites.
    named = (each.id for each in pipelines if selected and each.name == selected.state)
    return async_get_pipeline(hass, next(named, None)).tts_engine
