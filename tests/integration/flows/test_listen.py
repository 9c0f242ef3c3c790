"""Listening in the form of a voice, before it is saved."""

import asyncio
import re
import wave
from io import BytesIO
from typing import Any

import pytest
from aiohttp.test_utils import TestClient
from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import SubentryFlowResult
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.wyoming_fish.const import DOMAIN
from tests.integration.conftest import CORAL, KELP, AddEntry, voice_subentry
from tests.integration.support.flows import SETTINGS, change_voice, chosen, submit_voice
from tests.integration.support.speech import text_in
from tests.integration.support.states import later
from wyoming_fish.emulator import Emulator, Fault


def path_in(flow: SubentryFlowResult) -> str:
    """Return the path of the sample in the form's player."""
    assert flow["description_placeholders"] is not None
    player = flow["description_placeholders"]["player"]
    match = re.fullmatch(r'<audio controls autoplay src="(/[\w/-]+)"></audio>', player)
    assert match is not None
    return match[1]


async def status_of(client: TestClient[Any, Any], path: str) -> int:
    """Return the status that a player gets."""
    async with client.get(path) as answer:
        return answer.status


async def open_form(hass: HomeAssistant, add_entry: AddEntry) -> SubentryFlowResult:
    """Open the form of a voice."""
    entry = await add_entry()
    return await submit_voice(hass, await change_voice(hass, entry), next_step_id="voice")


async def test_sample_has_the_settings_of_the_form(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """The sentence is spoken with all that is set in the form, and nothing is saved."""
    flow = await open_form(hass, add_entry)
    flow = await submit_voice(
        hass,
        flow,
        voice=KELP,
        backend="s2-pro",
        latency="low",
        speed=1.5,
        volume=-6,
        text_processing={"style": "calm", "pronunciations": "kitchen: galley"},
        sampling={"temperature": 0.3, "top_p": 0.9},
        next="listen",
    )
    assert (flow["step_id"], flow["errors"]) == ("voice", {})
    assert [chosen(flow, field) for field in ("speed", "volume", "next")] == [1.5, -6, "save"]
    async with (await hass_client_no_auth()).get(path_in(flow)) as answer:
        assert (answer.status, answer.content_type) == (200, "audio/wav")
        wav = await answer.read()
    assert text_in(wav) == "[calm] Good evening. [calm] The lights in the galley are on."
    with wave.open(BytesIO(wav)) as file:
        assert file.getnframes() * 2 == len(wav) - 44
    (session,) = emulator.sessions
    assert session.request["prosody"] == {"speed": 1.5, "volume": -6}
    assert (session.request["temperature"], session.request["top_p"]) == (0.3, 0.9)
    assert (session.request["latency"], session.backend) == ("low", "s2-pro")
    (entry,) = hass.config_entries.async_entries("wyoming_fish")
    (voice,) = entry.subentries.values()
    assert voice.data["speed"] == 1.0


async def test_part_of_a_sample(
    hass: HomeAssistant, add_entry: AddEntry, hass_client_no_auth: ClientSessionGenerator
) -> None:
    """A player that asks for a part gets that part, and one without a valid path gets nothing."""
    flow = await open_form(hass, add_entry)
    flow = await submit_voice(hass, flow, voice=KELP, **SETTINGS, next="listen")
    client, path = await hass_client_no_auth(), path_in(flow)
    async with client.get(path) as answer:
        wav = await answer.read()
    async with client.get(path, headers={"Range": "bytes=4-7"}) as answer:
        assert (answer.status, await answer.read()) == (206, wav[4:8])
        assert answer.headers["Content-Range"] == f"bytes 4-7/{len(wav)}"
    for wrong in ("seconds=1", f"bytes={len(wav)}-", "bytes=5-3"):
        async with client.get(path, headers={"Range": wrong}) as answer:
            assert (answer.status, await answer.read()) == (416, b"")
            assert answer.headers["Content-Range"] == f"bytes */{len(wav)}"
    async with client.get(f"{path}x") as answer:
        assert answer.status == 404


async def test_old_samples_are_dropped(
    hass: HomeAssistant, add_entry: AddEntry, hass_client_no_auth: ClientSessionGenerator
) -> None:
    """Eight samples are kept."""
    flow = await open_form(hass, add_entry)
    paths = []
    for _ in range(9):
        flow = await submit_voice(hass, flow, voice=KELP, **SETTINGS, next="listen")
        paths.append(path_in(flow))
    client = await hass_client_no_auth()
    assert [await status_of(client, path) for path in paths] == [404] + 8 * [200]


async def test_sample_has_a_lifetime(
    hass: HomeAssistant,
    add_entry: AddEntry,
    hass_client_no_auth: ClientSessionGenerator,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A sample can be played for ten minutes."""
    flow = await open_form(hass, add_entry)
    flow = await submit_voice(hass, flow, voice=KELP, **SETTINGS, next="listen")
    client = await hass_client_no_auth()
    await later(hass, freezer, minutes=9)
    assert await status_of(client, path_in(flow)) == 200
    await later(hass, freezer, minutes=2)
    assert await status_of(client, path_in(flow)) == 404


async def test_samples_end_with_the_last_account(
    hass: HomeAssistant, add_entry: AddEntry, hass_client_no_auth: ClientSessionGenerator
) -> None:
    """Samples are deleted when the last account is removed, and not before."""
    other = await add_entry(unique_id="other")
    flow = await open_form(hass, add_entry)
    flow = await submit_voice(hass, flow, voice=KELP, **SETTINGS, next="listen")
    client = await hass_client_no_auth()
    (entry,) = (e for e in hass.config_entries.async_entries(DOMAIN) if e is not other)
    statuses = []
    for removed in (entry, other):
        await hass.config_entries.async_remove(removed.entry_id)
        statuses.append(await status_of(client, path_in(flow)))
    assert statuses == [200, 404]


async def test_long_sample_is_cut(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """The first 15 s of a sentence are played, however long the server speaks."""
    emulator.settings.voice = "tone"
    flow = await open_form(hass, add_entry)
    words = "\n".join(f"{word}: {'galley ' * 28}" for word in ("evening", "lights", "kitchen"))
    answer = SETTINGS | {"text_processing": {"pronunciations": words}}
    flow = await submit_voice(hass, flow, voice=KELP, **answer, next="listen")
    async with (await hass_client_no_auth()).get(path_in(flow)) as sample:
        assert len(await sample.read()) == 44 + 15 * 44100 * 2


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("upgrade", 402, times=None), "no_credit"),
        (Fault("start", "silent", times=None), "no_audio"),
        (Fault("upgrade", 401, times=None), "invalid_auth"),
    ],
    ids=lambda value: str(getattr(value, "kind", value)),
)
async def test_sample_that_fails(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, fault: Fault, error: str
) -> None:
    """The form says why nothing is heard, and keeps what was filled in."""
    flow = await open_form(hass, add_entry)
    emulator.settings.faults.append(fault)
    flow = await submit_voice(hass, flow, voice=KELP, **SETTINGS | {"speed": 1.5}, next="listen")
    assert (flow["step_id"], flow["errors"]) == ("voice", {"base": error})
    assert flow["description_placeholders"] is not None
    assert flow["description_placeholders"]["player"] == ""
    assert chosen(flow, "speed") == 1.5


async def test_sample_with_the_free_model_after_its_end(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """The form says that the free model may have ended."""
    flow = await open_form(hass, add_entry)
    emulator.settings.free_model = "ended"
    answer = SETTINGS | {"backend": "s2.1-pro-free"}
    flow = await submit_voice(hass, flow, voice=KELP, **answer, next="listen")
    assert flow["errors"] == {"base": "free_model_refused"}


async def test_sample_leaves_no_connection_open(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator
) -> None:
    """A form that is left open does not hold a connection to Fish Audio."""
    flow = await open_form(hass, add_entry)
    await submit_voice(hass, flow, voice=KELP, **SETTINGS, next="listen")
    async with asyncio.timeout(5):
        while emulator.sockets_open:
            await hass.async_block_till_done(wait_background_tasks=True)
    assert emulator.sockets_opened == 1


async def test_sample_in_the_language_of_the_voice(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    """The voice of a language is heard in that language, with the settings of the main voice."""
    entry = await add_entry(voice_subentry(speed=1.25))
    flow = await submit_voice(hass, await change_voice(hass, entry), next_step_id="language")
    flow = await submit_voice(hass, flow, language="de", self_only=True)
    flow = await submit_voice(hass, flow, voice=CORAL, next="listen")
    assert (flow["step_id"], chosen(flow, "voice")) == ("language_voice", CORAL)
    async with (await hass_client_no_auth()).get(path_in(flow)) as answer:
        assert text_in(await answer.read()) == "Guten Abend. Das Licht in der Küche ist an."
    (session,) = emulator.sessions
    assert session.request["reference_id"] == CORAL
    assert session.request["prosody"]["speed"] == 1.25
    flow = await submit_voice(hass, flow, voice=CORAL)
    assert flow["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
