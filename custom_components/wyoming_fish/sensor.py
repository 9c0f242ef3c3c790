"""Sensors: the API credit of an account, and what each voice has spoken."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, override

from homeassistant.components.sensor import (
    RestoreSensor,
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import EntityCategory, Platform, UnitOfInformation, UnitOfTime
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import CONF_BACKEND, DOMAIN, SIGNAL_REPLY, ReplyTotals
from .coordinator import CreditCoordinator, FishConfigEntry
from .entity import VoiceEntity, account_device
from .fish import USD_PER_MILLION_BYTES

# The coordinator polls; the other sensors receive signals.
PARALLEL_UPDATES = 0

# In the unique id and the translations.
CREDIT: Final = "credit"


@dataclass(frozen=True, kw_only=True)
class TotalDescription(SensorEntityDescription):
    """A total of a voice."""

    amount_fn: Callable[[ReplyTotals], float]
    """Returns what a reply adds to the total."""


FIRST_AUDIO: Final = SensorEntityDescription(
    key="first_audio",
    translation_key="first_audio",
    device_class=SensorDeviceClass.DURATION,
    entity_category=EntityCategory.DIAGNOSTIC,
    # It changes with each reply, and few people need it.
    entity_registry_enabled_default=False,
    native_unit_of_measurement=UnitOfTime.SECONDS,
    state_class=SensorStateClass.MEASUREMENT,
    suggested_display_precision=2,
)
TEXT_SPOKEN: Final = TotalDescription(
    key="spoken",
    translation_key="spoken",
    device_class=SensorDeviceClass.DATA_SIZE,
    native_unit_of_measurement=UnitOfInformation.BYTES,
    state_class=SensorStateClass.TOTAL_INCREASING,
    amount_fn=lambda reply: reply.text_bytes,
)
TIME_SPOKEN: Final = TotalDescription(
    key="time_spoken",
    translation_key="time_spoken",
    device_class=SensorDeviceClass.DURATION,
    native_unit_of_measurement=UnitOfTime.SECONDS,
    state_class=SensorStateClass.TOTAL_INCREASING,
    suggested_display_precision=0,
    amount_fn=lambda reply: reply.audio,
)
COST: Final = TotalDescription(
    key="cost",
    translation_key="cost",
    device_class=SensorDeviceClass.MONETARY,
    native_unit_of_measurement="USD",
    state_class=SensorStateClass.TOTAL,
    suggested_display_precision=4,
    amount_fn=lambda reply: reply.cost,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: FishConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the sensor of the account and those of each voice."""
    is_billed = entry.runtime_data.credit.data is not None
    if is_billed:
        async_add_entities([CreditSensor(entry)])
    for voice in entry.subentries.values():
        has_cost = is_billed and voice.data[CONF_BACKEND] in USD_PER_MILLION_BYTES
        totals = [TEXT_SPOKEN, TIME_SPOKEN, *([COST] if has_cost else [])]
        if not has_cost:
            _remove_cost(hass, voice)
        async_add_entities(
            [
                FirstAudioSensor(entry, voice, FIRST_AUDIO),
                *(TotalSensor(entry, voice, total) for total in totals),
            ],
            config_subentry_id=voice.subentry_id,
        )


@callback
def _remove_cost(hass: HomeAssistant, voice: ConfigSubentry) -> None:
    """Remove the cost sensor of a voice whose model had a published price before."""
    registry = er.async_get(hass)
    unique_id = f"{voice.subentry_id}_{COST.key}"
    if entity_id := registry.async_get_entity_id(Platform.SENSOR, DOMAIN, unique_id):
        registry.async_remove(entity_id)


class CreditSensor(CoordinatorEntity[CreditCoordinator], SensorEntity):
    """The remaining API credit."""

    _attr_has_entity_name = True
    _attr_translation_key = CREDIT
    _attr_device_class = SensorDeviceClass.MONETARY
    _attr_state_class = SensorStateClass.TOTAL
    _attr_native_unit_of_measurement = "USD"
    _attr_suggested_display_precision = 2

    def __init__(self, entry: FishConfigEntry) -> None:
        """Initialize the sensor of an account."""
        super().__init__(entry.runtime_data.credit)
        self._attr_unique_id = f"{entry.entry_id}_{CREDIT}"
        self._attr_device_info = account_device(entry)

    @property
    @override
    def native_value(self) -> float | None:
        """Return US dollars."""
        credit = self.coordinator.data
        return None if credit is None else float(credit.amount)


class VoiceSensor(VoiceEntity, SensorEntity):
    """A sensor of what a voice has spoken."""

    def __init__(
        self, entry: FishConfigEntry, voice: ConfigSubentry, description: SensorEntityDescription
    ) -> None:
        """Initialize a sensor of a voice."""
        super().__init__(entry, voice, description.key)
        self.entity_description = description
        self._signal = SIGNAL_REPLY.format(voice.subentry_id)

    @override
    async def async_added_to_hass(self) -> None:
        """Subscribe to the replies of the voice."""
        await super().async_added_to_hass()
        self.async_on_remove(async_dispatcher_connect(self.hass, self._signal, self._on_reply))

    @callback
    @abstractmethod
    def _on_reply(self, reply: ReplyTotals) -> None:
        """Update the sensor after a reply."""


class FirstAudioSensor(VoiceSensor):
    """Seconds to the first audio of the last reply."""

    @callback
    @override
    def _on_reply(self, reply: ReplyTotals) -> None:
        self._attr_native_value = reply.first_audio
        self.async_write_ha_state()


class TotalSensor(VoiceSensor, RestoreSensor):
    """A total of all replies of a voice."""

    entity_description: TotalDescription
    _attr_native_value: float

    @override
    async def async_added_to_hass(self) -> None:
        """Continue from the total before a restart."""
        await super().async_added_to_hass()
        self._attr_native_value = 0
        last = await self.async_get_last_sensor_data()
        if last is not None and isinstance(last.native_value, int | float):
            self._attr_native_value = last.native_value

    @callback
    @override
    def _on_reply(self, reply: ReplyTotals) -> None:
        self._attr_native_value += self.entity_description.amount_fn(reply)
        self.async_write_ha_state()
