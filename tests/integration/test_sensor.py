"""The sensors."""

from decimal import Decimal

import pytest
from freezegun.api import FrozenDateTimeFactory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from tests.integration.conftest import AddEntry, entity_id, voice_subentry
from tests.integration.support.speech import entity_of, speak
from tests.integration.support.states import later, value
from wyoming_fish.emulator import VOICES, Emulator, Fault
from wyoming_fish.emulator.fish_speech import FishSpeechEmulator

TEXT = "Grüß Gott."


async def test_credit_is_looked_at_hourly(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, freezer: FrozenDateTimeFactory
) -> None:
    """The API credit is there, follows the account, and is unavailable when it cannot be had."""
    await add_entry()
    assert value(hass, "fish_audio_api_credit") == "10.0"
    emulator.settings.credit = Decimal("7.5")
    await later(hass, freezer, minutes=61)
    assert value(hass, "fish_audio_api_credit") == "7.5"

    emulator.settings.faults.append(Fault("rest", 503, times=None))
    await later(hass, freezer, minutes=61)
    assert value(hass, "fish_audio_api_credit") == "unavailable"


async def test_credit_is_looked_at_after_use(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, freezer: FrozenDateTimeFactory
) -> None:
    """What replies have cost is seen once Fish has booked it, in one look for all of them."""
    engine = entity_id(hass, await add_entry(), "tts")
    for text in (TEXT, TEXT + TEXT):
        await speak(hass, engine, text)
    emulator.settings.credit = Decimal("9.9")
    emulator.requests.clear()
    # Fish books it up to 35 s later.
    await later(hass, freezer, seconds=40)
    assert emulator.requests == []
    await later(hass, freezer, seconds=21)
    assert value(hass, "fish_audio_api_credit") == "9.9"
    assert [request.path for request in emulator.requests] == ["/wallet/self/api-credit"]


@pytest.mark.usefixtures("entity_registry_enabled_by_default")
async def test_what_was_spoken(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """Each voice tells how soon its last reply was heard, and the bytes of all its text."""
    entry = await add_entry()
    engine = entity_id(hass, entry, "tts")
    assert value(hass, "kelp_first_audio") == "unknown"
    assert value(hass, "kelp_text_spoken") == "0"
    emulator.settings.first_audio = 0.05
    await speak(hass, engine, TEXT)
    await speak(hass, engine, [TEXT, " Servus."])
    assert 0.05 <= float(value(hass, "kelp_first_audio")) < 0.5
    assert value(hass, "kelp_text_spoken") == str(len((TEXT + TEXT + " Servus.").encode()))


@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, 15e-6 * 12), ({"backend": "s2.1-pro-free"}, 0), ({"backend": "drama-3"}, 0)],
)
async def test_cost(
    hass: HomeAssistant, add_entry: AddEntry, options: dict[str, str], expected: float
) -> None:
    """A voice adds up the US dollars of its text, by the price of the model that spoke it."""
    engine = entity_id(hass, await add_entry(), "tts")
    await speak(hass, engine, TEXT, **options)
    assert float(value(hass, "kelp_cost")) == pytest.approx(expected)


@pytest.mark.parametrize(("backend", "has_cost"), [("s1", True), ("drama-3", False)])
async def test_cost_of_a_model_without_a_price(
    hass: HomeAssistant, add_entry: AddEntry, backend: str, has_cost: bool
) -> None:
    """A voice has no cost if Fish Audio does not publish the price of its model."""
    await add_entry(voice_subentry(backend=backend))
    assert (hass.states.get("sensor.kelp_cost") is not None) is has_cost


async def test_self_hosted_voice_has_no_cost(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """Speech of a self-hosted server costs nothing."""
    async with FishSpeechEmulator() as server:
        voice = voice_subentry("Butler", voice="butler")
        await add_entry(voice, unique_id=server.url, base_url=server.url, api_key="")
        assert set(hass.states.async_entity_ids("sensor")) == {
            "sensor.butler_text_spoken",
            "sensor.butler_time_spoken",
        }


async def test_time_spoken(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """A voice adds up the seconds of its audio."""
    engine = entity_id(hass, await add_entry(), "tts")
    seconds = 0.0
    for text in (TEXT, TEXT + TEXT):
        seconds += (len(await speak(hass, engine, text)) - 44) / 2 / 44100
    assert float(value(hass, "kelp_time_spoken")) == pytest.approx(seconds)


async def test_what_failed_is_not_counted(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A reply of which nothing was heard costs nothing."""
    engine = entity_id(hass, await add_entry(), "tts")
    emulator.settings.faults.append(Fault("upgrade", 402, times=None))
    with pytest.raises(Exception, match="credit"):
        await speak(hass, engine, TEXT)
    assert value(hass, "kelp_text_spoken") == "0"


async def test_credit_is_looked_at_again_soon_after_a_failure(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, freezer: FrozenDateTimeFactory
) -> None:
    """A failed look leaves the credit unavailable for minutes, and not for an hour."""
    await add_entry()
    emulator.settings.faults.append(Fault("rest", 503))
    await later(hass, freezer, minutes=61)
    await later(hass, freezer, minutes=6)
    assert value(hass, "fish_audio_api_credit") == "10.0"
    emulator.requests.clear()
    await later(hass, freezer, minutes=50)
    assert emulator.requests == []


async def test_credit_is_not_looked_at_once_the_account_is_unloaded(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, freezer: FrozenDateTimeFactory
) -> None:
    """Nothing is left to ask of an account that is not set up any more."""
    entry = await add_entry()
    await speak(hass, entity_id(hass, entry, "tts"), TEXT)
    await hass.config_entries.async_unload(entry.entry_id)
    emulator.requests.clear()
    await later(hass, freezer, minutes=61)
    assert emulator.requests == []


async def test_voices_are_looked_at_hourly(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, freezer: FrozenDateTimeFactory
) -> None:
    """The list follows the account."""
    entity = entity_of(hass, entity_id(hass, await add_entry(), "tts"))
    emulator.settings.voices = VOICES[:1]
    await later(hass, freezer, minutes=59)
    assert len(entity.async_get_supported_voices("en") or ()) > 1
    await later(hass, freezer, minutes=2)
    assert [voice.name for voice in entity.async_get_supported_voices("en") or ()] == [
        "Captain Kelp"
    ]


async def test_what_broke_off_is_counted(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A reply of which something was heard is billed, and so counted."""
    engine = entity_id(hass, await add_entry(), "tts")
    emulator.settings.voice = "tone"
    emulator.settings.faults.append(Fault("audio", "drop", at=1))
    with pytest.raises(HomeAssistantError):
        await speak(hass, engine, TEXT)
    assert value(hass, "kelp_text_spoken") == str(len(TEXT.encode()))


async def test_totals_are_kept(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """The totals of a voice continue when it is set up again."""
    entry = await add_entry(voice_subentry())
    names = ("text_spoken", "time_spoken", "cost")
    assert [float(value(hass, f"kelp_{name}")) for name in names] == [0, 0, 0]
    engine = entity_id(hass, entry, "tts")
    await speak(hass, engine, TEXT)
    once = [float(value(hass, f"kelp_{name}")) for name in names]
    assert min(once) > 0
    await hass.config_entries.async_reload(entry.entry_id)
    assert [float(value(hass, f"kelp_{name}")) for name in names] == once
    # Home Assistant keeps the first message, and would not ask for it again.
    await speak(hass, engine, TEXT.swapcase())
    twice = [float(value(hass, f"kelp_{name}")) for name in names]
    assert twice == pytest.approx([2 * total for total in once])
