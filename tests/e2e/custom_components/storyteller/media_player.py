"""A speaker that shows where it was told to get its audio from."""

from typing import Any

from homeassistant.components.media_player import (
    MediaPlayerEntity,
    MediaPlayerEntityFeature,
    MediaPlayerState,
)
from homeassistant.components.media_source import async_resolve_media
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback


async def async_setup_entry(
    hass: HomeAssistant, entry: ConfigEntry, add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the speaker."""
    add_entities([Speaker()])


class Speaker(MediaPlayerEntity):
    """The speaker; its `media_content_id` is the address of what it plays."""

    _attr_name = "Speaker"
    _attr_unique_id = "speaker"
    _attr_should_poll = False
    _attr_state = MediaPlayerState.IDLE
    _attr_supported_features = MediaPlayerEntityFeature.PLAY_MEDIA

    async def async_play_media(self, media_type: str, media_id: str, **options: Any) -> None:
        """Take what a media source offers."""
        media = await async_resolve_media(self.hass, media_id, self.entity_id)
        self._attr_media_content_id = media.url
        self._attr_state = MediaPlayerState.PLAYING
        self.async_write_ha_state()
