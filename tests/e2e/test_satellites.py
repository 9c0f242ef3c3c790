"""Voice satellites: a real Home Assistant between their speakers and our voices."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from tests.e2e.conftest import set_up, whole_session
from tests.e2e.home_assistant import HomeAssistant, log_in, start_home_assistant
from tests.e2e.satellites import (
    EsphomeSatellite,
    Playback,
    Satellite,
    WyomingSatellite,
    convert,
)
from tests.support.processes import READY, Program
from tests.support.relay import Relay
from wyoming_fish.emulator import Emulator, EmulatorSettings, SessionRecord
from wyoming_fish.emulator.voices.code import encode_code_voice

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

KELP: Final = "6c1f2a4be0d94f7f8a53c2b9d7e61034"

STORY: Final = (
    "Tomorrow morning seven friends will travel by train to a village. "
    "Please remember to bring bread, cheese, apples and a bottle of cold water."
)
LONG_STORY: Final = (
    f"{STORY} After lunch we could visit the old church, walk along the river and take some photos."
)
PHRASE: Final = "Sure, I will look that up for you now, please wait a little longer."

# Seconds of the emulated model before its first audio, and of the websocket's upgrade.
MODEL_S: Final = 0.3
HANDSHAKE_S: Final = 0.33
# Seconds from the understood words to the first sample: the first sentence takes 0.6 s to be
# written, and the model 0.3 s to speak. The rest is for a busy machine.
FIRST_SOUND_S: Final = 1.6
# Seconds without a byte after which devices give up, less one for a busy machine.
LONGEST_GAP_S: Final = 5.0 - 1.0
# Seconds from the first byte to the last of a phrase before a pause. Without a flush, the first
# silence of the pause pushes it out, after 2.5 s.
TAIL_S: Final = 2.2
# Seconds for anything else, on a busy machine.
TIMEOUT_S: Final = 30.0

NIGHT_S: Final = 8 * 3600

# Hertz of the emulated speech.
RATE: Final = 44100

WAYS: Final = ("integration", "server")
KINDS: Final = ("wyoming", "esphome")


@dataclass
class House:
    """A Home Assistant, its voices, and a satellite of each kind for each way to speak."""

    home_assistant: HomeAssistant
    emulator: Emulator
    relay: Relay
    """In front of Fish Audio."""
    log: Program
    server: Program
    server_log: str
    """Of the servers that have ended."""
    account: str
    """The id of our integration's entry."""
    satellites: dict[tuple[str, str], Satellite]
    """By kind and way."""
    entries: dict[Satellite, str]
    """The ids of the satellites' entries."""

    def speech(self, text: str) -> SessionRecord:
        """Return the session in which Fish Audio has spoken ``text``."""
        return next(
            session for session in self.emulator.sessions if "".join(session.texts).strip() == text
        )

    def restart_server(self) -> None:
        """End our server, and start it again on its port."""
        uri = self.server.wait_for(READY)[1]
        self.server.end()
        self.server_log += self.server.log
        self.server = _server(uri, self.relay.url)


# Our server, whose clock leaps at a signal.
SERVER: Final = f"""
import asyncio, signal, time

clock = time.monotonic
nights = []
time.monotonic = lambda: clock() + {NIGHT_S} * len(nights)

def pass_night(*_):
    nights.append(1)
    asyncio.get_running_loop().call_soon_threadsafe(bool)  # It looks at its clock.

signal.signal(signal.SIGUSR1, pass_night)

from wyoming_fish import __main__
__main__.main()
"""


def _server(uri: str, fish_audio: str) -> Program:
    flags = ("--uri", uri, "--api-key", "key", "--base-url", fish_audio)
    program = Program(sys.executable, "-c", SERVER, *flags)
    program.wait_for(READY)
    return program


@pytest.fixture(scope="session")
def _home_assistant(
    tmp_path_factory: pytest.TempPathFactory, archive: Path
) -> Iterator[tuple[Program, str]]:
    set_up("home-assistant")
    set_up("satellite")
    program, url = start_home_assistant(tmp_path_factory.mktemp("config"), archive=archive)
    with program:
        yield program, url


@whole_session
async def house(_home_assistant: tuple[Program, str]) -> AsyncIterator[House]:
    """Home Assistant with both ways to speak and four satellites."""
    program, url = _home_assistant
    settings = EmulatorSettings(voice="code", key="key", handshake=HANDSHAKE_S, first_audio=MODEL_S)
    async with (
        Emulator(settings) as emulator,
        log_in(url) as home_assistant,
        AsyncExitStack() as stack,
    ):
        relay = Relay(int(emulator.url.rpartition(":")[2]))
        await stack.enter_async_context(relay.listening())
        our_server = _server("tcp://127.0.0.1:0", relay.url)
        port = int(our_server.wait_for(READY)[1].rpartition(":")[2])
        # The satellites get URLs with it.
        await home_assistant.call("config/core/update", internal_url=url)
        await home_assistant.add_integration("storyteller")
        account = await home_assistant.add_fish_audio(relay.url, KELP)
        entry = await home_assistant.add_integration("wyoming", host="127.0.0.1", port=port)
        engines = ("tts.captain_kelp_speech", await home_assistant.entity(entry, "tts"))
        house = House(
            home_assistant,
            emulator,
            relay,
            program,
            our_server,
            server_log="",
            account=account,
            satellites={},
            entries={},
        )
        for way, engine in zip(WAYS, engines, strict=True):
            for kind, make in zip(KINDS, (WyomingSatellite, EsphomeSatellite), strict=True):
                satellite = make(f"{kind}-{way}")
                await stack.enter_async_context(satellite.running())
                house.satellites[kind, way] = satellite
                house.entries[satellite] = await _add(home_assistant, satellite, engine)
        yield house
        # It would wait for the replies that were abandoned.
        house.server.signal(signal.SIGKILL)
        house.server.wait()


async def _add(home_assistant: HomeAssistant, satellite: Satellite, engine: str) -> str:
    """Add a satellite that speaks by ``engine``; return its entry's id."""
    speech_to_text = await home_assistant.add_integration(
        "wyoming", host="127.0.0.1", port=satellite.speech_to_text
    )
    await home_assistant.add_pipeline(
        satellite.name, engine, stt_engine=await home_assistant.entity(speech_to_text, "stt")
    )
    entry = await home_assistant.add_integration(
        satellite.integration, host="127.0.0.1", port=satellite.port
    )
    async with asyncio.timeout(TIMEOUT_S):
        await satellite.connected()
    select = await home_assistant.entity(entry, "select")
    await home_assistant.call_service("select", "select_option", select, option=satellite.name)
    return entry


def _samples(satellite: Satellite, pcm: bytes) -> bytes:
    """Return Fish Audio's samples as Home Assistant converts them for a satellite."""
    fish_audio = ("-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", "pipe:")
    return convert(pcm, *fish_audio, "-ar", str(satellite.rate))


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
    assert satellite.decode(data) == _samples(satellite, encode_code_voice(spoken))


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
    await asyncio.gather(
        *(
            _announce(house, each, [f"Number {number} to {each.name}." for number in range(20)])
            for each in satellites
        )
    )


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
    house.server.signal(signal.SIGUSR1)
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
        assert early.startswith(_samples(satellite, before)[:-200])
        pcm = satellite.decode(playback.data)
        silence = len(pcm) // 2 * RATE // satellite.rate - (len(before) + len(after)) // 2
        assert pcm in [
            _samples(satellite, before + bytes(2 * (silence + more)) + after) for more in (0, 1, -1)
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
