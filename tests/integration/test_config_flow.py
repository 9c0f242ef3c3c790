"""The account's flow: set-up, reauthentication, reconfiguration."""

from decimal import Decimal
from typing import Any

import pytest
from homeassistant import config_entries
from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResult, FlowResultType

from custom_components.wyoming_fish.const import DOMAIN
from tests.integration.conftest import (
    CORAL,
    KELP,
    KEY,
    STARFISH,
    USER_ID,
    AddEntry,
    entity_id,
    state_of,
    voice_data,
)
from tests.integration.speech import speak, text_in
from wyoming_fish.emulator import EmulatedVoice, Emulator, Fault

# What the voice's form is sent with where nothing is changed.
SETTINGS = {"backend": "s2.1-pro", "latency": "balanced", "speed": 1.0}


async def begin(hass: HomeAssistant) -> ConfigFlowResult:
    """Choose «Add integration»."""
    flow = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": config_entries.SOURCE_USER}
    )
    assert (flow["type"], flow["step_id"], flow["errors"]) == (FlowResultType.FORM, "user", {})
    return flow


async def submit(hass: HomeAssistant, flow: ConfigFlowResult, **answer: Any) -> ConfigFlowResult:
    """Send a form."""
    return await hass.config_entries.flow.async_configure(flow["flow_id"], answer)


async def log_in(hass: HomeAssistant, url: str, key: str = KEY) -> ConfigFlowResult:
    """Begin and send the key."""
    return await submit(hass, await begin(hass), api_key=key, advanced={"base_url": url})


def chosen(flow: FlowResult[Any, Any], field: str) -> Any:
    """Return what a field of the form is filled with."""
    assert flow["data_schema"] is not None
    for key in flow["data_schema"].schema:
        if key == field:
            suggested = (key.description or {}).get("suggested_value")
            return suggested if suggested is not None else key.default()
    raise AssertionError(f"there is no {field}")


def listed(flow: FlowResult[Any, Any]) -> list[str]:
    """Return the lines of the list of voices."""
    assert flow["data_schema"] is not None
    return [option["label"] for option in flow["data_schema"].schema["voice"].config["options"]]


async def test_whole_set_up(hass: HomeAssistant, emulator: Emulator) -> None:
    """One flow asks for the key, finds a voice and ends with an entity that speaks."""
    flow = await log_in(hass, f" {emulator.url}/ ", f" {KEY}\n")
    assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "search")
    flow = await submit(hass, flow, title="coral", own=True)
    assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "voice")
    assert chosen(flow, "voice") == CORAL
    flow = await submit(
        hass, flow, voice=CORAL, backend="s2-pro", latency="low", speed=1.25, name="Kitchen"
    )
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()

    entry = flow["result"]
    assert state_of(entry) is ConfigEntryState.LOADED
    assert (entry.title, entry.unique_id) == ("Fish Audio", USER_ID)
    assert entry.data == {"api_key": KEY, "base_url": emulator.url}
    (voice,) = entry.subentries.values()
    assert (voice.subentry_type, voice.title) == ("voice", "Kitchen")
    assert voice.data == voice_data(CORAL, backend="s2-pro", latency="low", speed=1.25)
    wav = await speak(hass, entity_id(hass, entry, "tts"), "Hello there.")
    assert text_in(wav).strip() == "Hello there."
    assert await hass.config_entries.async_unload(entry.entry_id)


async def set_up(hass: HomeAssistant, flow: ConfigFlowResult, **answer: Any) -> None:
    """Send the last form, and wait until the entry is set up; it is removed again."""
    flow = await submit(hass, flow, **SETTINGS, **answer)
    assert flow["type"] is FlowResultType.CREATE_ENTRY, flow
    await hass.async_block_till_done()
    assert state_of(flow["result"]) is ConfigEntryState.LOADED
    await hass.config_entries.async_unload(flow["result"].entry_id)


async def test_voices_of_everyone(hass: HomeAssistant, emulator: Emulator) -> None:
    """Without a name the most used voices are listed, each with its sample to hear."""
    flow = await submit(hass, await log_in(hass, emulator.url))
    assert listed(flow) == [
        "Étoile de mer · fr · 98,211 ×",
        "汐 · zh, ja · 50,007 ×",
        "Coral · de · 15,230 ×",
    ]
    assert flow["description_placeholders"] is not None
    samples = flow["description_placeholders"]["samples"].split(" · ")
    assert samples[0] == f"[Étoile de mer]({emulator.url}/sample/{STARFISH}.wav)"
    await set_up(hass, flow, voice=STARFISH)
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    (voice,) = entry.subentries.values()
    # Called by its own name where none is given.
    assert voice.title == "Étoile de mer"


async def test_names_cannot_break_the_form(hass: HomeAssistant, emulator: Emulator) -> None:
    """What a stranger has called a voice is not taken for markup."""
    name = "[x](https://evil.example) *y*"
    emulator.settings.voices = (EmulatedVoice(KELP, name, ("en",)),)
    flow = await submit(hass, await log_in(hass, emulator.url))
    assert flow["description_placeholders"] is not None
    escaped = r"[\[x\]\(https://evil.example\) \*y\*]"
    sample = f"({emulator.url}/sample/{KELP}.wav)"
    assert flow["description_placeholders"]["samples"] == escaped + sample


@pytest.mark.parametrize("title", [CORAL, f"https://fish.audio/m/{CORAL}/"])
async def test_voice_by_its_id(hass: HomeAssistant, emulator: Emulator, title: str) -> None:
    """A voice is found by its id, and by the address of its page."""
    flow = await submit(hass, await log_in(hass, emulator.url), title=title)
    assert (chosen(flow, "voice"), listed(flow)) == (CORAL, ["Coral · en, de · 77 ×"])


async def test_voices_by_language(hass: HomeAssistant, emulator: Emulator) -> None:
    """Home Assistant's code of a language is asked for by Fish's own."""
    flow = await submit(hass, await log_in(hass, emulator.url), language="nb")
    assert flow["errors"] == {"base": "no_voice_found"}
    assert emulator.requests[-1].query["language"] == "no"
    flow = await submit(hass, flow, language="ja")
    assert listed(flow) == ["汐 · zh, ja · 50,007 ×"]


async def test_no_voice_found(hass: HomeAssistant, emulator: Emulator) -> None:
    """Where nothing is found, the search is there again with what was asked."""
    flow = await log_in(hass, emulator.url)
    for title in ("Nobody", "0" * 32):
        flow = await submit(hass, flow, title=title)
        assert (flow["step_id"], flow["errors"]) == ("search", {"base": "no_voice_found"})
        assert chosen(flow, "title") == title


async def test_default_voice(hass: HomeAssistant, emulator: Emulator) -> None:
    """Without a voice, Fish's own default speaks."""
    flow = await submit(hass, await log_in(hass, emulator.url))
    await set_up(hass, flow)
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    (voice,) = entry.subentries.values()
    assert (voice.title, voice.data["voice"]) == ("Fish Audio", None)


@pytest.mark.parametrize(
    ("fault", "error"),
    [(503, "cannot_connect"), ("drop", "cannot_connect"), (418, "not_fish"), (401, "invalid_auth")],
)
async def test_errors_are_told_and_mended(
    hass: HomeAssistant, emulator: Emulator, fault: int | Any, error: str
) -> None:
    """Each form says what is wrong in words, and goes on when it is mended."""
    emulator.settings.faults.append(Fault("rest", fault, times=None))
    flow = await log_in(hass, emulator.url)
    assert (flow["step_id"], flow["errors"]) == ("user", {"base": error})
    emulator.settings.faults.clear()
    assert flow["description_placeholders"] is not None
    assert flow["description_placeholders"]["reason"]
    flow = await submit(hass, flow, api_key=KEY, advanced={"base_url": emulator.url})
    assert flow["step_id"] == "search"

    emulator.settings.faults.append(Fault("rest", fault, times=None))
    flow = await submit(hass, flow)
    assert (flow["step_id"], flow["errors"]) == ("search", {"base": error})
    emulator.settings.faults.clear()
    flow = await submit(hass, flow)
    await set_up(hass, flow, voice=STARFISH)


@pytest.mark.parametrize(
    ("key", "url", "error"),
    [
        ("wrong", None, "invalid_auth"),
        ("", "https://api.fish.audio", "invalid_auth"),
        ("two words", None, "invalid_setting"),
        (KEY, "fish.example", "invalid_setting"),
    ],
)
async def test_wrong_key_or_address(
    hass: HomeAssistant, emulator: Emulator, key: str, url: str | None, error: str
) -> None:
    """A key or an address that cannot be right is told, and asked for again."""
    flow = await log_in(hass, url or emulator.url, key)
    assert (flow["step_id"], flow["errors"]) == ("user", {"base": error})
    flow = await submit(hass, flow, api_key=KEY, advanced={"base_url": emulator.url})
    assert flow["step_id"] == "search"


async def test_no_credit(hass: HomeAssistant, emulator: Emulator) -> None:
    """Without API credit, set-up says so and goes on with the free backend."""
    emulator.settings.credit = Decimal(0)
    flow = await log_in(hass, emulator.url)
    assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "no_credit")
    flow = await submit(hass, flow)
    assert flow["step_id"] == "search"
    flow = await submit(hass, flow)
    assert chosen(flow, "backend") == "s2.1-pro-free"


async def test_already_set_up(hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator) -> None:
    """An account is set up once; a further voice is added to it."""
    await add_entry()
    flow = await log_in(hass, emulator.url)
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "already_configured")


async def test_server_of_ones_own(hass: HomeAssistant, emulator: Emulator) -> None:
    """A server without wallets and without a list of voices is known by its address."""
    emulator.settings.faults.append(Fault("rest", 404, times=None))
    flow = await log_in(hass, emulator.url)
    assert flow["step_id"] == "search"
    flow = await submit(hass, flow)
    assert (flow["step_id"], flow["errors"]) == ("voice", None)
    await set_up(hass, flow, voice="butler", name="Butler")
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    assert entry.unique_id == emulator.url
    (voice,) = entry.subentries.values()
    assert voice.data["voice"] == "butler"


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
    """A key that is refused while the entry is in use is replaced, and the entry starts anew."""
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

    # Nothing is changed: it starts anew all the same.
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
