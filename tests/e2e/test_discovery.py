"""A real Home Assistant finds our server on its local network."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import set_up
from tests.e2e.home_assistant import HomeAssistant, log_in, start_home_assistant
from tests.support.hosts import two_hosts
from tests.support.processes import READY, Program

FLOWS = "/api/config/config_entries/flow"


async def _discovered(home_assistant: HomeAssistant) -> str:
    """Wait until Home Assistant shows a Wyoming service that it has found; return its flow."""
    async with asyncio.timeout(30):
        while True:
            for flow in await home_assistant.call("config_entries/flow/progress"):
                if flow["handler"] == "wyoming":
                    assert flow["context"]["source"] == "zeroconf"
                    assert flow["context"]["title_placeholders"] == {"name": "wyoming-fish"}
                    return str(flow["flow_id"])
            await asyncio.sleep(0.05)


@pytest.mark.timeout(180)
def test_discovered(tmp_path: Path) -> None:
    """It offers the server, which is on another host, by itself; one click later it speaks."""
    set_up("home-assistant")
    with two_hosts() as (here, there):
        our_server = Program(
            *(*here.prefix, sys.executable, "-m", "wyoming_fish", "--demo"),
            *("--uri", "tcp://0.0.0.0:10210", "--zeroconf"),
        )
        with our_server:
            our_server.wait_for(READY)
            program, url = start_home_assistant(tmp_path, more="zeroconf:\n", prefix=there.prefix)

            async def set_it_up() -> None:
                async with log_in(url) as home_assistant:
                    flow = await _discovered(home_assistant)
                    entry = (await home_assistant.post(f"{FLOWS}/{flow}"))["result"]
                    assert (entry["title"], entry["state"]) == ("wyoming-fish", "loaded")
                    address = await home_assistant.post(
                        "/api/tts_get_url",
                        engine_id="tts.wyoming_fish",
                        message="Good night.",
                        options={"preferred_format": "wav"},
                    )
                    pieces = [piece async for piece in home_assistant.fetch(address["path"])]
                    assert len(b"".join(pieces)) > 44100

            with program:
                there.run(set_it_up)
            assert "Spoke a reply: " in our_server.log
