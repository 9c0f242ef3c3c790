"""The account's flow when it is set up."""

from decimal import Decimal
from typing import Any

import pytest
from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, UnknownFlow
from pytest_homeassistant_custom_component.test_util.aiohttp import AiohttpClientMocker

from custom_components.wyoming_fish.const import DOMAIN
from custom_components.wyoming_fish.speech.options import VOICE_DEFAULTS
from tests.integration.conftest import (
    CORAL,
    KEY,
    STARFISH,
    USER_ID,
    AddEntry,
    entity_id,
    state_of,
    voice_data,
)
from tests.integration.support.flows import SETTINGS, begin, chosen, listed, log_in, submit
from tests.integration.support.speech import speak, text_in
from wyoming_fish.emulator import Emulator, Fault
from wyoming_fish.emulator.fish_speech import FishSpeechEmulator
from wyoming_fish.emulator.openai_speech import OpenAiSpeechEmulator


async def test_whole_set_up(hass: HomeAssistant, emulator: Emulator) -> None:
    """One flow asks for the key, finds a voice and ends with an entity that speaks."""
    flow = await log_in(hass, f" {emulator.url}/ ", f" {KEY}\n")
    assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "search")
    flow = await submit(hass, flow, name_filter="coral", self_only=True)
    assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "voice")
    assert chosen(flow, "voice") == CORAL
    flow = await submit(
        hass,
        flow,
        voice=CORAL,
        backend="s2-pro",
        latency="low",
        speed=1.25,
        text_processing={"style": "calm", "emoji": "name"},
        sampling={},
    )
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()

    entry = flow["result"]
    assert state_of(entry) is ConfigEntryState.LOADED
    assert (entry.title, entry.unique_id) == ("Fish Audio (4d1f0c9b)", USER_ID)
    assert entry.data == {"api_key": KEY, "base_url": emulator.url}
    (voice,) = entry.subentries.values()
    assert (voice.subentry_type, voice.title) == ("voice", "Coral")
    assert voice.data == dict(VOICE_DEFAULTS) | voice_data(
        CORAL, backend="s2-pro", latency="low", speed=1.25, style="calm", emoji="name"
    )
    wav = await speak(hass, entity_id(hass, entry, "tts"), "Hello there.")
    assert text_in(wav).strip() == "[calm] Hello there."
    assert await hass.config_entries.async_unload(entry.entry_id)


async def set_up(hass: HomeAssistant, flow: ConfigFlowResult, **answer: Any) -> None:
    """Send the last form, and wait until the entry is set up; it is removed again."""
    flow = await submit(hass, flow, **SETTINGS, **answer)
    assert flow["type"] is FlowResultType.CREATE_ENTRY, flow
    await hass.async_block_till_done()
    assert state_of(flow["result"]) is ConfigEntryState.LOADED
    await hass.config_entries.async_unload(flow["result"].entry_id)


async def test_what_is_read_out_must_make_sense(hass: HomeAssistant, emulator: Emulator) -> None:
    """A mistake in the last form is told, and the form stays as it was filled in."""
    flow = await submit(hass, await log_in(hass, emulator.url))
    reading = {"pronunciations": "HACS hacks"}
    flow = await submit(
        hass, flow, voice=STARFISH, **SETTINGS | {"text_processing": reading, "speed": 1.5}
    )
    assert (flow["step_id"], flow["errors"]) == ("voice", {"base": "pronunciation_invalid"})
    assert flow["description_placeholders"] is not None
    assert flow["description_placeholders"]["line"] == "1"
    assert (chosen(flow, "voice"), chosen(flow, "speed")) == (STARFISH, 1.5)
    await set_up(hass, flow, voice=STARFISH)


async def test_voices_of_everyone(hass: HomeAssistant, emulator: Emulator) -> None:
    """Without a name the most used voices are listed, each with its sample to hear."""
    flow = await submit(hass, await log_in(hass, emulator.url))
    assert listed(flow) == [
        "Étoile de mer · fr · 98,211 ×",
        "汐 · zh, ja · 50,007 ×",
        "Coral · de · 15,230 ×",
    ]
    assert flow["description_placeholders"] is not None
    samples = flow["description_placeholders"]["samples"].split(" · ")
    assert samples[0] == f"[Étoile de mer]({emulator.url}/sample/{STARFISH}.wav)"
    await set_up(hass, flow, voice=STARFISH)
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    (voice,) = entry.subentries.values()
    assert voice.title == "Étoile de mer"


@pytest.mark.parametrize("title", [CORAL, f"https://fish.audio/m/{CORAL}/"])
async def test_voice_by_its_id(hass: HomeAssistant, emulator: Emulator, title: str) -> None:
    """A voice is found by its id, and by the address of its page."""
    flow = await submit(hass, await log_in(hass, emulator.url), name_filter=title)
    assert (chosen(flow, "voice"), listed(flow)) == (CORAL, ["Coral · en, de · 77 ×"])


async def test_voices_by_language(hass: HomeAssistant, emulator: Emulator) -> None:
    """Home Assistant's code of a language is asked for by Fish's own."""
    flow = await submit(hass, await log_in(hass, emulator.url), language="nb")
    assert flow["errors"] == {"base": "no_voice_found"}
    assert emulator.requests[-1].query["language"] == "no"
    flow = await submit(hass, flow, language="ja")
    assert listed(flow) == ["汐 · zh, ja · 50,007 ×"]


async def test_no_voice_found(hass: HomeAssistant, emulator: Emulator) -> None:
    """Where nothing is found, the search is there again with what was asked."""
    flow = await log_in(hass, emulator.url)
    for title in ("Nobody", "0" * 32):
        flow = await submit(hass, flow, name_filter=title)
        assert (flow["step_id"], flow["errors"]) == ("search", {"base": "no_voice_found"})
        assert chosen(flow, "name_filter") == title


async def test_default_voice(hass: HomeAssistant, emulator: Emulator) -> None:
    """Without a voice, Fish's own default speaks."""
    flow = await submit(hass, await log_in(hass, emulator.url))
    await set_up(hass, flow)
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    (voice,) = entry.subentries.values()
    assert (voice.title, voice.data["voice"]) == ("Fish Audio", None)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (503, "cannot_connect"),
        ("drop", "cannot_connect"),
        (418, "not_fish"),
        (401, "invalid_auth"),
        (429, "limit"),
    ],
)
async def test_errors_are_told_and_mended(
    hass: HomeAssistant, emulator: Emulator, fault: int | Any, error: str
) -> None:
    """Each form says what is wrong in words, and goes on when it is mended."""
    emulator.settings.faults.append(Fault("rest", fault, times=None))
    flow = await log_in(hass, emulator.url)
    assert (flow["step_id"], flow["errors"]) == ("user", {"base": error})
    assert chosen(flow, "api_key") == KEY
    assert flow["data_schema"] is not None
    (address,) = flow["data_schema"].schema["advanced"].schema.schema
    assert address.description == {"suggested_value": emulator.url}
    emulator.settings.faults.clear()
    flow = await submit(hass, flow, api_key=KEY, advanced={"base_url": emulator.url})
    assert flow["step_id"] == "search"

    emulator.settings.faults.append(Fault("rest", fault, times=None))
    flow = await submit(hass, flow)
    assert (flow["step_id"], flow["errors"]) == ("search", {"base": error})
    emulator.settings.faults.clear()
    flow = await submit(hass, flow)
    await set_up(hass, flow, voice=STARFISH)


@pytest.mark.parametrize(
    ("key", "url", "errors"),
    [
        ("wrong", None, {"base": "invalid_auth"}),
        ("", "https://api.fish.audio", {"api_key": "key_missing"}),
        (None, "https://api.fish.audio", {"api_key": "key_missing"}),
        ("two words", None, {"api_key": "invalid_key"}),
        ("bell\a", None, {"api_key": "invalid_key"}),
        ("clé", None, {"api_key": "invalid_key"}),
        (KEY, "fish.example", {"base": "invalid_url"}),
        (KEY, "http://user:password@127.0.0.1", {"base": "invalid_url"}),
        (KEY, "http://:password@127.0.0.1", {"base": "invalid_url"}),
        (KEY, "http://127.0.0.1:99999", {"base": "invalid_url"}),
        (KEY, "http://\x00", {"base": "invalid_url"}),
        (KEY, "http://127.0.0.1/a b", {"base": "invalid_url"}),
        (KEY, "http://" + 64 * "ä", {"base": "invalid_url"}),
    ],
)
async def test_wrong_key_or_address(
    hass: HomeAssistant,
    emulator: Emulator,
    key: str | None,
    url: str | None,
    errors: dict[str, str],
) -> None:
    """A key or an address that cannot be right is told at its field, and asked for again."""
    answer: dict[str, Any] = {"advanced": {"base_url": url or emulator.url}}
    if key is not None:
        answer["api_key"] = key
    flow = await submit(hass, await begin(hass), **answer)
    assert (flow["step_id"], flow["errors"]) == ("user", errors)
    flow = await submit(hass, flow, api_key=KEY, advanced={"base_url": emulator.url})
    assert flow["step_id"] == "search"


async def test_no_credit(hass: HomeAssistant, emulator: Emulator) -> None:
    """Without API credit, set-up says so and goes on with the free backend."""
    emulator.settings.credit = Decimal(0)
    flow = await log_in(hass, emulator.url)
    assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "no_credit")
    flow = await submit(hass, flow)
    assert flow["step_id"] == "search"
    flow = await submit(hass, flow)
    assert chosen(flow, "backend") == "s2.1-pro-free"


async def test_already_set_up(hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator) -> None:
    """An account is set up once; a further voice is added to it."""
    await add_entry()
    flow = await log_in(hass, emulator.url)
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "already_configured")


async def test_server_of_ones_own(hass: HomeAssistant, emulator: Emulator) -> None:
    """A server without wallets and without a list of voices is known by its address."""
    emulator.settings.faults.append(Fault("rest", 404, times=None))
    flow = await log_in(hass, emulator.url)
    assert flow["step_id"] == "search"
    flow = await submit(hass, flow)
    assert (flow["step_id"], flow["errors"]) == ("voice", {})
    await set_up(hass, flow, voice="butler")
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    assert entry.unique_id == emulator.url
    (voice,) = entry.subentries.values()
    assert (voice.title, voice.data["voice"]) == ("butler", "butler")


@pytest.mark.usefixtures("socket_enabled")
async def test_server_of_ones_own_without_a_key(hass: HomeAssistant) -> None:
    """A self-hosted server needs no key, and a voice of its list can be chosen or typed in."""
    async with FishSpeechEmulator() as server:
        flow = await begin(hass)
        flow = await submit(hass, flow, advanced={"base_url": server.url})
        flow = await submit(hass, flow, name_filter="kelp")
        assert listed(flow) == ["captain kelp"]
        await set_up(hass, flow, voice="typed in")
        (entry,) = hass.config_entries.async_entries(DOMAIN)
        assert entry.data == {"api_key": "", "base_url": server.url}
        (voice,) = entry.subentries.values()
        assert voice.data["voice"] == "typed in"


@pytest.mark.usefixtures("socket_enabled")
async def test_server_with_openais_api_without_a_key(hass: HomeAssistant) -> None:
    """The address is enough, with `/v1` or without it, and the voices are the server's."""
    async with OpenAiSpeechEmulator() as server:
        flow = await begin(hass)
        flow = await submit(hass, flow, advanced={"base_url": f"{server.url}/v1"})
        flow = await submit(hass, flow, name_filter="ann")
        assert listed(flow) == ["anna"]
        await set_up(hass, flow, voice="anna")
        (entry,) = hass.config_entries.async_entries(DOMAIN)
        (voice,) = entry.subentries.values()
        assert voice.data["voice"] == "anna"


async def test_fish_audio_is_never_a_server_of_ones_own(
    hass: HomeAssistant, aioclient_mock: AiohttpClientMocker
) -> None:
    """A 404 from Fish Audio itself is an error, and not the sign of a server without wallets."""
    aioclient_mock.get("https://api.fish.audio/wallet/self/api-credit", status=404)
    flow = await log_in(hass, "https://api.fish.audio")
    assert (flow["step_id"], flow["errors"]) == ("user", {"base": "not_fish"})


async def test_abandoned_set_up(hass: HomeAssistant, emulator: Emulator) -> None:
    """A set-up that was left open neither locks the account out nor adds it twice."""
    abandoned = await submit(hass, await log_in(hass, emulator.url))
    also_abandoned = await log_in(hass, emulator.url)
    flow = await submit(hass, await log_in(hass, emulator.url))
    await set_up(hass, flow, voice=STARFISH)
    for left in (abandoned, also_abandoned):
        with pytest.raises(UnknownFlow):
            await submit(hass, left)
    assert len(hass.config_entries.async_entries(DOMAIN)) == 1
