"""Voice satellites: a real Home Assistant between their speakers and our voices."""

import asyncio
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

import pytest

from tests.e2e.satellites.devices import EsphomeSatellite, Playback, Satellite, WyomingSatellite
from tests.e2e.satellites.house import (
    HANDSHAKE_S,
    KINDS,
    MODEL_S,
    NIGHT_S,
    RATE,
    TIMEOUT_S,
    WAYS,
    House,
    convert_speech,
)
from wyoming_fish.emulator.voices.code import encode_code_voice

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

STORY: Final = (
    "Tomorrow morning seven friends will travel by train to a village. "
    "Please remember to bring bread, cheese, apples and a bottle of cold water."
)
LONG_STORY: Final = (
    f"{STORY} After lunch we could visit the old church, walk along the river and take some photos."
)
PHRASE: Final = "Sure, I will look that up for you now, please wait a little longer."

# Seconds from the understood words to the first sample: the first sentence takes 0.6 s to be
# written, and the model 0.3 s to speak. The rest is for a busy machine.
FIRST_SOUND_S: Final = 1.6
# Seconds without a byte after which devices give up, less one for a busy machine.
LONGEST_GAP_S: Final = 5.0 - 1.0
# Seconds from the first byte to the last of a phrase before a pause. Without a flush, the first
# silence of the pause pushes it out, after 2.5 s.
TAIL_S: Final = 2.2


async def _hear(house: House, satellite: Satellite, text: str) -> Playback:
    """Ask for ``text``, check each sample, and return how they came."""
    async with asyncio.timeout(TIMEOUT_S):
        playback = await satellite.ask(text)
        await playback.wait_for_end()
    _check(house, satellite, text, playback.data)
    return playback


def _check(house: House, satellite: Satellite, text: str, data: bytes) -> None:
    """Check each sample of a file."""
    spoken = "".join(house.speech(text).texts)
    assert satellite.decode(data) == convert_speech(satellite, encode_code_voice(spoken))


async def _announce(house: House, satellite: Satellite, messages: Sequence[str]) -> None:
    """Announce each message after the other, and check each sample."""
    async with house.home_assistant.again() as home_assistant:
        entity = await home_assistant.entity(house.entries[satellite], "assist_satellite")
        for message in messages:
            async with asyncio.timeout(TIMEOUT_S), asyncio.TaskGroup() as tasks:
                tasks.create_task(
                    home_assistant.call_service(
                        *("assist_satellite", "announce", entity),
                        message=message,
                        preannounce=False,
                    )
                )
                playback = await satellite.next_playback()
                await playback.wait_for_end()
            _check(house, satellite, message, playback.data)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
async def test_turn(house: House, kind: str, way: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A reply is heard while its text is written, and each sample of it."""
    satellite = house.satellites[kind, way]
    first_sound = satellite.first_sound(await _hear(house, satellite, LONG_STORY))
    with capsys.disabled():
        told = f"{first_sound:.2f} s after the words"
        print(f"\nFirst sample at the speaker of {satellite.name}: {told}", end="")  # noqa: T201
    assert first_sound < FIRST_SOUND_S


@pytest.mark.parametrize("way", WAYS)
async def test_two_satellites_at_the_same_time(house: House, way: str) -> None:
    """Neither of two satellites waits for the other, and each gets its own reply."""
    satellites = [house.satellites[kind, way] for kind in KINDS]
    playbacks = await asyncio.gather(
        *(_hear(house, each, f"{LONG_STORY} This is {each.name}.") for each in satellites)
    )
    for satellite, playback in zip(satellites, playbacks, strict=True):
        # Our server hears of a reply with its first sentence, and has one connection ready.
        assert satellite.first_sound(playback) < FIRST_SOUND_S + HANDSHAKE_S


@pytest.mark.parametrize("way", WAYS)
async def test_announcement(house: House, way: str) -> None:
    """An announcement is heard whole."""
    satellite = house.satellites["wyoming", way]
    await _announce(house, satellite, [f"The door is open, says {satellite.name}."])


async def test_announcements_in_a_row(house: House) -> None:
    """Each of twenty announcements is heard whole."""
    satellites = [house.satellites["esphome", way] for way in WAYS]
    house.emulator.settings.first_audio = 0.0
    await asyncio.gather(
        *(
            _announce(house, each, [f"Number {number} to {each.name}." for number in range(20)])
            for each in satellites
        )
    )
    house.emulator.settings.first_audio = MODEL_S


@pytest.mark.parametrize("way", WAYS)
async def test_late_and_twice(house: House, way: str) -> None:
    """Players that open a reply's URL after its end, and twice, get each sample."""
    satellite = house.satellites["esphome", way]
    assert isinstance(satellite, EsphomeSatellite)
    text = f"{STORY} This is late for {satellite.name}."
    async with asyncio.timeout(TIMEOUT_S):
        path = urlsplit(await satellite.ask_without_playing(text)).path
        await house.emulator.wait_for(lambda state: state.sessions_open == 0)
        for data in await asyncio.gather(*(_fetch(house, path) for _ in range(2))):
            _check(house, satellite, text, data)


async def _fetch(house: House, path: str) -> bytes:
    return b"".join([piece async for piece in house.home_assistant.fetch(path)])


@pytest.mark.parametrize("way", WAYS)
async def test_restart_between_replies(house: House, way: str) -> None:
    """After a restart of our server or our integration, satellites are answered as before."""
    if way == "server":
        await asyncio.to_thread(house.restart_server)
    else:
        await house.home_assistant.reload(house.account)
    for kind in KINDS:
        satellite = house.satellites[kind, way]
        playback = await _hear(house, satellite, f"{STORY} {satellite.name} is there again.")
        assert satellite.first_sound(playback) < FIRST_SOUND_S + HANDSHAKE_S


async def test_night(house: House) -> None:
    """After a night without use, whose connections died unseen, satellites are answered early."""
    dead = house.relay.swallow_websockets()
    assert dead
    await house.home_assistant.call(
        "call_service", domain="storyteller", service="pass_time", service_data={"seconds": NIGHT_S}
    )
    house.pass_night()
    async with asyncio.timeout(TIMEOUT_S):
        await asyncio.gather(*(flow.ended.wait() for flow in dead))
    for way in WAYS:
        satellite = house.satellites["esphome", way]
        playback = await _hear(house, satellite, f"Good morning, this is {satellite.name}. {STORY}")
        assert satellite.first_sound(playback) < FIRST_SOUND_S + HANDSHAKE_S


async def test_pause(house: House) -> None:
    """While the agent pauses for 12 s, no satellite waits for a byte until it gives up.

    What was written before is heard before the pause, and only silence is added.
    """
    satellites = list(house.satellites.values())
    async with asyncio.timeout(12 + TIMEOUT_S):
        playbacks = await asyncio.gather(*(_pause(each) for each in satellites))
    for satellite, playback in zip(satellites, playbacks, strict=True):
        assert playback.longest_gap < LONGEST_GAP_S
        before, after = map(encode_code_voice, house.speech(_answer(satellite)).texts)
        until = playback.pieces[0][0] + TAIL_S
        early = satellite.decode(b"".join(piece for at, piece in playback.pieces if at < until))
        # The resampler gives the last samples in view of those that follow.
        assert early.startswith(convert_speech(satellite, before)[:-200])
        pcm = satellite.decode(playback.data)
        silence = len(pcm) // 2 * RATE // satellite.rate - (len(before) + len(after)) // 2
        assert pcm in [
            convert_speech(satellite, before + bytes(2 * (silence + more)) + after)
            for more in (0, 1, -1)
        ]


def _answer(satellite: Satellite) -> str:
    return f"{PHRASE} This is {satellite.name}."


async def _pause(satellite: Satellite) -> Playback:
    playback = await satellite.ask(_answer(satellite).replace(PHRASE, PHRASE + " {12}"))
    await playback.wait_for_end()
    return playback


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
async def test_leaving_during_a_reply(house: House, kind: str, way: str) -> None:
    """A satellite that breaks a reply off is answered again, and hears nothing of the old one."""
    satellite = house.satellites[kind, way]
    async with asyncio.timeout(TIMEOUT_S):
        playback = await satellite.ask(f"{STORY} {{600}} Nobody hears the end.")
        await playback.wait_for(satellite.has_sound)
        if isinstance(satellite, EsphomeSatellite):
            await satellite.stop()
        else:
            satellite.kill()
        await playback.wait_for_end()
    if isinstance(satellite, WyomingSatellite):
        await satellite.start()
        # Otherwise Home Assistant connects after 13 s.
        await house.home_assistant.reload(house.entries[satellite])
    await _hear(house, satellite, f"{STORY} {satellite.name} asks again.")


async def test_logs(house: House) -> None:
    """Nothing of the above made our integration or our server complain."""
    complaint = re.compile(r"^.*(?:WARNING|ERROR|CRITICAL|Traceback).*$", re.MULTILINE)
    _, used = house.log.log.split("Home Assistant initialized")
    assert [line for line in complaint.findall(used) if "wyoming_fish" in line] == []
    assert complaint.findall(house.server_log + house.server.log) == []
    assert "Spoke" in house.server.log
