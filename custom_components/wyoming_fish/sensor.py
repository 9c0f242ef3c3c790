"""Sensors: the account's credit, and what each voice has spoken."""

from abc import abstractmethod
from typing import Final, override

from homeassistant.components.sensor import (
    RestoreSensor,
    SensorDeviceClass,
    SensorEntity,
    SensorStateClass,
)
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import EntityCategory, UnitOfInformation, UnitOfTime
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import SIGNAL_REPLY
from .coordinator import CreditCoordinator, FishConfigEntry
from .entity import account_device, voice_device

# Nothing is asked here: the coordinator asks, and the voices tell.
PARALLEL_UPDATES = 0

# In the entities' unique ids and translations.
CREDIT: Final = "credit"
FIRST_AUDIO: Final = "first_audio"
SPOKEN: Final = "spoken"


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FishConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the account's sensor, and each voice's."""
    if entry.runtime_data.credit.data is not None:
        async_add_entities([CreditSensor(entry)])
    for voice in entry.subentries.values():
        async_add_entities(
            [FirstAudioSensor(entry, voice), SpokenSensor(entry, voice)],
            config_subentry_id=voice.subentry_id,
        )


class CreditSensor(CoordinatorEntity[CreditCoordinator], SensorEntity):
    """The API credit that is left."""

    _attr_has_entity_name = True
    _attr_translation_key = CREDIT
    _attr_device_class = SensorDeviceClass.MONETARY
    _attr_state_class = SensorStateClass.TOTAL
    _attr_native_unit_of_measurement = "USD"
    _attr_suggested_display_precision = 2

    def __init__(self, entry: FishConfigEntry) -> None:
        """Take the account's entry."""
        super().__init__(entry.runtime_data.credit)
        self._attr_unique_id = f"{entry.entry_id}_{CREDIT}"
        self._attr_device_info = account_device(entry)

    @property
    @override
    def native_value(self) -> float | None:
        """Return US dollars."""
        credit = self.coordinator.data
        return None if credit is None else float(credit.amount)


class VoiceSensor(SensorEntity):
    """Something about what a voice has spoken."""

    _attr_has_entity_name = True
    _attr_should_poll = False
    _key: str

    def __init__(self, entry: FishConfigEntry, voice: ConfigSubentry) -> None:
        """Take the voice's subentry."""
        self._signal = SIGNAL_REPLY.format(voice.subentry_id)
        self._attr_unique_id = f"{voice.subentry_id}_{self._key}"
        self._attr_translation_key = self._key
        self._attr_device_info = voice_device(entry, voice)

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the replies."""
        await super().async_added_to_hass()
        self.async_on_remove(async_dispatcher_connect(self.hass, self._signal, self._spoken))

    @callback
    @abstractmethod
    def _spoken(self, first_audio: float, size: int) -> None:
        """Take in a reply: seconds to its first audio, bytes of its text."""


class FirstAudioSensor(VoiceSensor):
    """How long the last reply was waited for."""

    _key = FIRST_AUDIO
    # It changes with each reply, and few people follow it.
    _attr_entity_registry_enabled_default = False
    _attr_device_class = SensorDeviceClass.DURATION
    _attr_entity_category = EntityCategory.DIAGNOSTIC
    _attr_native_unit_of_measurement = UnitOfTime.SECONDS
    _attr_state_class = SensorStateClass.MEASUREMENT
    _attr_suggested_display_precision = 2

    @callback
    @override
    def _spoken(self, first_audio: float, size: int) -> None:
        self._attr_native_value = first_audio
        self.async_write_ha_state()


class SpokenSensor(VoiceSensor, RestoreSensor):
    """How much text has been spoken: what Fish bills."""

    _key = SPOKEN
    _attr_device_class = SensorDeviceClass.DATA_SIZE
    _attr_native_unit_of_measurement = UnitOfInformation.BYTES
    _attr_state_class = SensorStateClass.TOTAL_INCREASING
    _attr_native_value = 0

    @override
    async def async_added_to_hass(self) -> None:
        """Go on from where it was before a restart."""
        await super().async_added_to_hass()
        last = await self.async_get_last_sensor_data()
        if last is not None and isinstance(last.native_value, int):
            self._attr_native_value += last.native_value

    @callback
    @override
    def _spoken(self, first_audio: float, size: int) -> None:
        self._attr_native_value += size
        self.async_write_ha_state()
