"""Connections that are open before they are needed, and those that are not opened at all."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from homeassistant.components.assist_satellite.entity import AssistSatelliteState
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import MockConfigEntry

from tests.integration.conftest import CORAL, AddEntry, entity_id, voice_subentry
from tests.integration.support.flows import chosen
from tests.integration.support.house import add_pipeline, add_satellite, prefer
from tests.integration.support.speech import TEXT, entity_of, speak, stream
from wyoming_fish.emulator import Emulator

# Requests during which a connection that was begun before them is open.
ROUND_TRIPS = 5

LISTENING = AssistSatelliteState.LISTENING
SELECT = "select.kitchen_assistant"


async def opened(entry: MockConfigEntry, emulator: Emulator) -> int:
    """Return how many connections have been opened, with all that are on their way."""
    for _ in range(ROUND_TRIPS):
        await entry.runtime_data.fish.credit()
    return emulator.sockets_opened


@pytest.mark.parametrize("state", [LISTENING, AssistSatelliteState.PROCESSING])
async def test_satellite_wakes_up(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, state: AssistSatelliteState
) -> None:
    """A connection is opened when a satellite wakes up whose pipeline speaks with a voice."""
    engine = entity_id(hass, await add_entry(), "tts")
    satellite = await add_satellite(hass)
    prefer(hass, await add_pipeline(hass, "Fish", engine))
    satellite.wake(state)
    await emulator.wait_for(lambda now: now.sockets_open == 1)
    assert emulator.sessions == []


async def test_satellite_at_rest(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A satellite that rests, answers or goes away opens nothing."""
    entry = await add_entry()
    engine = entity_id(hass, entry, "tts")
    satellite = await add_satellite(hass)
    prefer(hass, await add_pipeline(hass, "Fish", engine))
    satellite.wake(AssistSatelliteState.RESPONDING)
    satellite.wake(AssistSatelliteState.IDLE)
    await satellite.async_remove()
    assert await opened(entry, emulator) == 0


@pytest.mark.parametrize("engine", ["tts.another", None])
async def test_satellite_that_speaks_by_another_engine(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, engine: str | None
) -> None:
    """Fish Audio is not told of a satellite that does not speak by it."""
    entry = await add_entry()
    satellite = await add_satellite(hass)
    prefer(hass, await add_pipeline(hass, "Another", engine))
    satellite.wake(LISTENING)
    assert await opened(entry, emulator) == 0


@pytest.mark.parametrize(
    ("selected", "expected"), [("Fish", 1), ("Another", 0), ("preferred", 0), ("Gone", 0)]
)
async def test_selected_pipeline(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, selected: str, expected: int
) -> None:
    """The satellite's own pipeline counts, and the preferred one only if none is selected."""
    entry = await add_entry()
    engine = entity_id(hass, entry, "tts")
    satellite = await add_satellite(hass)
    await add_pipeline(hass, "Fish", engine)
    prefer(hass, await add_pipeline(hass, "Another", "tts.another"))
    hass.states.async_set(SELECT, selected)
    satellite.wake(LISTENING)
    assert await opened(entry, emulator) == expected


async def test_voice_of_the_pipeline(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """The connection is for the model of the voice that will speak."""
    entry = await add_entry(voice_subentry(), voice_subentry("Coral", voice=CORAL, backend="s1"))
    satellite = await add_satellite(hass)
    prefer(hass, await add_pipeline(hass, "Fish", "tts.coral_speech"))
    satellite.wake(LISTENING)
    # The emulator may know of it first.
    while not entry.runtime_data.fish.status.idle:  # noqa: ASYNC110
        await asyncio.sleep(0)
    await speak(hass, "tts.coral_speech", TEXT)
    assert (emulator.sessions[0].backend, entry.runtime_data.fish.status.acquired_ready) == (
        "s1",
        1,
    )


async def test_satellite_of_another_kind(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A state without a satellite behind it opens nothing, with Assist and without it."""
    entry = await add_entry()
    engine = entity_id(hass, entry, "tts")
    hass.states.async_set("assist_satellite.shed", "listening")
    await add_satellite(hass)
    prefer(hass, await add_pipeline(hass, "Fish", engine))
    hass.states.async_set("assist_satellite.shed", "processing")
    assert await opened(entry, emulator) == 0


async def test_unloaded_voice_follows_no_satellite(
    hass: HomeAssistant, add_entry: AddEntry
) -> None:
    """Unloading the account ends what listens to satellites."""
    await add_satellite(hass)
    before = hass.bus.async_listeners().get(EVENT_STATE_CHANGED, 0)
    entry = await add_entry()
    assert hass.bus.async_listeners()[EVENT_STATE_CHANGED] > before
    await hass.config_entries.async_unload(entry.entry_id)
    assert hass.bus.async_listeners().get(EVENT_STATE_CHANGED, 0) == before


async def test_options_are_read_without_a_connection(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """What a voice is set to can be read from any thread, and tells Fish Audio nothing."""
    entry = await add_entry()
    engine = entity_id(hass, entry, "tts")
    stream(hass, engine)
    entity = entity_of(hass, engine)
    options = await hass.async_add_executor_job(lambda: entity.default_options)
    assert options is not None
    assert options["backend"] == "s2.1-pro"
    assert await opened(entry, emulator) == 0


async def test_kept_message_opens_no_connection(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """What Home Assistant has kept is played without Fish Audio."""
    entry = await add_entry()
    engine = entity_id(hass, entry, "tts")
    await speak(hass, engine, TEXT)
    await hass.async_block_till_done(wait_background_tasks=True)
    await hass.config_entries.async_reload(entry.entry_id)
    await emulator.wait_for(lambda now: now.sockets_open == 0)
    before = emulator.sockets_opened
    await speak(hass, engine, TEXT)
    assert await opened(entry, emulator) == before
    assert len(emulator.sessions) == 1


async def test_message_for_another_model(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A message that names a model opens a connection for that one alone."""
    entry = await add_entry()
    await speak(hass, entity_id(hass, entry, "tts"), TEXT, backend="s2-pro")
    assert await opened(entry, emulator) == 1
    assert [session.backend for session in emulator.sessions] == ["s2-pro"]


async def test_prewarming_can_be_turned_off(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """With the option off, a connection is opened only for text that is there."""
    entry = await add_entry()
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    assert flow["step_id"] == "init"
    assert chosen(flow, "prewarm") is True
    await hass.config_entries.options.async_configure(flow["flow_id"], {"prewarm": False})
    await hass.async_block_till_done()
    engine = entity_id(hass, entry, "tts")
    satellite = await add_satellite(hass)
    prefer(hass, await add_pipeline(hass, "Fish", engine))
    satellite.wake(LISTENING)
    assert await opened(entry, emulator) == 0
    result = stream(hass, engine)
    begun, is_written = asyncio.Event(), asyncio.Event()

    async def text() -> AsyncGenerator[str]:
        begun.set()
        await is_written.wait()
        yield TEXT

    result.async_set_message_stream(text())
    await begun.wait()
    assert await opened(entry, emulator) == 0
    is_written.set()
    assert [chunk async for chunk in result.async_stream_result()]
    assert emulator.sockets_opened == 1
