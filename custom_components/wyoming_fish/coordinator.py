"""Coordinators: the account's API credit and its voices."""

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

from . import repairs
from .errors import to_ha_exception
from .fish import Credit, FishClient, FishError, Voice
from .fish.errors import KeyRefusedError, UnsupportedError, VoiceNotFoundError
from .speech.voices import configured_voices

_LOGGER = logging.getLogger(__name__)

# A reply also refreshes the credit. Voices change rarely: a person edits them on the website.
UPDATE_INTERVAL = timedelta(hours=1)

# After a failed update, the credit is unavailable until the next one.
RETRY_INTERVAL = timedelta(minutes=5)

# Fish Audio books what a reply cost 5 to 35 s after it (users' notes).
CREDIT_REFRESH_DELAY_S = 60


@dataclass(slots=True)
class FishData:
    """Runtime data of a loaded entry."""

    fish: FishClient
    credit: CreditCoordinator
    voices: VoicesCoordinator
    is_fallback_active: bool = False
    """Whether the fallback voice spoke the last reply."""
    first_audio: dict[str, float] = field(default_factory=dict)
    """Seconds to the first audio of each voice's last reply, by the id of its subentry."""


type FishConfigEntry = ConfigEntry[FishData]


class FishCoordinator[DataT](DataUpdateCoordinator[DataT]):
    """Polls the account."""

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
            data = await self._fetch()
        except KeyRefusedError as error:
            raise to_ha_exception(ConfigEntryAuthFailed, error) from error
        except FishError as error:
            raise to_ha_exception(UpdateFailed, error) from error
        self.update_interval = UPDATE_INTERVAL
        return data

    @abstractmethod
    async def _fetch(self) -> DataT:
        """Return the data. Raises FishError."""


class CreditCoordinator(FishCoordinator[Credit | None]):
    """The API credit; None if the server has no API credit."""

    subject = "credit"
    _cancel_refresh: CALLBACK_TYPE | None = None

    @override
    async def _fetch(self) -> Credit | None:
        try:
            credit = await self.fish.credit()
        except UnsupportedError:
            return None
        repairs.update_credit_issues(self.hass, self.config_entry, credit.amount)
        return credit

    @callback
    def schedule_refresh(self) -> None:
        """Read the credit again when the reply that was just spoken is booked."""
        if self._cancel_refresh is None and self.data is not None:
            self._cancel_refresh = async_call_later(
                self.hass, CREDIT_REFRESH_DELAY_S, self._refresh
            )

    async def _refresh(self, _now: datetime) -> None:
        self._cancel_refresh = None
        await self.async_refresh()

    @override
    async def async_shutdown(self) -> None:
        if self._cancel_refresh is not None:
            self._cancel_refresh()
            self._cancel_refresh = None
        await super().async_shutdown()


class VoicesCoordinator(FishCoordinator[dict[str, Voice]]):
    """The account's own voices and the voices of its subentries, by id."""

    subject = "voices"
    has_account = True
    """Whether the server has API credit. A server without it may have no list of its voices."""

    @override
    async def _fetch(self) -> dict[str, Voice]:
        voices = {voice.id: voice for voice in await self.fish.voices()}
        if not (self.has_account or voices):
            return voices
        for subentry in self.config_entry.subentries.values():
            missing = None
            for voice_id in configured_voices(subentry):
                if voice_id in voices:
                    continue
                try:
                    voices[voice_id] = await self.fish.voice(voice_id)
                except VoiceNotFoundError:
                    missing = missing or voice_id
            if missing is None:
                repairs.delete_voice_missing_issue(self.hass, self.config_entry, subentry)
            else:
                repairs.create_voice_missing_issue(self.hass, self.config_entry, subentry, missing)
        return voices
