"""The account of Home Assistant's own integration is taken over."""

from decimal import Decimal
from typing import Any

import pytest
from homeassistant import config_entries
from homeassistant.config_entries import ConfigFlowResult, ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.wyoming_fish.const import DOMAIN
from custom_components.wyoming_fish.speech.options import VOICE_DEFAULTS
from tests.integration.conftest import CORAL, KELP, KEY, USER_ID, AddEntry
from tests.integration.support.flows import submit
from tests.integration.support.speech import speak, text_in
from wyoming_fish.emulator import Emulator


@pytest.fixture(autouse=True)
def _fish_audio(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fish Audio's own address leads to the emulator."""
    monkeypatch.setattr("custom_components.wyoming_fish.config_flow.FISH_URL", emulator.url)


def core_voice(title: str, voice: str, **data: Any) -> ConfigSubentryData:
    """Return a voice of Home Assistant's own integration."""
    data = {"voice_id": voice, "backend": "s1", "name": title} | data
    return ConfigSubentryData(subentry_type="tts", title=title, data=data, unique_id=None)


def add_core(hass: HomeAssistant, *voices: ConfigSubentryData) -> MockConfigEntry:
    """Add an entry of Home Assistant's own integration."""
    entry = MockConfigEntry(
        domain="fish_audio",
        title="Fish Audio",
        unique_id=USER_ID,
        data={"api_key": KEY, "user_id": USER_ID},
        subentries_data=voices,
    )
    entry.add_to_hass(hass)
    return entry


async def start(hass: HomeAssistant) -> ConfigFlowResult:
    """Select **Add integration**."""
    return await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": config_entries.SOURCE_USER}
    )


async def test_account_is_taken_over(hass: HomeAssistant) -> None:
    """One step sets up the key and the voices, which speak, and leaves the other entry alone."""
    core = add_core(
        hass,
        core_voice("Kelp", KELP, latency="normal", speed=1.25),
        core_voice("Coral", CORAL, backend="speech-1.6"),
    )
    before = core.as_dict()
    flow = await start(hass)
    assert (flow["type"], flow["menu_options"]) == (FlowResultType.MENU, ["take_over", "user"])
    flow = await submit(hass, flow, next_step_id="take_over")
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    entry = flow["result"]
    assert (entry.unique_id, entry.data["api_key"]) == (USER_ID, KEY)
    assert [(voice.title, dict(voice.data)) for voice in entry.subentries.values()] == [
        (
            "Kelp",
            {**VOICE_DEFAULTS, "voice": KELP, "backend": "s1", "latency": "normal", "speed": 1.25},
        ),
        ("Coral", {**VOICE_DEFAULTS, "voice": CORAL, "backend": "s2.1-pro"}),
    ]
    assert text_in(await speak(hass, "tts.kelp_speech", "Hello.")) == "Hello."
    assert core.as_dict() == before
    await hass.config_entries.async_unload(entry.entry_id)


async def test_account_without_voices(hass: HomeAssistant) -> None:
    """An account that has no voice yet goes on to the search."""
    add_core(hass)
    flow = await submit(hass, await start(hass), next_step_id="take_over")
    assert flow["step_id"] == "search"


async def test_key_that_is_no_longer_valid(hass: HomeAssistant, emulator: Emulator) -> None:
    """A key that Fish Audio rejects is asked for."""
    add_core(hass, core_voice("Kelp", KELP))
    emulator.settings.key = "new"
    flow = await submit(hass, await start(hass), next_step_id="take_over")
    assert (flow["step_id"], flow["errors"]) == ("user", {"base": "invalid_auth"})


async def test_another_key(hass: HomeAssistant) -> None:
    """A person may enter another key instead."""
    add_core(hass, core_voice("Kelp", KELP))
    flow = await submit(hass, await start(hass), next_step_id="user")
    assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "user")


async def test_account_that_is_set_up_already(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """An account is not offered twice."""
    add_core(hass, core_voice("Kelp", KELP))
    await add_entry()
    assert (await start(hass))["step_id"] == "user"


async def test_account_that_another_key_belongs_to(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A key whose account is set up under another id is not set up twice."""
    add_core(hass, core_voice("Kelp", KELP))
    await add_entry(unique_id="other")
    emulator.settings.user_id = "other"
    emulator.settings.credit = Decimal(5)
    flow = await submit(hass, await start(hass), next_step_id="take_over")
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "already_configured")
