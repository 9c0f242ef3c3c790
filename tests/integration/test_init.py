"""Setting up, unloading and removing."""

from decimal import Decimal

import pytest
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.test_util.aiohttp import AiohttpClientMocker

from custom_components.wyoming_fish.const import DOMAIN
from tests.integration.conftest import CORAL, AddEntry, entity_id, state_of, voice_subentry
from tests.integration.support.speech import speak
from wyoming_fish.emulator import Emulator, Fault


async def test_set_up_and_unload(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """An entry is set up, and unloading it leaves no socket open."""
    entry = await add_entry()
    assert state_of(entry) is ConfigEntryState.LOADED
    await speak(hass, entity_id(hass, entry, "tts"), "Hello there.")
    await emulator.wait_for(lambda state: state.sockets_open > 0)

    assert await hass.config_entries.async_unload(entry.entry_id)
    assert state_of(entry) is ConfigEntryState.NOT_LOADED
    await emulator.wait_for(lambda state: state.sockets_open == 0)


async def test_stopping_closes_every_socket(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """Home Assistant leaves no socket open when it stops."""
    await speak(hass, entity_id(hass, await add_entry(), "tts"), "Hello there.")
    await emulator.wait_for(lambda state: state.sockets_open > 0)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await hass.async_block_till_done()
    await emulator.wait_for(lambda state: state.sockets_open == 0)


async def test_each_voice_is_a_device(
    hass: HomeAssistant, add_entry: AddEntry, device_registry: dr.DeviceRegistry
) -> None:
    """The account is a service, and each of its voices is one."""
    entry = await add_entry(voice_subentry(), voice_subentry("Coral", voice=CORAL, backend="s1"))
    devices = dr.async_entries_for_config_entry(device_registry, entry.entry_id)
    assert {(device.name, device.model) for device in devices} == {
        ("Fish Audio", None),
        ("Kelp", "S2.1 Pro"),
        ("Coral", "S1"),
    }


@pytest.mark.parametrize("fault", [503, 429, "drop"])
async def test_set_up_is_tried_again(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, fault: int | str
) -> None:
    """Where Fish cannot be reached, Home Assistant tries again by itself."""
    emulator.settings.faults.append(Fault("rest", fault, times=None))  # type: ignore[arg-type]
    entry = await add_entry()
    assert state_of(entry) is ConfigEntryState.SETUP_RETRY
    emulator.settings.faults.clear()
    await hass.config_entries.async_reload(entry.entry_id)
    assert state_of(entry) is ConfigEntryState.LOADED


async def test_refused_key_at_start(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """If the key is refused, Home Assistant asks for a new one."""
    emulator.settings.key = "another"
    entry = await add_entry()
    assert state_of(entry) is ConfigEntryState.SETUP_ERROR
    (flow,) = entry.async_get_active_flows(hass, {"reauth"})
    assert flow["step_id"] == "reauth_confirm"


async def test_server_of_ones_own(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
) -> None:
    """A server without wallets and without a list of voices speaks."""
    emulator.settings.faults.append(Fault("rest", 404, times=None))
    entry = await add_entry(unique_id=emulator.url)
    assert state_of(entry) is ConfigEntryState.LOADED
    assert await speak(hass, entity_id(hass, entry, "tts"), "Hello there.")
    assert hass.states.async_entity_ids("sensor") == [
        "sensor.kelp_text_spoken",
        "sensor.kelp_time_spoken",
    ]
    assert not [issue for issue in issue_registry.issues if issue[0] == DOMAIN]


async def test_removing_takes_repairs_back(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
) -> None:
    """An account that is removed leaves no repair behind."""
    emulator.settings.credit = Decimal(0)
    emulator.settings.voices = ()
    entry = await add_entry(voice_subentry(backend="s1"))
    assert len([issue for issue in issue_registry.issues if issue[0] == DOMAIN]) == 3
    await hass.config_entries.async_remove(entry.entry_id)
    await hass.async_block_till_done()
    assert not [issue for issue in issue_registry.issues if issue[0] == DOMAIN]


async def test_fish_audio_without_an_answer_about_credit(
    hass: HomeAssistant, add_entry: AddEntry, aioclient_mock: AiohttpClientMocker
) -> None:
    """A 404 from Fish Audio itself is a failure that passes, and no self-hosted server."""
    aioclient_mock.get("https://api.fish.audio/wallet/self/api-credit", status=404)
    entry = await add_entry(base_url="https://api.fish.audio")
    assert state_of(entry) is ConfigEntryState.SETUP_RETRY
