"""Satellites that die during a reply: Home Assistant then never ends the reply's text."""

import asyncio
import contextlib
import os
import re
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import monotonic
from typing import Final, NamedTuple

import pytest

from tests.e2e.conftest import set_up, whole_session
from tests.e2e.home_assistant import HomeAssistant, has_audio, log_in, start_home_assistant
from tests.support.processes import READY, Program
from wyoming_fish.emulator import Emulator, EmulatorSettings

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

KELP: Final = "6c1f2a4be0d94f7f8a53c2b9d7e61034"

# One sentence, after which the agent says no more for ten minutes, and then is cancelled.
STORY: Final = "Tomorrow morning seven friends will travel by train to a village. {600} The end."
# Satellites that die at the same time: as many as the account may have sessions.
SATELLITES: Final = 5

# Seconds, in place of the product's half a minute and five minutes.
WAITS: Final = {"PARK_AFTER_S": 2.0, "TEXT_TIMEOUT_S": 6.0}
# Seconds more, on a busy machine.
TOLERANCE_S: Final = 5.0

SERVER: Final = f"""
from wyoming_fish import __main__
from wyoming_fish.fish.synthesis import live_attempt, text_chunks
live_attempt.PARK_AFTER_S = {WAITS["PARK_AFTER_S"]}
text_chunks.TEXT_TIMEOUT_S = {WAITS["TEXT_TIMEOUT_S"]}
__main__.main()
"""


class House(NamedTuple):
    """A Home Assistant that speaks by our integration, and by our server too."""

    home_assistant: HomeAssistant
    emulator: Emulator
    pipelines: dict[str, str]
    program: Program

    @property
    def encoders(self) -> list[int]:
        """The ffmpeg processes that Home Assistant has."""
        stats = (_stat(folder) for folder in Path("/proc").glob("[0-9]*"))
        ours = f"(ffmpeg) S {self.program.pid} "
        return [int(stat.split()[0]) for stat in stats if stat.partition(" ")[2].startswith(ours)]


def _stat(folder: Path) -> str:
    with contextlib.suppress(OSError):
        return (folder / "stat").read_text()
    return ""


async def _ended(process: int) -> None:
    """Wait for the end of a process, whoever has started it."""
    with contextlib.suppress(ProcessLookupError):
        handle = os.pidfd_open(process)
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(handle, ended.set)
        try:
            await ended.wait()
        finally:
            asyncio.get_running_loop().remove_reader(handle)
            os.close(handle)


def _shorten(archive: Path, shortened: Path) -> None:
    """Copy the integration's archive, with shorter waits."""
    changed = 0
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(shortened, "w") as copy:
        for name in source.namelist():
            text = source.read(name)
            for constant, seconds in WAITS.items():
                pattern = rf"(?m)^{constant}: Final = .*$".encode()
                text, count = re.subn(pattern, f"{constant} = {seconds}".encode(), text)
                changed += count
            copy.writestr(name, text)
    assert changed == len(WAITS)


@pytest.fixture(scope="session")
def _home_assistant(
    tmp_path_factory: pytest.TempPathFactory, archive: Path
) -> Iterator[tuple[Program, str]]:
    set_up("home-assistant")
    shortened = tmp_path_factory.mktemp("dist") / "wyoming_fish.zip"
    _shorten(archive, shortened)
    program, url = start_home_assistant(tmp_path_factory.mktemp("config"), archive=shortened)
    with program:
        yield program, url


@whole_session
async def house(_home_assistant: tuple[Program, str]) -> AsyncIterator[House]:
    """Home Assistant with both ways to speak, both with short waits."""
    program, url = _home_assistant
    settings = EmulatorSettings(voice="tone", key="key", first_audio=0.3)
    async with Emulator(settings) as emulator, log_in(url) as home_assistant:
        flags = ("--uri=tcp://127.0.0.1:0", "--api-key=key", f"--base-url={emulator.url}")
        with Program(sys.executable, "-c", SERVER, *flags) as our_server:
            port = int(our_server.wait_for(READY)[1].rpartition(":")[2])
            await home_assistant.add_integration("storyteller")
            await home_assistant.add_fish_audio(emulator.url, KELP)
            entry = await home_assistant.add_integration("wyoming", host="127.0.0.1", port=port)
            entities = await home_assistant.call("config/entity_registry/list")
            (by_wyoming,) = [e["entity_id"] for e in entities if e["config_entry_id"] == entry]
            engines = {"integration": "tts.captain_kelp_speech", "server": by_wyoming}
            pipelines = {
                name: await home_assistant.add_pipeline(name, engine)
                for name, engine in engines.items()
            }
            yield House(home_assistant, emulator, pipelines, program)


async def _hear_and_die(house: House, pipeline: str) -> float:
    """Ask, and die as soon as the reply is heard; gives the seconds that this took."""
    began = monotonic()
    async with house.home_assistant.again() as satellite:
        await satellite.call(
            "assist_pipeline/run",
            start_stage="intent",
            end_stage="tts",
            pipeline=pipeline,
            input={"text": STORY},
        )
        while (event := await satellite.event())["type"] != "run-start":
            pass
        mp3 = b""
        audio = satellite.fetch(event["data"]["tts_output"]["url"])
        async with contextlib.aclosing(audio):
            async for piece in audio:
                mp3 += piece
                if has_audio(mp3):
                    return monotonic() - began
    raise AssertionError("the reply ended without audio")


@pytest.mark.parametrize("way", ["integration", "server"])
async def test_satellites_that_die_during_their_replies(house: House, way: str) -> None:
    """However many have died, the next is heard as soon as ever, and nothing of them is left."""
    pipeline, emulator = house.pipelines[way], house.emulator
    usual = await _hear_and_die(house, pipeline)
    for _ in range(2):
        await asyncio.gather(*(_hear_and_die(house, pipeline) for _ in range(SATELLITES)))
    async with asyncio.timeout(WAITS["PARK_AFTER_S"] + TOLERANCE_S):
        await emulator.wait_for(lambda state: state.sessions_open == 0)
    assert await _hear_and_die(house, pipeline) < usual + 1.0
    assert house.encoders
    async with asyncio.timeout(WAITS["TEXT_TIMEOUT_S"] + TOLERANCE_S):
        await emulator.wait_for(lambda state: state.sessions_open == 0)
        for process in house.encoders:
            await _ended(process)
