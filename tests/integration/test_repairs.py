"""Repair issues, and what mends them."""

from decimal import Decimal
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.repairs import DOMAIN as REPAIRS
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.wyoming_fish.const import DOMAIN
from tests.integration.conftest import AddEntry, voice_subentry
from tests.integration.test_sensor import later
from wyoming_fish.emulator import VOICES, Emulator

FIX = "/api/repairs/issues/fix"


async def post(client: TestClient[Any, Any], path: str, **body: Any) -> dict[str, Any]:
    """Return the answer to what the repair's dialogue sends."""
    response = await client.post(path, json=body)
    assert response.status == 200, await response.text()
    answer: dict[str, Any] = await response.json()
    return answer


@pytest.mark.parametrize(
    "told", [("0", "no_credit"), ("-0.5", "no_credit"), ("0.99", "low_credit")]
)
async def test_credit(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
    freezer: FrozenDateTimeFactory,
    told: tuple[str, str],
) -> None:
    """Credit that is gone or low is told, until it is topped up."""
    credit, key = told
    emulator.settings.credit = Decimal(credit)
    entry = await add_entry()
    issue = issue_registry.async_get_issue(DOMAIN, f"credit_{entry.entry_id}")
    assert issue is not None
    assert issue.translation_key == key
    emulator.settings.credit = Decimal(5)
    await later(hass, freezer, minutes=61)
    assert issue_registry.async_get_issue(DOMAIN, f"credit_{entry.entry_id}") is None


async def test_free_voices_need_no_credit(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
) -> None:
    """Nobody is bothered about credit that is not used."""
    emulator.settings.credit = Decimal(0)
    entry = await add_entry(voice_subentry(backend="s2.1-pro-free"))
    assert issue_registry.async_get_issue(DOMAIN, f"credit_{entry.entry_id}") is None


async def test_voice_is_gone(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A voice that does not exist any more is told, until it is back."""
    emulator.settings.voices = VOICES[1:]
    entry = await add_entry()
    (subentry,) = entry.subentries
    issue_id = f"voice_gone_{entry.entry_id}_{subentry}"
    issue = issue_registry.async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["name"] == "Kelp"
    emulator.settings.voices = VOICES
    await later(hass, freezer, minutes=61)
    assert issue_registry.async_get_issue(DOMAIN, issue_id) is None


async def test_removed_voice_takes_its_repair_with_it(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
) -> None:
    """Nobody is asked to mend a voice that was removed; what holds of others is told again."""
    emulator.settings.voices = ()
    entry = await add_entry(voice_subentry(), voice_subentry("Other"))
    removed, other = (f"voice_gone_{entry.entry_id}_{voice}" for voice in entry.subentries)
    assert issue_registry.async_get_issue(DOMAIN, removed) is not None
    hass.config_entries.async_remove_subentry(entry, next(iter(entry.subentries)))
    await hass.async_block_till_done()
    assert issue_registry.async_get_issue(DOMAIN, removed) is None
    assert issue_registry.async_get_issue(DOMAIN, other) is not None


async def test_retiring_backend(
    hass: HomeAssistant,
    add_entry: AddEntry,
    issue_registry: ir.IssueRegistry,
    hass_client: ClientSessionGenerator,
) -> None:
    """Voices of a backend that retires are changed to its successor in one click."""
    assert await async_setup_component(hass, REPAIRS, {})
    entry = await add_entry(voice_subentry(backend="s1"), voice_subentry("Other"))
    issue_id = f"backend_{entry.entry_id}"
    client = await hass_client()
    flow = await post(client, FIX, handler=DOMAIN, issue_id=issue_id)
    assert flow["step_id"] == "confirm"
    assert flow["description_placeholders"]["names"] == "Kelp"
    flow = await post(client, f"{FIX}/{flow['flow_id']}")
    assert flow["type"] == "create_entry"
    await hass.async_block_till_done()
    assert {voice.data["backend"] for voice in entry.subentries.values()} == {"s2.1-pro"}
    assert issue_registry.async_get_issue(DOMAIN, issue_id) is None


async def test_retiring_backend_of_a_removed_account(
    hass: HomeAssistant,
    add_entry: AddEntry,
    hass_client: ClientSessionGenerator,
) -> None:
    """A repair whose account has gone meanwhile ends so."""
    assert await async_setup_component(hass, REPAIRS, {})
    entry = await add_entry(voice_subentry(backend="s1"))
    client = await hass_client()
    flow = await post(client, FIX, handler=DOMAIN, issue_id=f"backend_{entry.entry_id}")
    await hass.config_entries.async_remove(entry.entry_id)
    flow = await post(client, f"{FIX}/{flow['flow_id']}")
    assert (flow["type"], flow["reason"]) == ("abort", "entry_gone")
