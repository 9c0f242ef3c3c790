"""What a player gets from Home Assistant, in each format."""

import asyncio
from collections.abc import AsyncGenerator
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest
from homeassistant.components import tts
from homeassistant.components.tts.const import DATA_TTS_MANAGER
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.wyoming_fish.const import DOMAIN
from custom_components.wyoming_fish.fish.errors import TextTimeoutError
from custom_components.wyoming_fish.speech.audio import AudioFile
from tests.integration.conftest import AddEntry, entity_id
from tests.integration.support.audio import (
    FORMATS,
    RATE,
    decode,
    described,
    each_format,
    fetch,
    likeness,
)
from tests.integration.support.speech import TEXT, speak, stream
from wyoming_fish.emulator import Emulator, Fault


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


async def test_failure_amid_a_reply(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    hass_client: ClientSessionGenerator,
) -> None:
    """A message that breaks off is an error, and not kept."""
    engine = entity_id(hass, await add_entry(), "tts")
    emulator.settings.voice = "tone"
    emulator.settings.faults.append(Fault("audio", "drop", at=1))
    status, audio = await fetch(await hass_client(), engine, TEXT)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert (status, bool(audio), kept(hass)) == (200, True, [])


async def test_reply_that_breaks_off_ends(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A reply that breaks off while it is written ends at the player, and is in the log."""
    engine = entity_id(hass, await add_entry(), "tts")
    for message in (["The lamps ", "are on. It will rain."], "The lamps are on. It will rain."):
        emulator.settings.faults.append(Fault("audio", "close", at=1))
        if isinstance(message, str):
            with pytest.raises(HomeAssistantError):
                await speak(hass, engine, message)
        else:
            assert await speak(hass, engine, message)
    assert caplog.text.count("Fish Audio could not speak") == 2
    assert kept(hass) == []


async def test_reply_that_breaks_off_before_its_text_ends(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A first piece can be a whole sentence: the player's audio is ended all the same."""

    async def text() -> AsyncGenerator[str]:
        yield "The lamps are on. It will rain. And"
        await asyncio.Event().wait()

    reply = stream(hass, entity_id(hass, await add_entry(), "tts"))
    emulator.settings.faults.append(Fault("audio", "close", at=1))
    reply.async_set_message_stream(text())
    assert b"".join([chunk async for chunk in reply.async_stream_result()])


@each_format
async def test_every_format_is_what_was_spoken(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    hass_client: ClientSessionGenerator,
    options: dict[str, Any],
) -> None:
    """Decoded, a reply sounds like what Fish Audio has spoken, and as the player asked for."""
    engine = entity_id(hass, await add_entry(), "tts")
    emulator.settings.voice = "tone"
    status, audio = await fetch(await hass_client(), engine, TEXT, **options)
    assert status == 200
    spoken = await decode(await speak(hass, engine, TEXT))
    assert likeness(await decode(audio), spoken) > 0.99
    rate = options.get("preferred_sample_rate", 44100)
    assert f"{rate} Hz, mono" in await described(audio)


@pytest.mark.parametrize("options", FORMATS[1:6])
async def test_short_phrase_is_heard_at_once(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, options: dict[str, Any]
) -> None:
    """What is said before a tool is called is heard while the tool works, in every format."""
    engine = entity_id(hass, await add_entry(), "tts")
    emulator.settings.voice = "tone"
    heard = asyncio.Event()

    async def reply() -> AsyncGenerator[str]:
        yield "Sure. "
        await heard.wait()
        yield "It is nine o'clock."

    result = tts.async_create_stream(hass, engine, options=options)
    result.async_set_message_stream(reply())
    audio = b""
    async for chunk in result.async_stream_result():
        audio += chunk
        if not heard.is_set() and (await decode(audio, strict=False)).any():
            heard.set()
    # What pushed the phrase out of the encoder lies between the two.
    first = await decode(await speak(hass, engine, "Sure."))
    second = await decode(await speak(hass, engine, "It is nine o'clock."))
    whole = await decode(audio)
    assert likeness(whole[: len(first)], first) > 0.99
    assert likeness(whole[-len(second) :], second) > 0.99


async def test_pause_is_bridged(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """Players get a little silence while the text pauses: they give up without a byte."""
    engine = entity_id(hass, await add_entry(), "tts")
    bridged = asyncio.Event()

    async def reply() -> AsyncGenerator[str]:
        yield "Sure. "
        await bridged.wait()
        yield "It is nine o'clock."

    result = tts.async_create_stream(hass, engine, options={"preferred_format": "wav"})
    result.async_set_message_stream(reply())
    async for chunk in result.async_stream_result():
        if not any(chunk):
            bridged.set()
    assert len(emulator.sessions) == 1


@pytest.mark.parametrize("options", FORMATS[:6])
async def test_each_silence_comes_through(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
) -> None:
    """In a pause, the converter gives something for each silence, so that no player gives up."""
    every, wanted = 0.5, 6
    monkeypatch.setattr(
        "custom_components.wyoming_fish.speech.synthesis.KEEPALIVE_INTERVAL_S", every
    )
    engine = entity_id(hass, await add_entry(), "tts")
    emulator.settings.voice = "tone"
    enough = asyncio.Event()
    loop = asyncio.get_running_loop()
    at: list[float] = []

    async def reply() -> AsyncGenerator[str]:
        yield "Sure. "
        await enough.wait()
        yield "It is nine o'clock."

    result = tts.async_create_stream(hass, engine, options=options)
    result.async_set_message_stream(reply())
    async for _ in result.async_stream_result():
        # What is converted of one silence may come in several parts.
        if not at or loop.time() - at[-1] > every / 3:
            at.append(loop.time())
        if len(at) == wanted:
            enough.set()
    # A silence that gives nothing is a gap twice as long.
    assert max(later - earlier for earlier, later in pairwise(at[:wanted])) < 1.8 * every


@pytest.mark.parametrize(("rate", "asked"), [(16000, 16000), (8000, 8000), (22050, 44100)])
async def test_rate_is_asked_for(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, rate: int, asked: int
) -> None:
    """Fish Audio speaks at the rate that a player wants, if it has that rate."""
    engine = entity_id(hass, await add_entry(), "tts")
    await speak(hass, engine, TEXT, preferred_sample_rate=rate)
    assert emulator.sessions[0].request["sample_rate"] == asked


@pytest.mark.parametrize(
    ("options", "converted", "passed"),
    [
        ({}, ("caf", 44100), ("caf", 44100)),
        ({"preferred_format": "wav"}, ("wav", 44100), ("wav", 44100)),
        (FORMATS[1], ("caf", 44100), ("caf", 44100)),
        (FORMATS[2], ("caf", 16000), ("wav", 16000)),
        (FORMATS[2] | {"preferred_sample_channels": 2}, ("caf", 16000), ("caf", 16000)),
        (FORMATS[2] | {"preferred_sample_bytes": 1}, ("caf", 16000), ("caf", 16000)),
        (FORMATS[4], ("caf", 44100), ("caf", 44100)),
    ],
)
def test_only_what_is_not_converted_is_wav(
    options: dict[str, Any], converted: tuple[str, int], passed: tuple[str, int]
) -> None:
    """A WAV is handed over if it is what the player wants, for each release's idea of that."""
    for passes, expected in ((False, converted), (True, passed)):
        file = AudioFile.for_options(options, passes_preferred_wav=passes)
        assert (file.extension, file.sample_rate) == expected


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
    assert 0.2 < len(samples) / RATE < 0.5
    assert not samples.any()
    assert emulator.sessions == []


async def test_abandoned_reply(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    issue_registry: ir.IssueRegistry,
) -> None:
    """A reply whose text is given up leaves no session, no converter, and no repair."""
    engine = entity_id(hass, await add_entry(), "tts")
    # On a busy machine, the converter of an earlier test may still be ending.
    earlier = set(psutil.Process().children())
    heard = asyncio.Event()

    async def reply() -> AsyncGenerator[str]:
        yield TEXT
        await heard.wait()
        raise TextTimeoutError("No text for minutes.")

    result = tts.async_create_stream(hass, engine, options={"preferred_format": "mp3"})
    result.async_set_message_stream(reply())
    converters: set[psutil.Process] = set()

    async def play() -> None:
        async for _ in result.async_stream_result():
            converters.update(set(psutil.Process().children()) - earlier)
            heard.set()

    with pytest.raises(HomeAssistantError) as raised:
        await play()
    assert raised.value.translation_key == "text_timeout"
    await emulator.wait_for(lambda state: state.sessions_open == 0)
    _, alive = await hass.async_add_executor_job(psutil.wait_procs, converters, 5)
    assert (len(converters), alive) == (1, [])
    assert not [issue for issue in issue_registry.issues if issue[0] == DOMAIN]
    assert kept(hass) == []
