"""What is followed of the account: its credit and its voices."""

import logging
from abc import abstractmethod
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import override

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryAuthFailed
from homeassistant.helpers.event import async_call_later
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed

from . import issues
from .const import CONF_VOICE
from .errors import translated
from .fish import Credit, FishClient, FishError, Voice
from .fish.errors import KeyRefusedError, UnsupportedError, VoiceNotFoundError

_LOGGER = logging.getLogger(__name__)

# Credit changes by speaking, which is followed up; voices change by a person's hand on the website.
UPDATE_INTERVAL = timedelta(hours=1)

# A failed look is repeated sooner: until then the credit is unavailable.
RETRY_INTERVAL = timedelta(minutes=5)

# Seconds from a reply to the look at what it cost: Fish books it 5 to 35 s later (users' notes).
BOOKING_TIME = 60


@dataclass(slots=True)
class FishData:
    """What a set up entry works with."""

    fish: FishClient
    credit: "CreditCoordinator"
    voices: "VoicesCoordinator"
    first_audio: dict[str, float] = field(default_factory=dict)
    """Seconds to the first audio of each voice's last reply, by the id of its subentry."""


type FishConfigEntry = ConfigEntry[FishData]


class FishCoordinator[DataT](DataUpdateCoordinator[DataT]):
    """Asks the account once in a while."""

    config_entry: FishConfigEntry
    subject: str

    def __init__(self, hass: HomeAssistant, entry: FishConfigEntry, fish: FishClient) -> None:
        """Take the client of ``entry``."""
        super().__init__(
            hass,
            _LOGGER,
            config_entry=entry,
            name=f"{entry.title} {self.subject}",
            update_interval=UPDATE_INTERVAL,
        )
        self.fish = fish

    @override
    async def _async_update_data(self) -> DataT:
        self.update_interval = RETRY_INTERVAL
        try:
            data = await self._ask()
        except KeyRefusedError as error:
            raise translated(ConfigEntryAuthFailed, error) from error
        except FishError as error:
            raise translated(UpdateFailed, error) from error
        self.update_interval = UPDATE_INTERVAL
        return data

    @abstractmethod
    async def _ask(self) -> DataT:
        """Return what is followed. Raises FishError."""


class CreditCoordinator(FishCoordinator[Credit | None]):
    """The API credit; None where the server has no wallets."""

    subject = "credit"
    _booking: CALLBACK_TYPE | None = None

    @override
    async def _ask(self) -> Credit | None:
        try:
            credit = await self.fish.credit()
        except UnsupportedError:
            return None
        issues.check_credit(self.hass, self.config_entry, credit.amount)
        return credit

    @callback
    def spent(self) -> None:
        """Look at the credit when what has just been spoken is booked."""
        if self._booking is None and self.data is not None:
            self._booking = async_call_later(self.hass, BOOKING_TIME, self._booked)

    async def _booked(self, _now: datetime) -> None:
        self._booking = None
        await self.async_refresh()

    @override
    async def async_shutdown(self) -> None:
        if self._booking is not None:
            self._booking()
            self._booking = None
        await super().async_shutdown()


class VoicesCoordinator(FishCoordinator[dict[str, Voice]]):
    """The account's own voices and those that were chosen, by their ids."""

    subject = "voices"
    own_server = False
    """Whether it is a person's own server: that need not list its voices."""

    @override
    async def _ask(self) -> dict[str, Voice]:
        voices = {voice.id: voice for voice in await self.fish.voices()}
        if self.own_server and not voices:
            return voices
        for subentry in self.config_entry.subentries.values():
            voice_id = subentry.data[CONF_VOICE]
            if voice_id is not None and voice_id not in voices:
                try:
                    voices[voice_id] = await self.fish.voice(voice_id)
                except VoiceNotFoundError:
                    issues.voice_is_gone(self.hass, self.config_entry, subentry)
                    continue
            issues.voice_is_there(self.hass, self.config_entry, subentry)
        return voices
