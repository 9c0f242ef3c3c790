"""Diagnostics and system health."""

import asyncio
import json

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry, get_system_health_info
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.wyoming_fish.const import DOMAIN
from custom_components.wyoming_fish.fish import Backend
from tests.integration.conftest import KELP, KEY, USER_ID, AddEntry, entity_id, voice_subentry
from tests.integration.support.speech import speak
from wyoming_fish.emulator import Emulator, Fault

SPOKEN = "The code of the alarm is one two three four."
NICKNAME = "Snookums"
CODE = "There is something for Snookums on the screen."


async def test_diagnostics(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    hass_client: ClientSessionGenerator,
) -> None:
    """They tell what is set up and how it fares, and neither secrets nor text."""
    assert await async_setup_component(hass, "diagnostics", {})
    entry = await add_entry(voice_subentry(pronunciations=f"Erna: {NICKNAME}", code=CODE))
    hass.config_entries.async_update_entry(entry, options={"prewarm": False})
    await hass.async_block_till_done()
    await speak(hass, entity_id(hass, entry, "tts"), SPOKEN)
    emulator.settings.faults.append(Fault("rest", 503, times=None))
    await entry.runtime_data.credit.async_refresh()

    told = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert told["entry"] == {"api_key": "**REDACTED**", "base_url": "**REDACTED**"}
    assert told["options"] == {"prewarm": False}
    assert told["credit"] == {
        "answered": False,
        "error": "UnavailableError",
        "us_dollars": "10.00",
    }
    (voice,) = told["voices"]
    assert (voice["voice"], voice["title"]) == (KELP, "Kelp")
    (first_audio,) = told["last_first_audio"]
    assert first_audio > 0
    assert (told["state"], told["self_hosted"]) == ("loaded", True)
    text = json.dumps(told)
    for secret in (KEY, USER_ID, emulator.url, SPOKEN, NICKNAME, CODE):
        assert secret not in text


async def test_diagnostics_of_an_account_that_is_not_set_up(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    hass_client: ClientSessionGenerator,
) -> None:
    """They are there when they are needed most."""
    assert await async_setup_component(hass, "diagnostics", {})
    emulator.settings.faults.append(Fault("rest", 503, times=None))
    entry = await add_entry(base_url=emulator.url)
    told = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert told["state"] == "setup_retry"
    assert [voice["title"] for voice in told["voices"]] == ["Kelp"]


@pytest.mark.parametrize(
    ("base_url", "is_self_hosted"),
    [
        ("https://api.fish.audio", False),
        ("https://api.fish.audio:443", False),
        ("https://API.Fish.Audio", False),
        ("http://fish.local:8080", True),
    ],
)
async def test_server_of_an_account(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, base_url: str, *, is_self_hosted: bool
) -> None:
    """They tell a self-hosted server from Fish Audio, however its address is written."""
    assert await async_setup_component(hass, "diagnostics", {})
    assert await async_setup_component(hass, DOMAIN, {})
    entry = MockConfigEntry(domain=DOMAIN, data={"api_key": KEY, "base_url": base_url})
    entry.add_to_hass(hass)
    told = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    assert told["self_hosted"] is is_self_hosted


async def test_system_health(hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator) -> None:
    """It tells whether Fish can be reached and how many sockets are open."""
    assert await async_setup_component(hass, "system_health", {})
    entry = await add_entry()
    entry.runtime_data.fish.prewarm(Backend.S2_1_PRO)
    # The emulator may know of it first.
    while not entry.runtime_data.fish.status.idle:  # noqa: ASYNC110
        await asyncio.sleep(0)
    info = await get_system_health_info(hass, DOMAIN)
    assert await info.pop("can_reach_server") == "ok"
    assert info == {"voices": 1, "ready_connections": 1}


async def test_system_health_without_an_account(
    hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an account that is set up, it is about Fish Audio's own service."""
    assert await async_setup_component(hass, "system_health", {})
    assert await async_setup_component(hass, DOMAIN, {})
    asked: list[str] = []

    async def reach(_hass: HomeAssistant, url: str) -> str:
        asked.append(url)
        return "ok"

    monkeypatch.setattr("homeassistant.components.system_health.async_check_can_reach_url", reach)
    info = await get_system_health_info(hass, DOMAIN)
    assert await info.pop("can_reach_server") == "ok"
    assert info == {"voices": 0, "ready_connections": 0}
    assert asked == ["https://api.fish.audio"]
