"""Event entities: replies that did not succeed."""

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from tests.integration.conftest import AddEntry, entity_id
from tests.integration.support.speech import TEXT, speak
from wyoming_fish.emulator import Emulator, Fault

PROBLEM = "event.kelp_reply_problem"


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("upgrade", 402, times=None), "no_credit"),
        (Fault("start", "silent", times=None), "no_audio"),
        (Fault("audio", "close", at=1), "broken_stream"),
    ],
)
async def test_failed_reply(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, fault: Fault, error: str
) -> None:
    """A failed reply is an event with the code of its error, before and after its first audio."""
    engine = entity_id(hass, await add_entry(), "tts")
    emulator.settings.faults.append(fault)
    with pytest.raises(HomeAssistantError):
        await speak(hass, engine, TEXT)
    state = hass.states.get(PROBLEM)
    assert state is not None
    assert (state.attributes["event_type"], state.attributes["error"]) == ("failed", error)


async def test_spoken_reply_is_no_problem(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """A reply that was spoken, or an option that is not valid, is not an event."""
    engine = entity_id(hass, await add_entry(), "tts")
    await speak(hass, engine, TEXT)
    with pytest.raises(HomeAssistantError):
        await speak(hass, engine, TEXT, speed=9)
    state = hass.states.get(PROBLEM)
    assert state is not None
    assert state.state == "unknown"
