"""A socket is open before it is needed: a satellite that listens will soon have to speak."""

from homeassistant.core import CALLBACK_TYPE, Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers.event import TrackStates, async_track_state_change_filtered

from .const import CONF_BACKEND
from .coordinator import FishConfigEntry
from .fish import Backend

_SATELLITES = TrackStates(all_states=False, entities=set(), domains={"assist_satellite"})

# The states of a satellite from the wake word to its answer.
_AWAKE = {"listening", "processing"}


@callback
def follow_satellites(hass: HomeAssistant, entry: FishConfigEntry) -> CALLBACK_TYPE:
    """Open sockets as satellites wake up; return what ends that."""
    backends = {Backend(voice.data[CONF_BACKEND]) for voice in entry.subentries.values()}

    @callback
    def state_changed(event: Event[EventStateChangedData]) -> None:
        state = event.data["new_state"]
        if state is not None and state.state in _AWAKE:
            for backend in backends:
                entry.runtime_data.sockets.warm(backend)

    return async_track_state_change_filtered(hass, _SATELLITES, state_changed).async_remove
