import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio

from tests.e2e.home_assistant import HomeAssistant, log_in, start_home_assistant
from tests.support.processes import READY, ROOT, Program, server
from wyoming_fish.emulator import Emulator, EmulatorSettings

whole_session = pytest_asyncio.fixture(scope="session", loop_scope="session")


class House(NamedTuple):
    """A Home Assistant that speaks through our server."""

    home_assistant: HomeAssistant
    emulator: Emulator
    engine: str
    """The text-to-speech entity's id."""
    log: Program
    server_log: Program


def set_up(what: str) -> None:
    """Install what the tests need; skip them where it cannot be had."""
    install(ROOT / "script" / "setup", what)


def install(*command: str | Path) -> None:
    """Run what installs something that the tests need; skip them where it cannot be had."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1]
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What HACS would download."""
    path = tmp_path_factory.mktemp("dist") / "wyoming_fish.zip"
    subprocess.run([ROOT / "script" / "package-integration", path], check=True)
    return path


@pytest.fixture(scope="session")
def _home_assistant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, str]]:
    """A new Home Assistant, and its URL; the tests are skipped where there can be none."""
    set_up("home-assistant")
    program, url = start_home_assistant(tmp_path_factory.mktemp("config"))
    with program:
        yield program, url


@whole_session
async def house(_home_assistant: tuple[Program, str]) -> AsyncIterator[House]:
    """Home Assistant with our server, added by host and port, and the storyteller."""
    program, url = _home_assistant
    async with Emulator(EmulatorSettings()) as emulator, log_in(url) as home_assistant:
        flags = ("--uri", "tcp://127.0.0.1:0", "--api-key", "key", "--base-url", emulator.url)
        with server(*flags) as our_server:
            port = int(our_server.wait_for(READY)[1].rpartition(":")[2])
            await home_assistant.add_integration("storyteller")
            entry = await home_assistant.add_integration("wyoming", host="127.0.0.1", port=port)
            entities = await home_assistant.call("config/entity_registry/list")
            (engine,) = [
                entity["entity_id"] for entity in entities if entity["config_entry_id"] == entry
            ]
            yield House(home_assistant, emulator, engine, program, our_server)
