"""Speaking."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from homeassistant.components.tts.const import DATA_TTS_MANAGER
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from tests.integration.conftest import CORAL, KELP, AddEntry, entity_id, voice_subentry
from tests.integration.support.speech import TEXT, entity_of, speak, stream, text_in
from tests.integration.support.speech import written as written_in
from wyoming_fish.emulator import Emulator


async def test_streamed_text_is_spoken_whole(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A text that comes in pieces is spoken in one session, each sample of it."""
    engine = entity_id(hass, await add_entry(), "tts")
    wav = await speak(hass, engine, TEXT.partition("It")[0:3])
    assert text_in(wav).strip() == TEXT
    (session,) = emulator.sessions
    assert session.request["reference_id"] == KELP
    assert session.backend == "s2.1-pro"


async def test_plain_message_is_spoken_whole(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A message that is there whole is spoken the same way."""
    engine = entity_id(hass, await add_entry(), "tts")
    assert text_in(await speak(hass, engine, TEXT)).strip() == TEXT
    assert len(emulator.sessions) == 1


async def test_speech_begins_while_text_is_written(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """The first sentence is heard while the second one is not written yet."""
    engine = entity_id(hass, await add_entry(), "tts")
    heard = asyncio.Event()

    async def metrics() -> AsyncGenerator[str]:
        yield "The lamps are on. It will"
        await heard.wait()
        yield " rain."

    result = stream(hass, engine)
    result.async_set_message_stream(metrics())
    audio = b""
    async for chunk in result.async_stream_result():
        audio += chunk
        if len(audio) > 44:
            heard.set()
    assert text_in(audio).strip() == "The lamps are on. It will rain."


async def test_nothing_to_say(hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator) -> None:
    """A blank reply is a short silence, and no session; a style does not change that."""
    engine = entity_id(hass, await add_entry(), "tts")
    wav = await speak(hass, engine, [" ", "\n"], style="whisper")
    assert wav[44:] == bytes(2 * round(0.3 * 44100))
    assert emulator.sessions == []


@pytest.mark.parametrize(
    ("options", "request_fields", "backend"),
    [
        (
            {},
            {"reference_id": KELP, "latency": "low", "prosody": {"speed": 1.5, "volume": 0}},
            "s1",
        ),
        ({"voice": CORAL}, {"reference_id": CORAL}, "s1"),
        ({"backend": "s2-pro"}, {"reference_id": KELP}, "s2-pro"),
        ({"latency": "normal"}, {"latency": "normal"}, "s1"),
        ({"temperature": "0.2", "top_p": 0.5}, {"temperature": 0.2, "top_p": 0.5}, "s1"),
        ({"speed": "0.5", "volume": 3}, {"prosody": {"speed": 0.5, "volume": 3.0}}, "s1"),
    ],
)
async def test_options(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    options: dict[str, Any],
    request_fields: dict[str, Any],
    backend: str,
) -> None:
    """What a message says of itself goes before what the voice is set to."""
    entry = await add_entry(voice_subentry(backend="s1", latency="low", speed=1.5))
    await speak(hass, entity_id(hass, entry, "tts"), TEXT, **options)
    (session,) = emulator.sessions
    assert session.request | request_fields == session.request
    assert session.backend == backend


@pytest.mark.parametrize(
    ("backend", "style", "spoken"),
    [
        ("s2.1-pro", "whisper", "[whisper] The lamps are on."),
        ("s2.1-pro", " [soft, close] ", "[soft, close] The lamps are on."),
        ("s1", "happy", "(happy) The lamps are on."),
    ],
)
async def test_style(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    backend: str,
    style: str,
    spoken: str,
) -> None:
    """A style becomes a cue in the form that the backend knows."""
    engine = entity_id(hass, await add_entry(), "tts")
    await speak(hass, engine, ["The lamps ", "are on."], style=style, backend=backend)
    assert "".join(emulator.sessions[0].texts) == spoken


@pytest.mark.parametrize(
    ("options", "written", "spoken"),
    [
        ({}, "**Hi** 👍 https://x.org/a", "Hi x.org"),
        ({"text": "raw"}, "**Hi** 👍", "**Hi** 👍"),
        ({"emoji": "name"}, "Hi 👍", "Hi thumbs up sign"),
        ({}, "Door: ✅", "Door: yes"),
        ({"urls": "drop"}, "Hi https://x.org/a", "Hi"),
        ({"code": "Code."}, "Hi\n```\nx\n```\n", "Hi\nCode."),
        ({"pronunciations": "HACS: hacks\nHi: Hey"}, "Hi HACS", "Hey hacks"),
        ({}, "<|speaker:1|>Hi", "Hi"),
        ({"trusted": "yes"}, "<|speaker:1|>Hi", "<|speaker:1|>Hi"),
        ({"style": "calm"}, "Hi. You there?", "[calm] Hi. [calm] You there?"),
    ],
)
async def test_what_is_read_out(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    options: dict[str, Any],
    written: str,
    spoken: str,
) -> None:
    """Text is cleaned before it is spoken, as the message says, for a voice set up before too."""
    engine = entity_id(hass, await add_entry(), "tts")
    await speak(hass, engine, written, **options)
    assert "".join(emulator.sessions[0].texts).strip() == spoken


async def test_what_a_voice_reads_out(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """What the voice is set to holds for every message, until one says otherwise."""
    entry = await add_entry(voice_subentry(style="calm", emoji="name"))
    engine = entity_id(hass, entry, "tts")
    await speak(hass, engine, ["Hi ", "👍"])
    await speak(hass, engine, ["Hi ", "👍"], style="", emoji="drop")
    spoken = ["".join(session.texts).strip() for session in emulator.sessions]
    assert spoken == ["[calm] Hi thumbs up sign", "Hi"]


@pytest.mark.parametrize("name", ["coral", CORAL])
@pytest.mark.parametrize(
    ("options", "begin"), [({}, "<speak>"), ({"text_format": "ssml"}, "<s>")], ids=["begun", "said"]
)
async def test_ssml(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    options: dict[str, Any],
    begin: str,
    name: str,
) -> None:
    """SSML is followed where the text begins with it, or the message says so."""
    engine = entity_id(hass, await add_entry(), "tts")
    ssml = f'{begin}Hi <break/>there. <voice name="{name}">Me too.</voice></{begin[1:]}'
    await speak(hass, engine, ["", ssml], **options)
    assert [
        ("".join(session.texts).strip(), session.request["reference_id"])
        for session in emulator.sessions
    ] == [("Hi [break] there.", KELP), ("Me too.", CORAL)]


async def test_ssml_with_a_voice_that_is_not_there(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """What a voice that is not the account's was to say is said by the entity's own."""
    engine = entity_id(hass, await add_entry(), "tts")
    await speak(hass, engine, '<speak><voice name="Nobody">Me too.</voice></speak>')
    (session,) = emulator.sessions
    assert ("".join(session.texts), session.request["reference_id"]) == ("Me too.", KELP)


ALLOWED = "option_not_allowed"


INVALID = "option_invalid"


@pytest.mark.parametrize(
    ("options", "key", "facts"),
    [
        ({"backend": "s9"}, ALLOWED, ["backend", "s9", "s2.1-pro, s2.1-pro-free"]),
        ({"latency": "late"}, ALLOWED, ["latency", "late", "low, balanced, normal"]),
        ({"speed": 3}, ALLOWED, ["speed", "3", "0.5 – 2"]),
        ({"speed": "quick"}, ALLOWED, ["speed", "quick", "0.5 – 2"]),
        ({"speed": "nan"}, ALLOWED, ["speed", "nan", "0.5 – 2"]),
        ({"temperature": 2}, ALLOWED, ["temperature", "2", "0 – 1"]),
        ({"volume": -50}, ALLOWED, ["volume", "-50", "-20 – 20"]),
        ({"text": "neat"}, ALLOWED, ["text", "neat", "clean, raw"]),
        ({"emoji": "sing"}, ALLOWED, ["emoji", "sing", "drop, name"]),
        ({"urls": "all"}, ALLOWED, ["urls", "all", "host, drop"]),
        ({"text_format": "html"}, ALLOWED, ["text_format", "html", "text, ssml"]),
        ({"voice": " "}, INVALID, ["voice"]),
        ({"voice": 257 * "a"}, INVALID, ["voice"]),
        ({"code": ["Code."]}, INVALID, ["code"]),
        ({"trusted": "perhaps"}, INVALID, ["trusted", "perhaps"]),
        ({"voice": "Nobody"}, "voice_unknown", ["Nobody"]),
        ({"style": "[a] <|speaker:1|>"}, "style_unknown", ["S2.1 Pro", "[a] <|speaker:1|>"]),
        ({"style": "odd", "backend": "s1"}, "style_unknown", ["S1", "odd"]),
        ({"pronunciations": "a: b\n\nHACS"}, "pronunciation_invalid", ["3"]),
        ({"pronunciations": 5001 * "a: b\n"}, "pronunciation_invalid", ["5001"]),
    ],
)
async def test_options_that_fish_would_refuse(  # noqa: PLR0917
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    caplog: pytest.LogCaptureFixture,
    options: dict[str, Any],
    key: str,
    facts: list[str],
) -> None:
    """They are refused in words, before anything is spoken."""
    engine = entity_id(hass, await add_entry(), "tts")
    with pytest.raises(HomeAssistantError) as raised:
        await speak(hass, engine, TEXT, **options)
    assert raised.value.translation_key == key
    for value in facts:
        assert value in str(raised.value)
    assert str(raised.value) in caplog.text
    assert emulator.sessions == []


async def test_settings_of_the_voice(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A voice speaks with all of its settings, and its messages need not name them."""
    settings: dict[str, Any] = {"volume": -6.0, "temperature": 0.3, "top_p": 0.9, "cues": "free"}
    voice = voice_subentry(**settings, sentence_pause=0.5)
    engine = entity_id(hass, await add_entry(voice), "tts")
    wav = await speak(hass, engine, "[like a pirate] The lamps are on. The door is open.")
    requests = [session.request for session in emulator.sessions]
    assert [request["prosody"]["volume"] for request in requests] == [-6.0, -6.0]
    assert [(request["temperature"], request["top_p"]) for request in requests] == [(0.3, 0.9)] * 2
    assert "".join(emulator.sessions[0].texts).startswith("[like a pirate]")
    # The pause of half a second between its two sentences.
    assert bytes(2 * 44100 // 2) in wav


async def test_all_that_changes_the_audio_is_in_the_cache_key(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """The same message is spoken once, and again for each change of what it sounds like."""
    engine = entity_id(hass, await add_entry(), "tts")
    changes: list[dict[str, Any]] = [
        {},
        {"voice": CORAL},
        {"backend": "s2-pro"},
        {"latency": "low"},
        {"speed": 1.1},
        {"volume": 1},
        {"temperature": 0.1},
        {"top_p": 0.1},
        {"sentence_pause": 0.1},
        {"cues": "free"},
        {"style": "happy"},
        {"text": "raw"},
        {"emoji": "name"},
        {"urls": "drop"},
        {"code": "Code."},
        {"pronunciations": "lamps: lights"},
        {"text_format": "ssml"},
        {"trusted": True},
    ]
    for change in changes:
        emulator.sessions.clear()
        await speak(hass, engine, TEXT, **change)
        await hass.async_block_till_done()
        assert emulator.sessions
        emulator.sessions.clear()
        await speak(hass, engine, TEXT, **change)
        assert emulator.sessions == []


async def test_changed_voice_is_not_played_from_the_cache(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A message is spoken again after the entity's voice has changed."""
    entry = await add_entry()
    engine = entity_id(hass, entry, "tts")
    await speak(hass, engine, TEXT)
    (subentry,) = entry.subentries.values()
    hass.config_entries.async_update_subentry(
        entry, subentry, data={**subentry.data, "voice": CORAL}
    )
    await hass.async_block_till_done()
    await speak(hass, engine, TEXT)
    assert [s.request["reference_id"] for s in emulator.sessions] == [KELP, CORAL]


@pytest.mark.parametrize(
    ("options", "spoken"),
    [
        ({"backend": "s1"}, "The lamps are on."),
        ({"backend": "s1", "style": "happy"}, "(happy) The lamps are on."),
        ({"backend": "s2-pro"}, "[like a pirate] The lamps are on."),
    ],
)
async def test_style_of_a_voice_and_another_model(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    options: dict[str, Any],
    spoken: str,
) -> None:
    """A voice's own style does not make a message fail that is spoken by another model."""
    engine = entity_id(hass, await add_entry(voice_subentry(style="like a pirate")), "tts")
    await speak(hass, engine, "The lamps are on.", **options)
    assert "".join(emulator.sessions[0].texts) == spoken


async def test_leaving_frees_the_session(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A reply that nobody wants any more gives its session back at once."""
    engine = entity_id(hass, await add_entry(), "tts")
    emulator.settings.pace = 1.0
    entity = entity_of(hass, engine)
    _, options = hass.data[DATA_TTS_MANAGER].process_options(entity, "en", {})
    response = await entity.async_stream_tts_audio(
        TTSAudioRequest("en", options, written_in([TEXT * 40]))
    )
    assert response.extension == "caf"
    assert len(await anext(response.data_gen)) > 68
    assert emulator.sessions_open == 1
    await response.data_gen.aclose()
    await emulator.wait_for(lambda state: state.sessions_open == 0)
