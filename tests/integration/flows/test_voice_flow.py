"""The flow of further voices, and of changes to them."""

from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType, InvalidData
from homeassistant.helpers import entity_registry as er

from custom_components.wyoming_fish.speech.options import VOICE_DEFAULTS
from tests.integration.conftest import CORAL, KELP, STARFISH, AddEntry, voice_data, voice_subentry
from tests.integration.support.flows import (
    SETTINGS,
    add_voice,
    change_voice,
    chosen,
    listed,
    submit_voice,
)
from tests.integration.support.speech import speak
from wyoming_fish.emulator import EmulatedVoice, Emulator, Fault
from wyoming_fish.emulator.fish_speech import FishSpeechEmulator

# The first voice of a long list.
FIRST = f"{0:032x}"


async def test_another_voice(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """A further voice is found and set up the same way, and speaks at once."""
    entry = await add_entry()
    flow = await add_voice(hass, entry)
    assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "search")
    flow = await submit_voice(hass, flow, name_filter="Coral", self_only=True)
    assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "voice")
    flow = await submit_voice(hass, flow, voice=CORAL, **SETTINGS)
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert [voice.title for voice in entry.subentries.values()] == ["Kelp", "Coral"]
    assert len(hass.states.async_entity_ids("tts")) == 2


async def test_errors_are_told_and_mended(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """Each form says what is wrong, and goes on when it is mended."""
    flow = await add_voice(hass, await add_entry())
    emulator.settings.faults.append(Fault("rest", 503))
    flow = await submit_voice(hass, flow)
    assert (flow["step_id"], flow["errors"]) == ("search", {"base": "cannot_connect"})
    flow = await submit_voice(hass, flow)
    flow = await submit_voice(hass, flow, voice=STARFISH, **SETTINGS)
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()


async def test_a_flow_goes_on_while_its_account_is_set_up_again(
    hass: HomeAssistant, add_entry: AddEntry
) -> None:
    """Another change may reload the account while a person fills in the form."""
    entry = await add_entry()
    flow = await add_voice(hass, entry)
    await hass.config_entries.async_reload(entry.entry_id)
    flow = await submit_voice(hass, flow, name_filter="Coral", self_only=True)
    assert flow["step_id"] == "voice"
    flow = await submit_voice(hass, flow, voice=CORAL, **SETTINGS)
    assert flow["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()


async def test_change_of_settings(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """The settings of a voice are changed without a search; its name stays."""
    entry = await add_entry(voice_subentry(backend="s1", speed=0.9))
    flow = await change_voice(hass, entry)
    assert (flow["type"], flow["step_id"]) == (FlowResultType.MENU, "reconfigure")
    flow = await submit_voice(hass, flow, next_step_id="voice")
    assert listed(flow) == ["Captain Kelp"]
    fields = ("voice", "backend", "latency", "speed")
    assert [chosen(flow, field) for field in fields] == [KELP, "s1", "balanced", 0.9]
    flow = await submit_voice(hass, flow, voice=KELP, **SETTINGS | {"speed": 1.5})
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    await hass.async_block_till_done()
    (voice,) = entry.subentries.values()
    assert (voice.title, voice.data) == ("Kelp", dict(VOICE_DEFAULTS) | voice_data(KELP, speed=1.5))


async def test_what_is_read_out(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A voice learns a style and words, and forgets them when their fields are emptied."""
    entry = await add_entry(voice_subentry(backend="s1"))
    for reading, spoken in (
        ({"style": "calm", "pronunciations": "HACS: hacks"}, "(calm) Open hacks."),
        ({}, "Open HACS."),
    ):
        flow = await submit_voice(hass, await change_voice(hass, entry), next_step_id="voice")
        # S1 knows a list of its own.
        answer = SETTINGS | {"voice": KELP, "backend": "s1"}
        flow = await submit_voice(
            hass, flow, **answer | {"text_processing": {"style": "like a pirate"}}
        )
        assert flow["errors"] == {"base": "style_unknown"}
        flow = await submit_voice(hass, flow, **answer | {"text_processing": reading})
        assert flow["reason"] == "reconfigure_successful"
        await hass.async_block_till_done()
        (voice,) = entry.subentries.values()
        assert voice.data == dict(VOICE_DEFAULTS) | voice_data(KELP, backend="s1") | reading
        await speak(hass, "tts.kelp_speech", "Open **HACS**.")
        assert "".join(emulator.sessions[-1].texts) == spoken


async def test_change_of_voice(
    hass: HomeAssistant, add_entry: AddEntry, entity_registry: er.EntityRegistry
) -> None:
    """An entity gets another voice and stays the same entity."""
    entry = await add_entry()
    before = [
        e.entity_id for e in er.async_entries_for_config_entry(entity_registry, entry.entry_id)
    ]
    flow = await submit_voice(hass, await change_voice(hass, entry), next_step_id="search")
    flow = await submit_voice(hass, flow, name_filter="Étoile")
    assert listed(flow)[0].startswith("Étoile")
    assert chosen(flow, "voice") == STARFISH
    flow = await submit_voice(hass, flow, voice=STARFISH, **SETTINGS)
    assert flow["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    (voice,) = entry.subentries.values()
    assert voice.data["voice"] == STARFISH
    after = [
        e.entity_id for e in er.async_entries_for_config_entry(entity_registry, entry.entry_id)
    ]
    assert after == before


async def test_removed_voice(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """A voice that is removed takes its entities with it."""
    entry = await add_entry(voice_subentry(), voice_subentry("Coral", voice=CORAL))
    hass.config_entries.async_remove_subentry(entry, next(iter(entry.subentries)))
    await hass.async_block_till_done()
    assert [voice.title for voice in entry.subentries.values()] == ["Coral"]
    assert hass.states.async_entity_ids("tts") == ["tts.coral_speech"]


@pytest.mark.parametrize("start", [add_voice, change_voice])
async def test_account_that_is_not_connected(
    hass: HomeAssistant, add_entry: AddEntry, start: Any
) -> None:
    """Voices are not changed while the account is not set up."""
    entry = await add_entry()
    await hass.config_entries.async_unload(entry.entry_id)
    flow = await start(hass, entry)
    assert (flow["type"], flow["reason"]) == (FlowResultType.ABORT, "entry_not_loaded")


@pytest.mark.parametrize(
    ("title", "expected"), [("Captain Kelp", "Étoile de mer"), ("Nickname", "Nickname")]
)
async def test_name_after_a_change_of_voice(
    hass: HomeAssistant, add_entry: AddEntry, title: str, expected: str
) -> None:
    """An entity is named after its voice until a person renames it."""
    entry = await add_entry(voice_subentry(title))
    flow = await submit_voice(hass, await change_voice(hass, entry), next_step_id="search")
    flow = await submit_voice(hass, flow, name_filter=STARFISH)
    await submit_voice(hass, flow, voice=STARFISH, **SETTINGS)
    await hass.async_block_till_done()
    (voice,) = entry.subentries.values()
    assert (voice.title, voice.data["voice"]) == (expected, STARFISH)


async def test_form_with_an_error(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """The form comes back as it was sent, with the error."""
    entry = await add_entry()
    flow = await submit_voice(hass, await change_voice(hass, entry), next_step_id="voice")
    style = {"style": "<odd>"}
    flow = await submit_voice(
        hass, flow, voice=KELP, **SETTINGS | {"text_processing": style, "speed": 1.5}
    )
    assert flow["errors"] == {"base": "style_unknown"}
    assert flow["description_placeholders"] is not None
    assert flow["description_placeholders"]["style"] == "<odd>"
    assert (listed(flow), chosen(flow, "speed")) == (["Captain Kelp"], 1.5)


async def test_default_voice_stays_the_default(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """Fish Audio's default voice has no list to choose from, and nothing can be typed in."""
    entry = await add_entry(voice_subentry("Default", voice=None))
    flow = await submit_voice(hass, await change_voice(hass, entry), next_step_id="voice")
    with pytest.raises(InvalidData):
        await submit_voice(hass, flow, voice="anything", **SETTINGS)
    flow = await submit_voice(hass, flow, **SETTINGS)
    assert flow["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    (voice,) = entry.subentries.values()
    assert (voice.title, voice.data["voice"]) == ("Default", None)


async def test_voice_of_a_server_of_ones_own(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """A self-hosted server's voice is changed by typing in another one."""
    async with FishSpeechEmulator() as server:
        voice = voice_subentry("butler", voice="butler")
        entry = await add_entry(voice, unique_id=server.url, base_url=server.url, api_key="")
        flow = await submit_voice(hass, await change_voice(hass, entry), next_step_id="voice")
        flow = await submit_voice(hass, flow, voice=" coral_2 ", **SETTINGS)
        assert flow["reason"] == "reconfigure_successful"
        await hass.async_block_till_done()
        (changed,) = entry.subentries.values()
        assert (changed.title, changed.data["voice"]) == ("coral_2", "coral_2")


async def test_voice_of_fish_audio_cannot_be_typed_in(
    hass: HomeAssistant, add_entry: AddEntry
) -> None:
    """A voice of Fish Audio is one of the list."""
    flow = await submit_voice(hass, await add_voice(hass, await add_entry()))
    with pytest.raises(InvalidData):
        await submit_voice(hass, flow, voice="anything", **SETTINGS)


@pytest.mark.parametrize(("speed", "fits"), [(0.4, False), (0.5, True), (2, True), (2.1, False)])
async def test_speeds(hass: HomeAssistant, add_entry: AddEntry, speed: float, fits: bool) -> None:
    """A voice can be set to the speeds that Fish Audio has."""
    entry = await add_entry()
    flow = await submit_voice(hass, await change_voice(hass, entry), next_step_id="voice")
    answer = {"voice": KELP, **SETTINGS, "speed": speed}
    if not fits:
        with pytest.raises(InvalidData):
            await submit_voice(hass, flow, **answer)
        return
    flow = await submit_voice(hass, flow, **answer)
    assert flow["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()


async def test_long_list(hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator) -> None:
    """The list has 30 voices, and 30 more each time until all are shown."""
    emulator.settings.voices = tuple(
        EmulatedVoice(f"{number:032x}", f"Voice {number}", ("en",)) for number in range(70)
    )
    flow = await submit_voice(hass, await add_voice(hass, await add_entry()))
    counts = [len(listed(flow))]
    for _ in range(2):
        flow = await submit_voice(hass, flow, voice=FIRST, **SETTINGS | {"speed": 1.5}, next="more")
        assert (flow["step_id"], flow["errors"]) == ("voice", {})
        assert (chosen(flow, "voice"), chosen(flow, "speed")) == (FIRST, 1.5)
        counts.append(len(listed(flow)))
    assert counts == [30, 60, 70]
    with pytest.raises(InvalidData):
        await submit_voice(hass, flow, voice=FIRST, **SETTINGS, next="more")


async def test_more_voices_of_a_language(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """The list for a language grows, too, and an error while it grows is told."""
    emulator.settings.voices = tuple(
        EmulatedVoice(f"{number:032x}", f"Voice {number}", ("de",)) for number in range(40)
    )
    flow = await submit_voice(
        hass, await change_voice(hass, await add_entry()), next_step_id="language"
    )
    flow = await submit_voice(hass, flow, language="de")
    emulator.settings.faults.append(Fault("rest", 503))
    flow = await submit_voice(hass, flow, voice=FIRST, next="more")
    assert (flow["step_id"], flow["errors"]) == ("language_voice", {"base": "cannot_connect"})
    flow = await submit_voice(hass, flow, voice=FIRST, next="more")
    assert (flow["errors"], len(listed(flow)), chosen(flow, "voice")) == ({}, 40, FIRST)


@pytest.mark.parametrize(
    ("sort", "first"), [("task_count", "Étoile"), ("created_at", "汐"), ("score", "Étoile")]
)
async def test_order_of_voices(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, sort: str, first: str
) -> None:
    """Voices are sorted by their use, their age, or Fish Audio's score."""
    flow = await submit_voice(hass, await add_voice(hass, await add_entry()), sort=sort)
    assert emulator.requests[-1].query["sort_by"] == sort
    assert listed(flow)[0].startswith(first)


async def test_voice_of_a_language(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A language gets a voice of its own, and loses it when the field is cleared."""
    entry = await add_entry()
    for answer, stored in (({"voice": CORAL}, {"de": CORAL}), ({}, {})):
        flow = await submit_voice(hass, await change_voice(hass, entry), next_step_id="language")
        assert (flow["type"], flow["step_id"]) == (FlowResultType.FORM, "language")
        flow = await submit_voice(hass, flow, language="nb")
        assert flow["errors"] == {"base": "no_voice_found"}
        flow = await submit_voice(hass, flow, language="de", self_only=True)
        assert (flow["step_id"], chosen(flow, "voice")) == ("language_voice", CORAL)
        flow = await submit_voice(hass, flow, **answer)
        assert flow["reason"] == "reconfigure_successful"
        await hass.async_block_till_done()
        (voice,) = entry.subentries.values()
        assert voice.data == voice_data() | {"language_voices": stored}


async def test_present_voice_of_a_language(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """The form has the present voice, and other changes leave the voices of languages alone."""
    entry = await add_entry(voice_subentry(language_voices={"de": STARFISH}))
    flow = await submit_voice(hass, await change_voice(hass, entry), next_step_id="language")
    flow = await submit_voice(hass, flow, language="de")
    assert chosen(flow, "voice") == STARFISH
    assert listed(flow)[0] == "Étoile de mer"
    flow = await submit_voice(hass, await change_voice(hass, entry), next_step_id="voice")
    await submit_voice(hass, flow, voice=KELP, **SETTINGS | {"speed": 1.5})
    await hass.async_block_till_done()
    (voice,) = entry.subentries.values()
    assert (voice.data["speed"], voice.data["language_voices"]) == (1.5, {"de": STARFISH})
