"""Languages and voices: what is listed, and what a message may name."""

import pytest
from homeassistant.components import tts
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from tests.integration.conftest import CORAL, KELP, STARFISH, AddEntry, entity_id, voice_subentry
from tests.integration.support.speech import TEXT, entity_of, speak, text_in
from wyoming_fish.emulator import Emulator
from wyoming_fish.emulator.fish_speech import FishSpeechEmulator
from wyoming_fish.emulator.openai_speech import OpenAiSpeechEmulator


async def test_languages_and_voices(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """The account's voices are listed by language, the chosen one first and everywhere."""
    entry = await add_entry(voice_subentry(title="Starfish", voice=STARFISH))
    entity = entity_of(hass, entity_id(hass, entry, "tts"))
    assert entity.default_language == "en"
    assert {"en", "nb", "jv", "de"} <= set(entity.supported_languages)
    assert not {"no", "jw"} & set(entity.supported_languages)

    def listed(language: str) -> list[str]:
        return [voice.name for voice in entity.async_get_supported_voices(language) or ()]

    assert listed("en") == ["Étoile de mer", "Captain Kelp", "Coral", "Old Harbour"]
    assert listed("de") == ["Étoile de mer", "Coral", "Old Harbour"]
    assert listed("ja") == ["Étoile de mer", "Old Harbour"]


async def test_default_language_follows_the_household(
    hass: HomeAssistant, add_entry: AddEntry
) -> None:
    """It is the household's, without its region, where the backend speaks it, else English."""
    entry = await add_entry(voice_subentry(backend="s1"))
    entity = entity_of(hass, entity_id(hass, entry, "tts"))
    for household, language in (
        ("de", "de"),
        ("zh-Hans", "zh"),
        ("pt-BR", "pt"),
        ("es-419", "es"),
        ("en-GB", "en"),
        ("nb", "en"),
    ):
        hass.config.language = household
        assert entity.default_language == language


@pytest.mark.parametrize("language", ["en-US", "de-DE", "zh_CN", "nb-NO", "no", "pt-BR", "EN"])
async def test_regional_languages(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, language: str
) -> None:
    """A language with a region is spoken as the language."""
    engine = entity_id(hass, await add_entry(), "tts")
    result = tts.async_create_stream(hass, engine, language, {"preferred_format": "wav"})
    result.async_set_message(TEXT)
    wav = b"".join([chunk async for chunk in result.async_stream_result()])
    assert text_in(wav).strip() == TEXT


@pytest.mark.parametrize("language", ["tlh", "xx-DE", ""])
async def test_languages_that_are_not_spoken(
    hass: HomeAssistant, add_entry: AddEntry, language: str
) -> None:
    """Another language is refused as before."""
    entity = entity_of(hass, entity_id(hass, await add_entry(), "tts"))
    assert language not in entity.supported_languages


async def test_voices_of_a_region(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """A language with a region has the voices of the language."""
    entity = entity_of(hass, entity_id(hass, await add_entry(), "tts"))
    voices = entity.async_get_supported_voices
    assert voices("de-AT") == voices("de") != voices("ja")


@pytest.mark.parametrize("title", ["Coral", "coral", f"Coral ({CORAL[:8]})"])
async def test_voice_by_its_title(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, title: str
) -> None:
    """A message may name a voice by its title, as it stands in the list."""
    of_the_same_title = voice_subentry(voice="f4a90e7d21bc4c3bb6d5e1837a92c6fe")
    engine = entity_id(hass, await add_entry(of_the_same_title), "tts")
    await speak(hass, engine, TEXT, voice=title)
    assert emulator.sessions[0].request["reference_id"] == CORAL


async def test_voice_of_a_server_of_ones_own(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """A self-hosted server speaks by any of its references, and one that it has not is an error."""
    async with FishSpeechEmulator() as server:
        voice = voice_subentry("Butler", voice="captain kelp")
        entry = await add_entry(voice, unique_id=server.url, base_url=server.url, api_key="")
        engine = entity_id(hass, entry, "tts")
        for options in ({}, {"voice": "CORAL_2"}):
            await speak(hass, engine, TEXT, **options)
        with pytest.raises(HomeAssistantError):
            await speak(hass, engine, TEXT, voice="unlisted")
        spoken = list(dict.fromkeys(request["reference_id"] for request in server.requests))
        assert spoken == ["captain kelp", "coral_2"]


async def test_voice_of_a_server_with_openais_api(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """It speaks by any of its voices, without a key."""
    async with OpenAiSpeechEmulator("vllm-events", rate=44100) as server:
        voice = voice_subentry("Butler", voice="anna")
        entry = await add_entry(voice, unique_id=server.url, base_url=server.url, api_key="")
        engine = entity_id(hass, entry, "tts")
        assert text_in(await speak(hass, engine, TEXT)).strip() == TEXT
        assert server.requests[0]["voice"] == "anna"


async def test_two_voices_of_one_title_do_not_look_the_same(
    hass: HomeAssistant, add_entry: AddEntry
) -> None:
    """Voices of one title are told apart by their ids; a voice of no id has no line."""
    others = "f4a90e7d21bc4c3bb6d5e1837a92c6fe"
    entry = await add_entry(voice_subentry(voice=None), voice_subentry(voice=others))
    engine = entity_id(hass, entry, "tts")
    entity = entity_of(hass, engine)
    names = [voice.name for voice in entity.async_get_supported_voices("de") or ()]
    assert names == [f"Coral ({CORAL[:8]})", f"Coral ({others[:8]})", "Old Harbour"]
    assert text_in(await speak(hass, engine, TEXT)).strip() == TEXT


async def say(hass: HomeAssistant, engine: str, language: str, **options: str) -> None:
    """Speak a plain message in a language."""
    result = tts.async_create_stream(hass, engine, language, {"preferred_format": "wav", **options})
    result.async_set_message(TEXT)
    assert [chunk async for chunk in result.async_stream_result()]
    await hass.async_block_till_done()


@pytest.mark.parametrize(
    ("language", "options", "voice"),
    [
        ("de", {}, CORAL),
        ("de-AT", {}, CORAL),
        ("en", {}, KELP),
        ("de", {"voice": KELP}, KELP),
        ("de", {"voice": "Captain Kelp"}, KELP),
        ("de", {"voice": f"https://fish.audio/m/{KELP}/"}, KELP),
        ("en", {"voice": CORAL}, CORAL),
    ],
)
async def test_voice_of_a_language(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    language: str,
    options: dict[str, str],
    voice: str,
) -> None:
    """Each language has its voice, unless a message names one."""
    entry = await add_entry(voice_subentry(language_voices={"de": CORAL}))
    await say(hass, entity_id(hass, entry, "tts"), language, **options)
    assert emulator.sessions[0].request["reference_id"] == voice


async def test_voice_of_a_language_comes_first(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """The list of a language begins with the voice that speaks it."""
    entry = await add_entry(voice_subentry(language_voices={"de": STARFISH}))
    entity = entity_of(hass, entity_id(hass, entry, "tts"))
    first = {
        language: (entity.async_get_supported_voices(language) or [])[0].name
        for language in ("de", "de-AT", "en")
    }
    assert first == {"de": "Étoile de mer", "de-AT": "Étoile de mer", "en": "Captain Kelp"}


async def test_changed_voice_of_a_language_is_not_played_from_the_cache(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A message is spoken again after the voice of its language has changed."""
    entry = await add_entry(voice_subentry(voice=None))
    engine = entity_id(hass, entry, "tts")
    (subentry,) = entry.subentries.values()
    for voices in ({}, {"de": CORAL}, {"de": CORAL}, {"de": STARFISH}):
        data = {**subentry.data, "language_voices": voices}
        hass.config_entries.async_update_subentry(entry, subentry, data=data)
        await hass.async_block_till_done()
        await say(hass, engine, "de")
    spoken = [session.request.get("reference_id") for session in emulator.sessions]
    assert spoken == [None, CORAL, STARFISH]
