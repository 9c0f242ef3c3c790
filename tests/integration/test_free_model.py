"""The free model, when Fish Audio refuses it."""

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir

from tests.integration.conftest import AddEntry, entity_id, voice_subentry
from tests.integration.support.speech import speak
from tests.integration.support.states import ours
from wyoming_fish.emulator import Emulator


async def test_end_of_the_free_model(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
) -> None:
    """A refused free model is told as that, until the voice speaks again or has another model."""
    entry = await add_entry(voice_subentry(backend="s2.1-pro-free"))
    engine = entity_id(hass, entry, "tts")
    (voice,) = entry.subentries.values()
    issue_id = f"free_model_refused_{entry.entry_id}_{voice.subentry_id}"
    emulator.settings.free_model = "ended"
    with pytest.raises(HomeAssistantError, match="may no longer be free of charge"):
        await speak(hass, engine, "Hello there.")
    assert ours(issue_registry) == [issue_id]
    events = hass.states.get("event.kelp_reply_problem")
    assert events is not None
    assert events.attributes["error"] == "free_model_refused"

    emulator.settings.free_model = "free"
    await speak(hass, engine, "Hello again.")
    assert ours(issue_registry) == []

    # A connection that is open already would speak on.
    await hass.config_entries.async_reload(entry.entry_id)
    emulator.settings.free_model = "ended"
    with pytest.raises(HomeAssistantError):
        await speak(hass, engine, "Hello once more.")
    assert ours(issue_registry) == [issue_id]
    data = {**voice.data, "backend": "s2.1-pro"}
    hass.config_entries.async_update_subentry(entry, voice, data=data)
    await hass.async_block_till_done()
    assert ours(issue_registry) == []


async def test_free_model_of_one_message(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
) -> None:
    """A message that names the free model itself makes no repair of the voice."""
    engine = entity_id(hass, await add_entry(), "tts")
    emulator.settings.free_model = "ended"
    with pytest.raises(HomeAssistantError, match="may no longer be free of charge"):
        await speak(hass, engine, "Hello there.", backend="s2.1-pro-free")
    assert ours(issue_registry) == []
