"""Sockets that are open before they are needed."""

import pytest
from homeassistant.core import HomeAssistant

from tests.integration.conftest import AddEntry, entity_id
from tests.integration.speech import stream
from wyoming_fish.emulator import Emulator


async def test_quiet_house(hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator) -> None:
    """Nothing is open where nothing happens, a satellite that rests included."""
    await add_entry()
    hass.states.async_set("assist_satellite.kitchen", "idle")
    await hass.async_block_till_done()
    hass.states.async_remove("assist_satellite.kitchen")
    await hass.async_block_till_done()
    assert emulator.sockets_opened == 0


@pytest.mark.parametrize("state", ["listening", "processing"])
async def test_satellite_wakes_up(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, state: str
) -> None:
    """A socket is opened as a satellite begins to listen."""
    await add_entry()
    hass.states.async_set("assist_satellite.kitchen", state)
    await emulator.wait_for(lambda now: now.sockets_open == 1)


async def test_pipeline_starts(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A socket is opened as a pipeline prepares to speak, before there is any text."""
    entry = await add_entry()
    stream(hass, entity_id(hass, entry, "tts"))
    await emulator.wait_for(lambda now: now.sockets_open == 1)
    assert emulator.sessions == []
