"""The account's flow once it is set up: reauthentication, reconfiguration."""

from typing import Any

from homeassistant import config_entries
from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from tests.integration.conftest import CORAL, KEY, USER_ID, AddEntry, state_of, voice_subentry
from tests.integration.support.flows import submit
from wyoming_fish.emulator import Emulator, Fault


async def reauthenticate(hass: HomeAssistant, entry: Any, key: str) -> ConfigFlowResult:
    """Answer the question for another key."""
    (flow,) = entry.async_get_active_flows(hass, {config_entries.SOURCE_REAUTH})
    flow = await submit(hass, flow, api_key=key)
    await hass.async_block_till_done()
    return flow


async def test_reauthentication(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """It starts by itself on 401, refuses a wrong key, and sets up what had failed."""
    emulator.settings.key = "new"
    entry = await add_entry()
    assert state_of(entry) is ConfigEntryState.SETUP_ERROR
    flow = await reauthenticate(hass, entry, "wrong")
    assert flow["errors"] == {"base": "invalid_auth"}
    flow = await reauthenticate(hass, entry, " new ")
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    assert entry.data == {"api_key": "new", "base_url": emulator.url}
    assert state_of(entry) is ConfigEntryState.LOADED


async def test_reauthentication_while_loaded(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A key that is refused while the entry is in use is replaced, and the entry is reloaded."""
    entry = await add_entry()
    emulator.settings.key = "new"
    before = entry.runtime_data
    await before.credit.async_refresh()
    await hass.async_block_till_done()
    flow = await reauthenticate(hass, entry, "new")
    assert flow["reason"] == "reauth_successful"
    assert state_of(entry) is ConfigEntryState.LOADED
    assert entry.runtime_data is not before


async def test_reauthentication_by_another_account(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """The key of another account is refused."""
    emulator.settings.key = "new"
    entry = await add_entry()
    emulator.settings.user_id = "somebody else"
    flow = await reauthenticate(hass, entry, "new")
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "wrong_account")
    assert entry.data["api_key"] == KEY


async def test_reconfiguration(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """Key and address can be changed; an empty key keeps the one that there is."""
    entry = await add_entry()
    flow = await entry.start_reconfigure_flow(hass)
    assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "reconfigure")
    emulator.settings.key = "new"
    advanced = {"base_url": emulator.url}
    flow = await submit(hass, flow, advanced=advanced)
    assert flow["errors"] == {"base": "invalid_auth"}
    flow = await submit(hass, flow, api_key="new", advanced=advanced)
    await hass.async_block_till_done()
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    assert entry.data == {"api_key": "new", "base_url": emulator.url}
    assert state_of(entry) is ConfigEntryState.LOADED

    # Nothing is changed, but the entry is reloaded anyway.
    before = entry.runtime_data
    flow = await submit(hass, await entry.start_reconfigure_flow(hass), advanced=advanced)
    await hass.async_block_till_done()
    assert flow["reason"] == "reconfigure_successful"
    assert entry.runtime_data is not before


async def test_reconfiguration_to_another_account(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """An entry stays with its account."""
    entry = await add_entry()
    emulator.settings.user_id = "somebody else"
    flow = await entry.start_reconfigure_flow(hass)
    flow = await submit(hass, flow, advanced={"base_url": emulator.url})
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "wrong_account")


async def test_key_of_fish_audio_stays(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """An empty key keeps the one that there is, but another server does not get Fish Audio's."""
    emulator.settings.key = "key"
    entry = await add_entry(base_url="https://api.fish.audio")
    flow = await entry.start_reconfigure_flow(hass)
    flow = await submit(hass, flow, advanced={"base_url": emulator.url})
    assert flow["errors"] == {"base": "key_missing"}


async def test_address_that_is_not_valid(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """A form with a wrong address is shown again."""
    entry = await add_entry(base_url="https://api.fish.audio")
    flow = await entry.start_reconfigure_flow(hass)
    flow = await submit(hass, flow, advanced={"base_url": "http://[::1"})
    assert flow["errors"] == {"base": "invalid_url"}


async def test_server_of_ones_own_moves(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A server that is known by its address may move, but not to where another one is set up."""
    emulator.settings.faults.append(Fault("rest", 404, times=None))
    entry = await add_entry(unique_id="http://old.example", base_url="http://old.example")
    assert state_of(entry) is ConfigEntryState.SETUP_RETRY
    flow = await entry.start_reconfigure_flow(hass)
    flow = await submit(hass, flow, advanced={"base_url": emulator.url})
    await hass.async_block_till_done()
    assert flow["reason"] == "reconfigure_successful"
    assert entry.unique_id == emulator.url
    assert state_of(entry) is ConfigEntryState.LOADED

    other = await add_entry(unique_id="http://other.example")
    flow = await other.start_reconfigure_flow(hass)
    flow = await submit(hass, flow, advanced={"base_url": emulator.url})
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "already_configured")


async def test_account_does_not_become_a_server_of_ones_own(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """An account's entry stays the account's, even if a server without accounts answers."""
    entry = await add_entry()
    emulator.settings.faults.append(Fault("rest", 404, times=None))
    flow = await entry.start_reconfigure_flow(hass)
    flow = await submit(hass, flow, advanced={"base_url": emulator.url})
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "wrong_account")
    assert entry.unique_id == USER_ID


async def test_changes_reload_once(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A new key is copied with spaces around it, and the account is set up again once."""
    entry = await add_entry()
    emulator.settings.key = "new"
    flow = await entry.start_reconfigure_flow(hass)
    emulator.requests.clear()
    advanced = {"base_url": emulator.url}
    flow = await submit(hass, flow, api_key=" new\n", advanced=advanced)
    await hass.async_block_till_done()
    assert entry.data["api_key"] == "new"
    looks = [request for request in emulator.requests if request.path.startswith("/wallet")]
    # One of the flow, and one of the set-up.
    assert len(looks) == 2


async def test_own_voices_are_no_fallback(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """A voice of Fish Audio cannot speak for one of Fish Audio."""
    entry = await add_entry(voice_subentry(), voice_subentry("Coral", voice=CORAL))
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    assert flow["data_schema"] is not None
    config = flow["data_schema"].schema["fallback_voice"].config
    assert config["domain"] == ["tts"]
    assert {"tts.kelp_speech", "tts.coral_speech"} <= set(config["exclude_entities"])
