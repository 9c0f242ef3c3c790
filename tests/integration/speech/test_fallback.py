"""The fallback voice: another text-to-speech entity, for when Fish Audio cannot speak."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from homeassistant.components import tts
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.wyoming_fish.const import DOMAIN
from custom_components.wyoming_fish.fish.errors import TextTimeoutError
from tests.integration.conftest import AddEntry, voice_subentry
from tests.integration.support.audio import (
    described,
    each_format,
    fetch,
)
from tests.integration.support.piper import (
    NO_CREDIT,
    PIPER,
    Piper,
    is_piper,
    run_piper,
    select_fallback,
)
from tests.integration.support.speech import TEXT, speak, stream, text_in
from wyoming_fish.emulator import Emulator, Fault

PROBLEM = "event.kelp_reply_problem"


@pytest.fixture
async def piper(
    hass: HomeAssistant, socket_enabled: None, unused_tcp_port: int
) -> AsyncIterator[Piper]:
    """A voice that needs no Fish Audio."""
    async with run_piper(hass, unused_tcp_port) as piper:
        yield piper


@pytest.mark.parametrize(
    "fault",
    [
        Fault("upgrade", 401, times=None),
        NO_CREDIT,
        Fault("upgrade", 400, times=None),
        Fault("start", "error", times=None),
        Fault("start", "silent", times=None),
    ],
    ids=lambda fault: f"{fault.point}-{fault.kind}",
)
@pytest.mark.parametrize("message", [TEXT, ("The lamps ", "are on.")], ids=["plain", "streamed"])
async def test_fallback_voice_speaks(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    piper: Piper,
    fault: Fault,
    message: str | tuple[str, ...],
) -> None:
    """Whatever keeps Fish Audio from its first sample, the whole reply is spoken."""
    engine = await select_fallback(hass, await add_entry())
    emulator.settings.faults.append(fault)
    assert await is_piper(await speak(hass, engine, message))
    assert piper.texts == ["".join(message)]


async def test_fallback_voice_speaks_in_time(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    piper: Piper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It speaks before a player gives up on Fish Audio's first sample."""
    monkeypatch.setattr("custom_components.wyoming_fish.speech.synthesis.FALLBACK_AFTER_S", 0.3)
    engine = await select_fallback(hass, await add_entry())
    emulator.settings.faults.append(Fault("start", "stall", times=None))
    assert await is_piper(await speak(hass, engine, TEXT))


@each_format
async def test_fallback_voice_in_every_format(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    hass_client: ClientSessionGenerator,
    piper: Piper,
    options: dict[str, Any],
) -> None:
    """A player gets the format that it asked for."""
    engine = await select_fallback(hass, await add_entry())
    emulator.settings.faults.append(NO_CREDIT)
    status, audio = await fetch(await hass_client(), engine, TEXT, **options)
    assert status == 200
    assert await is_piper(audio)
    rate = options.get("preferred_sample_rate", 44100)
    assert f"{rate} Hz, mono" in await described(audio)


async def test_fallback_voice_gets_cleaned_text(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, piper: Piper
) -> None:
    """It is not given markup, emoji, styles, or cues, which it would read aloud."""
    engine = await select_fallback(hass, await add_entry(voice_subentry(style="calm")))
    emulator.settings.faults.append(NO_CREDIT)
    await speak(
        hass,
        engine,
        (
            "[whisper] **Hi** ",
            "👍 there.",
        ),
    )
    await speak(hass, engine, "<speak>Hi <break/>there.</speak>")
    assert [" ".join(text.split()) for text in piper.texts] == ["Hi there.", "Hi there."]


async def test_language_of_the_fallback_voice(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, piper: Piper
) -> None:
    """It speaks the language of the message if it can, and its own if it cannot."""
    engine = await select_fallback(hass, await add_entry())
    emulator.settings.faults.append(NO_CREDIT)
    for language in ("de-AT", "ja"):
        result = tts.async_create_stream(hass, engine, language, {"preferred_format": "wav"})
        result.async_set_message(TEXT)
        assert [chunk async for chunk in result.async_stream_result()]
    assert len(piper.texts) == 2


async def test_fallback_is_reported_once(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    piper: Piper,
    issue_registry: ir.IssueRegistry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One line in the log and one repair until Fish Audio speaks again, and an event each time."""
    entry = await add_entry()
    engine = await select_fallback(hass, entry)
    issue_id = f"fallback_active_{entry.entry_id}"
    emulator.settings.faults.append(NO_CREDIT)
    events = []
    for text in ("One.", "Two."):
        await speak(hass, engine, text)
        state = hass.states.get(PROBLEM)
        assert state is not None
        events.append((state.state, state.attributes["event_type"], state.attributes["error"]))
    assert [event[1:] for event in events] == [("fallback", "no_credit")] * 2
    assert events[0][0] != events[1][0]
    assert caplog.text.count(f"Using the fallback voice {PIPER}") == 1
    issue = issue_registry.async_get_issue(DOMAIN, issue_id)
    assert issue is not None
    assert issue.translation_placeholders == {"account": "Fish Audio", "fallback": r"tts\.piper"}
    assert issue_registry.async_get_issue(DOMAIN, f"no_credit_{entry.entry_id}") is not None

    emulator.settings.faults.clear()
    await speak(hass, engine, "Three.")
    assert issue_registry.async_get_issue(DOMAIN, issue_id) is None
    again = [line for line in caplog.records if "Fish Audio can speak again" in line.getMessage()]
    # A recovery is not a warning.
    assert [line.levelname for line in again] == ["INFO"]


async def test_repair_ends_with_the_option(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    piper: Piper,
    issue_registry: ir.IssueRegistry,
) -> None:
    """Without a fallback voice, nobody is told of it, and a failure is an error again."""
    entry = await add_entry()
    engine = await select_fallback(hass, entry)
    emulator.settings.faults.append(NO_CREDIT)
    await speak(hass, engine, TEXT)
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    await hass.config_entries.options.async_configure(flow["flow_id"], {})
    await hass.async_block_till_done()
    assert issue_registry.async_get_issue(DOMAIN, f"fallback_active_{entry.entry_id}") is None
    with pytest.raises(HomeAssistantError, match="credit"):
        await speak(hass, engine, TEXT)


async def test_fallback_voice_is_not_kept(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, piper: Piper
) -> None:
    """A message is spoken by Fish Audio again as soon as it can, also after a restart."""
    entry = await add_entry()
    engine = await select_fallback(hass, entry)
    emulator.settings.faults.append(NO_CREDIT)
    assert await is_piper(await speak(hass, engine, TEXT))
    await hass.async_block_till_done(wait_background_tasks=True)
    emulator.settings.faults.clear()
    await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert text_in(await speak(hass, engine, TEXT)).strip() == TEXT
    # What Fish Audio has spoken is kept.
    await hass.async_block_till_done(wait_background_tasks=True)
    await speak(hass, engine, TEXT)
    assert (len(emulator.sessions), len(piper.texts)) == (1, 1)


async def test_streamed_reply_changes_no_kept_message(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, piper: Piper
) -> None:
    """Home Assistant keeps only plain messages, so those of Fish Audio stay valid."""
    engine = await select_fallback(hass, await add_entry())
    await speak(hass, engine, TEXT)
    emulator.settings.faults.append(Fault("start", "error", times=None))
    assert await is_piper(await speak(hass, engine, ("The lamps ", "are on.")))
    await hass.async_block_till_done(wait_background_tasks=True)
    sessions = len(emulator.sessions)
    assert text_in(await speak(hass, engine, TEXT)).strip() == TEXT
    assert (len(emulator.sessions), len(piper.texts)) == (sessions, 1)


async def test_fallback_voice_does_not_finish_a_reply(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, piper: Piper
) -> None:
    """A reply that breaks off does not go on in another voice."""
    engine = await select_fallback(hass, await add_entry())
    emulator.settings.faults.append(Fault("audio", "close", at=1))
    with pytest.raises(HomeAssistantError):
        await speak(hass, engine, TEXT)
    assert piper.texts == []


async def test_fallback_voice_is_not_used_for_options(
    hass: HomeAssistant, add_entry: AddEntry, piper: Piper
) -> None:
    """An option that is not valid is an error of its message."""
    engine = await select_fallback(hass, await add_entry())
    with pytest.raises(HomeAssistantError, match="speed"):
        await speak(hass, engine, TEXT, speed=9)
    assert piper.texts == []


async def test_text_that_never_ends(hass: HomeAssistant, add_entry: AddEntry, piper: Piper) -> None:
    """No voice can speak a text that does not come."""
    engine = await select_fallback(hass, await add_entry())

    async def text() -> AsyncGenerator[str]:
        yield ""
        raise TextTimeoutError("No text for minutes.")

    result = stream(hass, engine)
    result.async_set_message_stream(text())
    with pytest.raises(HomeAssistantError) as raised:
        assert [chunk async for chunk in result.async_stream_result()]
    assert raised.value.translation_key == "text_timeout"
    assert piper.texts == []


@pytest.mark.parametrize("fallback_voice", [PIPER, "tts.removed"])
async def test_fallback_voice_fails_too(  # noqa: PLR0917
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    hass_client: ClientSessionGenerator,
    piper: Piper,
    caplog: pytest.LogCaptureFixture,
    fallback_voice: str,
) -> None:
    """The player gets Fish Audio's error, and the log says what both of them said."""
    engine = await select_fallback(hass, await add_entry(), fallback_voice)
    piper.is_silent = True
    emulator.settings.faults.append(NO_CREDIT)
    assert await fetch(await hass_client(), engine, TEXT) == (500, b"")
    assert f"The fallback voice {fallback_voice} could not speak" in caplog.text
    assert "Top it up under Billing" in caplog.text
    state = hass.states.get(PROBLEM)
    assert state is not None
    assert (state.attributes["event_type"], state.attributes["error"]) == ("failed", "no_credit")


async def test_pause_before_the_fallback_voice(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    piper: Piper,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The pause before the fallback voice speaks is bridged while its text is written."""
    monkeypatch.setattr("custom_components.wyoming_fish.fish.synthesis.keepalive.LEAD_S", 0.2)
    engine = await select_fallback(hass, await add_entry())
    emulator.settings.faults.append(NO_CREDIT)
    is_bridged = asyncio.Event()

    async def text() -> AsyncGenerator[str]:
        yield "The lamps are on. "
        await is_bridged.wait()
        yield "It will rain."

    result = stream(hass, engine)
    result.async_set_message_stream(text())
    async for chunk in result.async_stream_result():
        if chunk and not any(chunk[44:]):
            is_bridged.set()
    assert [" ".join(spoken.split()) for spoken in piper.texts] == [
        "The lamps are on. It will rain."
    ]


async def test_account_is_unloaded_before_the_fallback_voice_speaks(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    piper: Piper,
    issue_registry: ir.IssueRegistry,
) -> None:
    """The reply is spoken, and nobody is told of an account that is not set up any more."""
    entry = await add_entry()
    engine = await select_fallback(hass, entry)
    emulator.settings.faults.append(NO_CREDIT)
    is_unloaded = asyncio.Event()

    async def text() -> AsyncGenerator[str]:
        yield "The lamps "
        await is_unloaded.wait()
        yield "are on."

    result = stream(hass, engine)
    result.async_set_message_stream(text())
    await hass.config_entries.async_unload(entry.entry_id)
    is_unloaded.set()
    assert [chunk async for chunk in result.async_stream_result()]
    assert piper.texts == ["The lamps are on."]
    assert issue_registry.async_get_issue(DOMAIN, f"fallback_active_{entry.entry_id}") is None
