"""Prewarming: a satellite that listens will soon speak, so its connection is opened now."""

from collections.abc import Callable

from homeassistant.core import CALLBACK_TYPE, Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers.event import TrackStates, async_track_state_change_filtered

_SATELLITES = TrackStates(all_states=False, entities=set(), domains={"assist_satellite"})

# The states of a satellite from the wake word to its answer.
_AWAKE = {"listening", "processing"}


@callback
def on_awake_satellite(hass: HomeAssistant, on_engine: Callable[[str], None]) -> CALLBACK_TYPE:
    """Call ``on_engine`` with the text-to-speech engine of each satellite that wakes up.

    Return what ends that.
    """

    @callback
    def state_changed(event: Event[EventStateChangedData]) -> None:
        state = event.data["new_state"]
        if state is not None and state.state in _AWAKE:
            engine = _tts_engine(hass, state.entity_id)
            if engine is not None:
                on_engine(engine)

    return async_track_state_change_filtered(hass, _SATELLITES, state_changed).async_remove


def _tts_engine(hass: HomeAssistant, satellite_id: str) -> str | None:
    """Return the text-to-speech engine of the satellite's pipeline, if there is one."""
    if "assist_satellite" not in hass.config.components:
        return None
    # Imported here because a house without satellites may lack the packages that these need.
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
