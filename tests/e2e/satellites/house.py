"""A Home Assistant with satellites, and with both ways to speak."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from tests.e2e.home_assistant import HomeAssistant, log_in
from tests.e2e.satellites.devices import EsphomeSatellite, Satellite, WyomingSatellite, convert
from tests.support.processes import READY, Program
from tests.support.relay import Relay
from wyoming_fish.emulator import Emulator, EmulatorSettings, SessionRecord

KELP: Final = "6c1f2a4be0d94f7f8a53c2b9d7e61034"

# Seconds of the emulated model before its first audio, and of the websocket's upgrade.
MODEL_S: Final = 0.3
HANDSHAKE_S: Final = 0.33
# Seconds for what takes a moment, on a busy machine.
TIMEOUT_S: Final = 30.0

NIGHT_S: Final = 8 * 3600

# Hertz of the emulated speech.
RATE: Final = 44100

WAYS: Final = ("integration", "server")
KINDS: Final = {"wyoming": WyomingSatellite, "esphome": EsphomeSatellite}


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

    def pass_night(self) -> None:
        """Make the clock of our server leap."""
        self.server.signal(signal.SIGUSR1)


def convert_speech(satellite: Satellite, pcm: bytes) -> bytes:
    """Return Fish Audio's samples as Home Assistant converts them for a satellite."""
    fish_audio = ("-f", "s16le", "-ar", str(RATE), "-ac", "1", "-i", "pipe:")
    return convert(pcm, *fish_audio, "-ar", str(satellite.rate))


@asynccontextmanager
async def furnished(program: Program, url: str) -> AsyncIterator[House]:
    """Give a new Home Assistant both ways to speak, and four satellites."""
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
            for kind, make in KINDS.items():
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
