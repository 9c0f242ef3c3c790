"""What Home Assistant keeps of the entities and devices, which must stay the same."""

from dataclasses import dataclass
from typing import Any

import pytest
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er

from custom_components.wyoming_fish import event, sensor
from custom_components.wyoming_fish import tts as platform
from custom_components.wyoming_fish.const import DOMAIN
from tests.integration.conftest import CORAL, KELP, AddEntry, voice_subentry
from wyoming_fish.emulator.fish_speech import FishSpeechEmulator

all_enabled = pytest.mark.usefixtures("entity_registry_enabled_by_default")


@dataclass(frozen=True)
class Entity:
    """What is kept of an entity; ``{}`` in its id stands for that of its entry or subentry."""

    unique_id: str
    attributes: dict[str, Any]
    category: EntityCategory | None = None


ENTITIES = {
    "event.kelp_reply_problem": Entity(
        "{}_reply_problem", {"event_types": ["failed", "fallback"], "event_type": None}
    ),
    "sensor.kelp_cost": Entity(
        "{}_cost",
        {"unit_of_measurement": "USD", "device_class": "monetary", "state_class": "total"},
    ),
    "sensor.kelp_time_spoken": Entity(
        "{}_time_spoken",
        {
            "unit_of_measurement": "s",
            "device_class": "duration",
            "state_class": "total_increasing",
        },
    ),
    "sensor.fish_audio_api_credit": Entity(
        "{}_credit",
        {"unit_of_measurement": "USD", "device_class": "monetary", "state_class": "total"},
    ),
    "sensor.kelp_first_audio": Entity(
        "{}_first_audio",
        {"unit_of_measurement": "s", "device_class": "duration", "state_class": "measurement"},
        EntityCategory.DIAGNOSTIC,
    ),
    "sensor.kelp_text_spoken": Entity(
        "{}_spoken",
        {
            "unit_of_measurement": "B",
            "device_class": "data_size",
            "state_class": "total_increasing",
        },
    ),
    "tts.kelp_speech": Entity("{}", {}),
}


@all_enabled
async def test_entities(
    hass: HomeAssistant, add_entry: AddEntry, entity_registry: er.EntityRegistry
) -> None:
    """Ids and attributes are those of the entities in people's homes."""
    entry = await add_entry()
    (voice,) = entry.subentries
    listed = er.async_entries_for_config_entry(entity_registry, entry.entry_id)
    assert {entity.entity_id for entity in listed} == set(ENTITIES)
    for entity in listed:
        expected = ENTITIES[entity.entity_id]
        of_account = entity.entity_id == "sensor.fish_audio_api_credit"
        owner = entry.entry_id if of_account else voice
        assert entity.unique_id == expected.unique_id.format(owner)
        assert entity.config_subentry_id == (None if of_account else voice)
        assert entity.entity_category == expected.category
        state = hass.states.get(entity.entity_id)
        assert state is not None
        assert expected.attributes.items() <= state.attributes.items()


async def test_devices(
    hass: HomeAssistant, add_entry: AddEntry, device_registry: dr.DeviceRegistry
) -> None:
    """The account and each voice are services, each with a link to its page."""
    entry = await add_entry(
        voice_subentry(),
        voice_subentry("Coral", voice=CORAL, backend="s1"),
        voice_subentry("Default", voice=None),
    )
    kelp, coral, default = entry.subentries
    found = {}
    for device in dr.async_entries_for_config_entry(device_registry, entry.entry_id):
        ((domain, owner),) = device.identifiers
        assert (domain, device.entry_type) == (DOMAIN, dr.DeviceEntryType.SERVICE)
        assert device.manufacturer == "Fish Audio"
        found[owner] = (device.name, device.model, device.configuration_url)
    assert found == {
        entry.entry_id: ("Fish Audio", None, "https://fish.audio/app/"),
        kelp: ("Kelp", "S2.1 Pro", f"https://fish.audio/m/{KELP}/"),
        coral: ("Coral", "S1", f"https://fish.audio/m/{CORAL}/"),
        default: ("Default", "S2.1 Pro", "https://fish.audio/discovery/"),
    }


async def test_devices_of_a_server_of_ones_own(
    hass: HomeAssistant, add_entry: AddEntry, device_registry: dr.DeviceRegistry
) -> None:
    """The links of a self-hosted server lead to it."""
    async with FishSpeechEmulator() as server:
        voice = voice_subentry("Butler", voice="butler")
        entry = await add_entry(voice, unique_id=server.url, base_url=server.url, api_key="")
        devices = dr.async_entries_for_config_entry(device_registry, entry.entry_id)
        assert {device.configuration_url for device in devices} == {server.url}


def test_replies_are_not_held_back() -> None:
    """Home Assistant lets several replies begin: the engine keeps the account's limit."""
    assert {each.PARALLEL_UPDATES for each in (event, platform, sensor)} == {0}


async def test_first_audio_is_disabled(
    hass: HomeAssistant, add_entry: AddEntry, entity_registry: er.EntityRegistry
) -> None:
    """A sensor that changes with each reply is there once a person enables it."""
    await add_entry()
    entity = entity_registry.async_get("sensor.kelp_first_audio")
    assert entity is not None
    assert entity.disabled_by is er.RegistryEntryDisabler.INTEGRATION


async def test_cost_ends_with_the_price(
    hass: HomeAssistant, add_entry: AddEntry, entity_registry: er.EntityRegistry
) -> None:
    """A voice whose model has no published price any more leaves no sensor without a value."""
    entry = await add_entry()
    assert hass.states.get("sensor.kelp_cost") is not None
    (voice,) = entry.subentries.values()
    data = {**voice.data, "backend": "drama-3"}
    hass.config_entries.async_update_subentry(entry, voice, data=data)
    await hass.async_block_till_done()
    assert entity_registry.async_get("sensor.kelp_cost") is None
    assert hass.states.get("sensor.kelp_cost") is None
    assert hass.states.get("sensor.kelp_text_spoken") is not None


async def test_removed_voice_leaves_nothing(
    hass: HomeAssistant,
    add_entry: AddEntry,
    device_registry: dr.DeviceRegistry,
    entity_registry: er.EntityRegistry,
) -> None:
    """The device and the entities of a voice go with it; those of the others stay."""
    entry = await add_entry(voice_subentry(), voice_subentry("Coral", voice=CORAL))
    hass.config_entries.async_remove_subentry(entry, next(iter(entry.subentries)))
    await hass.async_block_till_done()
    devices = dr.async_entries_for_config_entry(device_registry, entry.entry_id)
    assert {device.name for device in devices} == {"Fish Audio", "Coral"}
    entities = er.async_entries_for_config_entry(entity_registry, entry.entry_id)
    assert not [each.entity_id for each in entities if "kelp" in each.entity_id]
