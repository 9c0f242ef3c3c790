"""Repair issues, and what mends them."""

import asyncio
from decimal import Decimal
from inspect import signature
from types import MappingProxyType
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.repairs import DOMAIN as REPAIRS
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.wyoming_fish.const import DOMAIN
from custom_components.wyoming_fish.fish.connections.measurements import MAX_REPLIES, MIN_REPLIES
from tests.integration.conftest import AddEntry, entity_id, voice_data, voice_subentry
from tests.integration.support.speech import speak
from tests.integration.support.states import later, ours
from wyoming_fish.emulator import VOICES, Emulator, Fault

FIX = "/api/repairs/issues/fix"


async def post(client: TestClient[Any, Any], path: str, **body: Any) -> dict[str, Any]:
    """Return the answer to what the repair's dialogue sends."""
    response = await client.post(path, json=body)
    assert response.status == 200, await response.text()
    answer: dict[str, Any] = await response.json()
    return answer


def another(title: str, **data: Any) -> ConfigSubentry:
    """Return a further voice."""
    return ConfigSubentry(
        subentry_type="voice",
        title=title,
        data=MappingProxyType(voice_data(**data)),
        unique_id=None,
    )


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
    issue = issue_registry.async_get_issue(DOMAIN, f"{key}_{entry.entry_id}")
    assert issue is not None
    assert issue.translation_key == key
    severity = ir.IssueSeverity.ERROR if key == "no_credit" else ir.IssueSeverity.WARNING
    assert (issue.severity, issue.is_fixable) == (severity, False)
    assert ours(issue_registry) == [issue.issue_id]
    emulator.settings.credit = Decimal(1)
    await later(hass, freezer, minutes=61)
    assert ours(issue_registry) == []


@pytest.mark.parametrize(("limit", "is_told"), [(0, False), (0.4, False), (0.5, True), (5, True)])
async def test_limit_of_low_credit(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
    limit: float,
    is_told: bool,
) -> None:
    """Credit below the account's own limit is told."""
    emulator.settings.credit = Decimal("0.45")
    entry = await add_entry()
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    await hass.config_entries.options.async_configure(flow["flow_id"], {"low_credit": limit})
    await hass.async_block_till_done()
    issues = [f"low_credit_{entry.entry_id}"] if is_told else []
    assert ours(issue_registry) == issues


async def test_used_up_credit_is_told_without_a_limit(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
) -> None:
    """With the limit 0, a repair appears when the credit is used up."""
    emulator.settings.credit = Decimal(0)
    entry = await add_entry()
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    await hass.config_entries.options.async_configure(flow["flow_id"], {"low_credit": 0})
    await hass.async_block_till_done()
    assert ours(issue_registry) == [f"no_credit_{entry.entry_id}"]


async def test_free_voices_need_no_credit(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
) -> None:
    """Nobody is bothered about credit that is not used."""
    emulator.settings.credit = Decimal(0)
    entry = await add_entry(voice_subentry(backend="s2.1-pro-free"))
    assert ours(issue_registry) == []
    hass.config_entries.async_add_subentry(entry, another("Paid"))
    await hass.async_block_till_done()
    assert ours(issue_registry) == [f"no_credit_{entry.entry_id}"]


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


async def test_voice_of_a_language_is_gone(
    hass: HomeAssistant, add_entry: AddEntry, issue_registry: ir.IssueRegistry
) -> None:
    """The repair names the voice that is gone, and ends when another one is selected."""
    entry = await add_entry(voice_subentry(language_voices={"de": "0" * 32}))
    (voice,) = entry.subentries.values()
    issue_id = f"voice_gone_{entry.entry_id}_{voice.subentry_id}"
    issue = issue_registry.async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["voice"] == "0" * 32
    data = {**voice.data, "language_voices": {}}
    hass.config_entries.async_update_subentry(entry, voice, data=data)
    await hass.async_block_till_done()
    assert ours(issue_registry) == []


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
    s1 = voice_subentry(backend="s1", style="happy", speed=1.5)
    entry = await add_entry(s1, voice_subentry("Other", backend="s2-pro"))
    issue_id = f"backend_{entry.entry_id}"
    issue = issue_registry.async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["names"] == "Kelp"
    client = await hass_client()
    flow = await post(client, FIX, handler=DOMAIN, issue_id=issue_id)
    assert flow["step_id"] == "confirm"
    assert flow["description_placeholders"]["names"] == "Kelp"
    flow = await post(client, f"{FIX}/{flow['flow_id']}")
    assert flow["type"] == "create_entry"
    await hass.async_block_till_done()
    changed, other = entry.subentries.values()
    assert changed.data == voice_data(backend="s2.1-pro", style="happy", speed=1.5)
    assert other.data["backend"] == "s2-pro"
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


async def test_ignored_repairs_stay_ignored(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
) -> None:
    """What a person ignores does not come back with the next change of something else."""
    emulator.settings.credit = Decimal("0.5")
    emulator.settings.voices = ()
    entry = await add_entry(voice_subentry(backend="s1"))
    told = ours(issue_registry)
    assert len(told) == 3
    for issue_id in told:
        ir.async_ignore_issue(hass, DOMAIN, issue_id, ignore=True)
    hass.config_entries.async_add_subentry(entry, another("Other", voice=None))
    await hass.async_block_till_done()
    assert ours(issue_registry) == []
    # That nothing is left is another thing than that little is.
    emulator.settings.credit = Decimal(0)
    await hass.config_entries.async_reload(entry.entry_id)
    assert ours(issue_registry) == [f"no_credit_{entry.entry_id}"]


async def test_ignored_repair_after_a_restart(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
) -> None:
    """What was ignored before a restart is known from its id alone, and is ignored after it."""
    entry = await add_entry()
    (voice,) = entry.subentries
    issue_id = f"voice_silent_{entry.entry_id}_{voice}"
    # Home Assistant restores little more than the id.
    restored: dict[str, Any] = dict.fromkeys(signature(ir.IssueEntry).parameters)
    restored |= {"active": False, "created": dt_util.utcnow(), "dismissed_version": "2026.3.0"}
    restored |= {"domain": DOMAIN, "issue_id": issue_id, "is_persistent": False}
    issue_registry.issues[DOMAIN, issue_id] = ir.IssueEntry(**restored)
    await hass.config_entries.async_reload(entry.entry_id)
    assert issue_registry.async_get_issue(DOMAIN, issue_id) is not None


@pytest.mark.parametrize(("change", "left"), [({"speed": 1.5}, 1), ({"backend": "s2-pro"}, 0)])
async def test_changed_voice_takes_its_repair_with_it(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
    change: dict[str, Any],
    left: int,
) -> None:
    """That a voice said nothing is told until another voice or model is chosen, or it speaks."""
    entry = await add_entry()
    emulator.settings.faults.append(Fault("start", "silent", times=None))
    with pytest.raises(HomeAssistantError):
        await speak(hass, entity_id(hass, entry, "tts"), "Hello there.")
    (voice,) = entry.subentries.values()
    assert ours(issue_registry) == [f"voice_silent_{entry.entry_id}_{voice.subentry_id}"]
    hass.config_entries.async_update_subentry(entry, voice, data={**voice.data, **change})
    await hass.async_block_till_done()
    assert len(ours(issue_registry)) == left


async def test_repairs_of_two_accounts(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
) -> None:
    """Removing an account leaves the other one's repairs alone."""
    emulator.settings.credit = Decimal(0)
    one = await add_entry()
    other = await add_entry(unique_id="other")
    await hass.config_entries.async_remove(one.entry_id)
    assert ours(issue_registry) == [f"no_credit_{other.entry_id}"]


async def test_slow_line(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
) -> None:
    """Audio that comes slower than it plays is told, until it comes fast enough."""
    emulator.settings.pace, emulator.settings.frame = 1.5, 0.1
    entry = await add_entry()
    engine = entity_id(hass, entry, "tts")
    text = "The lamps are on, and it will rain until nine o'clock. " * 12
    await asyncio.gather(*(speak(hass, engine, f"{text}{n}.") for n in range(MIN_REPLIES)))
    await hass.async_block_till_done()
    issue = issue_registry.async_get_issue(DOMAIN, f"slow_line_{entry.entry_id}")
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert int(issue.translation_placeholders["sample_rate"]) < 44100
    assert float(issue.translation_placeholders["rate"]) < 1
    emulator.settings.pace = 0.1
    fast = (speak(hass, engine, f"{text}{n}!") for n in range(MAX_REPLIES))
    await asyncio.gather(*fast)
    await hass.async_block_till_done()
    assert ours(issue_registry) == []
