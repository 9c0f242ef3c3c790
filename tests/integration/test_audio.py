"""What a player gets from Home Assistant, in each format."""

from pathlib import Path
from typing import Any

import pytest
from homeassistant.components.tts.const import DATA_TTS_MANAGER
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from tests.integration.audio import decode, fetch
from tests.integration.conftest import AddEntry, entity_id
from tests.integration.speech import TEXT
from wyoming_fish.emulator import Emulator, Fault

# What satellites and players ask for.
SATELLITE = {
    "preferred_sample_rate": 22050,
    "preferred_sample_channels": 1,
    "preferred_sample_bytes": 2,
}
FORMATS = [
    {"preferred_format": "wav"},
    {"preferred_format": "wav", **SATELLITE},
    {"preferred_format": "wav", **SATELLITE, "preferred_sample_rate": 16000},
    {"preferred_format": "flac"},
    {"preferred_format": "flac", **SATELLITE, "preferred_sample_rate": 48000},
    {"preferred_format": "mp3"},
    {"preferred_format": "ogg"},
    {},
]
each_format = pytest.mark.parametrize(
    "options", FORMATS, ids=lambda options: "-".join(map(str, options.values())) or "default"
)


def kept(hass: HomeAssistant) -> list[Path]:
    """Return the files in which Home Assistant keeps speech."""
    return list(Path(hass.data[DATA_TTS_MANAGER].cache_dir).iterdir())


@each_format
async def test_failed_reply_is_an_error(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    hass_client: ClientSessionGenerator,
    options: dict[str, Any],
) -> None:
    """A reply that fails before its first sample is status 500, and nothing of it is kept."""
    engine = entity_id(hass, await add_entry(), "tts")
    emulator.settings.faults.append(Fault("upgrade", 402, times=None))
    assert await fetch(await hass_client(), engine, TEXT, **options) == (500, b"")
    await hass.async_block_till_done(wait_background_tasks=True)
    assert kept(hass) == []


@each_format
async def test_nothing_to_say(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    hass_client: ClientSessionGenerator,
    options: dict[str, Any],
) -> None:
    """A reply without a word is a short silence that every player can play."""
    engine = entity_id(hass, await add_entry(), "tts")
    status, audio = await fetch(await hass_client(), engine, "👍", **options)
    samples = await decode(audio)
    assert status == 200
    assert 0.2 < len(samples) / 16000 < 0.5
    assert not samples.any()
    assert emulator.sessions == []
