"""The blueprint for announcements, in a real script."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, override

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components import media_source
from homeassistant.components.media_player import MediaPlayerEntity, MediaPlayerEntityFeature
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from tests.integration.conftest import AddEntry
from wyoming_fish.emulator import Emulator

BLUEPRINTS = Path(__file__).parent.parent.parent / "blueprints"
PLAYERS = ["media_player.kitchen", "media_player.hall"]
DAY, NIGHT, DAWN = "2026-11-28T12:00:00+00:00", "2026-11-28T23:30:00+00:00", "2026-11-28T07:00:00Z"


class Player(MediaPlayerEntity):
    """A media player that keeps what it is to play."""

    _attr_supported_features = MediaPlayerEntityFeature.PLAY_MEDIA

    def __init__(self, name: str) -> None:
        """Begin without media."""
        self._attr_name = name
        self.played: list[str] = []

    @override
    async def async_play_media(self, media_type: str, media_id: str, **kwargs: Any) -> None:
        """Take the media."""
        media = await media_source.async_resolve_media(self.hass, media_id, self.entity_id)
        self.played.append(media.url)


@pytest.fixture
async def players(hass: HomeAssistant, add_entry: AddEntry) -> AsyncIterator[list[Player]]:
    """Two players, and a house with a voice."""
    folder = Path(hass.config.path("blueprints"), "script", "wyoming_fish")
    shutil.copytree(BLUEPRINTS / "script" / "wyoming_fish", folder, dirs_exist_ok=True)
    await hass.config.async_set_time_zone("UTC")
    assert await async_setup_component(hass, "homeassistant", {})
    assert await async_setup_component(hass, "media_source", {})
    assert await async_setup_component(hass, "media_player", {})
    await add_entry()
    players = [Player("Kitchen"), Player("Hall")]
    await hass.data["media_player"].async_add_entities(players)
    yield players
    shutil.rmtree(folder)


async def announce(hass: HomeAssistant, inputs: dict[str, Any], **fields: Any) -> None:
    """Make a script of the blueprint and run it."""
    use = {
        "path": "wyoming_fish/announcement.yaml",
        "input": {"voice": "tts.kelp_speech", "players": PLAYERS, **inputs},
    }
    assert await async_setup_component(hass, "script", {"script": {"tell": {"use_blueprint": use}}})
    await hass.services.async_call(
        "script", "tell", {"message": "Dinner is ready.", **fields}, blocking=True
    )
    await hass.async_block_till_done()


@pytest.mark.parametrize(
    ("time", "inputs", "fields", "spoken"),
    [
        (DAY, {}, {}, "Dinner is ready."),
        (DAY, {"style": "cheerful"}, {}, "[cheerful] Dinner is ready."),
        (DAY, {"style": "cheerful"}, {"style": "sad"}, "[sad] Dinner is ready."),
        (NIGHT, {"style": "cheerful"}, {}, None),
        (
            NIGHT,
            {"style": "cheerful", "quiet_style": "whispering"},
            {},
            "[whispering] Dinner is ready.",
        ),
        (NIGHT, {"style": "cheerful"}, {"urgent": True}, "[cheerful] Dinner is ready."),
        (NIGHT, {"quiet_from": "23:45:00"}, {}, "Dinner is ready."),
        (DAWN, {}, {}, "Dinner is ready."),
        (DAY, {"quiet_from": "11:00:00", "quiet_to": "13:00:00"}, {}, None),
        (DAY, {"quiet_from": "12:00:00", "quiet_to": "12:00:00"}, {}, "Dinner is ready."),
    ],
)
async def test_announcement(  # noqa: PLR0917 - fixtures
    hass: HomeAssistant,
    emulator: Emulator,
    players: list[Player],
    hass_client: ClientSessionGenerator,
    freezer: FrozenDateTimeFactory,
    time: str,
    inputs: dict[str, Any],
    fields: dict[str, Any],
    spoken: str | None,
) -> None:
    """Each player gets the text in the style of the hour, and in quiet hours perhaps nothing."""
    client = await hass_client()
    freezer.move_to(time)
    await announce(hass, inputs, **fields)
    assert [len(player.played) for player in players] == [0 if spoken is None else 1] * 2
    for player in players:
        for url in player.played:
            async with client.get(url) as answer:
                assert (answer.status, await answer.read() != b"") == (200, True)
    texts = ["".join(session.texts) for session in emulator.sessions]
    assert set(texts) == ({spoken} if spoken else set())
