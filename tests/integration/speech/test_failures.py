"""Replies that fail: what the person is told, and asked to mend."""

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir

from custom_components.wyoming_fish.const import DOMAIN
from tests.integration.conftest import CORAL, AddEntry, entity_id
from tests.integration.support.speech import TEXT, speak, text_in
from wyoming_fish.emulator import Emulator, Fault


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (400, "rejected the request"),
        (401, "Enter another key in the settings of the integration"),
        (402, "Top it up under Billing"),
    ],
)
async def test_failure_says_what_to_do(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    caplog: pytest.LogCaptureFixture,
    status: int,
    message: str,
) -> None:
    """A reply that fails for good is an error in the log, with its cure; nothing is kept."""
    engine = entity_id(hass, await add_entry(), "tts")
    fault = Fault("upgrade", status, times=None)
    emulator.settings.faults.append(fault)
    with pytest.raises(HomeAssistantError, match=message):
        await speak(hass, engine, TEXT)
    assert message in caplog.text
    assert f"({status})" in caplog.text or f"({status}:" in caplog.text
    emulator.settings.faults.clear()
    assert text_in(await speak(hass, engine, TEXT)).strip() == TEXT


async def test_passing_failure_is_not_heard(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A connection that drops before the first sound costs nothing but time."""
    engine = entity_id(hass, await add_entry(), "tts")
    emulator.settings.faults.append(Fault("start", "drop"))
    assert text_in(await speak(hass, engine, TEXT)).strip() == TEXT
    assert len(emulator.struck) == 1


async def test_refused_key_starts_reauthentication(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """If a key is refused while speaking, Home Assistant asks for a new one."""
    entry = await add_entry()
    emulator.settings.key = "another"
    with pytest.raises(HomeAssistantError):
        await speak(hass, entity_id(hass, entry, "tts"), TEXT)
    await hass.async_block_till_done()
    (flow,) = entry.async_get_active_flows(hass, {"reauth"})
    assert flow["step_id"] == "reauth_confirm"


async def test_no_credit_becomes_a_repair(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
) -> None:
    """Where Fish refuses to speak for want of credit, a repair says so."""
    entry = await add_entry()
    emulator.settings.faults.append(Fault("upgrade", 402, times=None))
    with pytest.raises(HomeAssistantError):
        await speak(hass, entity_id(hass, entry, "tts"), TEXT)
    issue = issue_registry.async_get_issue(DOMAIN, f"no_credit_{entry.entry_id}")
    assert issue is not None
    assert issue.translation_key == "no_credit"


async def test_deleted_voice_becomes_a_repair(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
) -> None:
    """If the chosen voice is gone, a repair says so. A voice from a message makes no repair."""
    entry = await add_entry()
    engine = entity_id(hass, entry, "tts")
    (subentry,) = entry.subentries
    with pytest.raises(HomeAssistantError, match="does not know the voice"):
        await speak(hass, engine, TEXT, voice="0" * 32)
    issue_id = f"voice_gone_{entry.entry_id}_{subentry}"
    assert issue_registry.async_get_issue(DOMAIN, issue_id) is None

    emulator.settings.voices = ()
    with pytest.raises(HomeAssistantError, match="does not know the voice"):
        await speak(hass, engine, TEXT)
    issue = issue_registry.async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.translation_key == "voice_gone"


async def test_silent_voice_becomes_a_repair(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
) -> None:
    """Where Fish says nothing in the chosen voice, a repair says so until it speaks."""
    entry = await add_entry()
    engine = entity_id(hass, entry, "tts")
    (subentry,) = entry.subentries
    issue_id = f"voice_silent_{entry.entry_id}_{subentry}"
    emulator.settings.faults.append(Fault("start", "silent", times=None))
    with pytest.raises(HomeAssistantError, match="returned no audio"):
        await speak(hass, engine, TEXT, voice=CORAL)
    with pytest.raises(HomeAssistantError, match="returned no audio"):
        await speak(hass, engine, TEXT, backend="s2-pro")
    assert issue_registry.async_get_issue(DOMAIN, issue_id) is None
    with pytest.raises(HomeAssistantError, match="returned no audio"):
        await speak(hass, engine, TEXT)
    assert issue_registry.async_get_issue(DOMAIN, issue_id) is not None

    emulator.settings.faults.clear()
    await speak(hass, engine, TEXT, voice=CORAL)
    assert issue_registry.async_get_issue(DOMAIN, issue_id) is not None
    await speak(hass, engine, TEXT)
    assert issue_registry.async_get_issue(DOMAIN, issue_id) is None
