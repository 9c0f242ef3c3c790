"""The account of Home Assistant's own integration Fish Audio, which is set up and speaks.

Both integrations use Fish Audio's own address. A proxy leads it to the emulator.
"""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from script.home_assistant import PYTHON, VENV
from tests.e2e.conftest import install, set_up, whole_session
from tests.e2e.home_assistant import (
    WITH_FFMPEG,
    HomeAssistant,
    has_audio,
    log_in,
    start_home_assistant,
)
from tests.support.certificates import self_signed
from tests.support.gateways import ForwardProxy, forward_proxy
from tests.support.listening import join, listening
from tests.support.processes import Program
from wyoming_fish.emulator import Emulator, EmulatorSettings, decode_code_voice

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

HOST: Final = "api.fish.audio"
CORE: Final = "fish_audio"
KELP: Final = "6c1f2a4be0d94f7f8a53c2b9d7e61034"
STORY: Final = "Tomorrow morning seven friends will travel by train to a village."

ENTRY_FLOW: Final = "/api/config/config_entries/flow"
VOICE_FLOW: Final = "/api/config/config_entries/subentries/flow"


class House(NamedTuple):
    """A Home Assistant with its own integration Fish Audio, and the package of ours."""

    home_assistant: HomeAssistant
    emulator: Emulator
    core_entry: str
    """The id of the entry of Home Assistant's own integration."""
    core_engine: str
    """Its text-to-speech entity."""
    log: Program


def install_sdk(folder: Path) -> None:
    """Install what Home Assistant's own integration requires into ``folder``, as it would."""
    package = next(VENV.glob("lib/python*/site-packages/homeassistant"))
    manifest = json.loads((package / "components" / CORE / "manifest.json").read_text())
    install(
        *(
            Path(sys.executable).with_name("uv"),
            "pip",
            "install",
            "--quiet",
            "--python",
            PYTHON,
            "--target",
            folder,
        ),
        *("--constraints", package / "package_constraints.txt", *manifest["requirements"]),
    )


@whole_session
async def house(tmp_path_factory: pytest.TempPathFactory, archive: Path) -> AsyncIterator[House]:
    """The account and a voice, set up by the forms of Home Assistant's own integration."""
    set_up("home-assistant")
    sdk, trusted = tmp_path_factory.mktemp("sdk"), tmp_path_factory.mktemp("trusted")
    install_sdk(sdk)
    certificate = self_signed(trusted, HOST)
    async with AsyncExitStack() as stack:
        emulator = await stack.enter_async_context(
            Emulator(EmulatorSettings(voice="code", key="key"))
        )

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            behind = await asyncio.open_connection("127.0.0.1", emulator.port)
            await join((reader, writer), behind)

        tls_port = await stack.enter_async_context(listening(serve, certificate))
        proxy = await stack.enter_async_context(forward_proxy(tls_port, ForwardProxy()))
        env = WITH_FFMPEG | {
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}",
            "PYTHONPATH": str(sdk),
            # The authorities of httpx, and those of Home Assistant.
            **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(trusted / "cert.pem")),
        }
        config = tmp_path_factory.mktemp("config")
        program, url = await asyncio.to_thread(
            start_home_assistant, config, "--debug", archive=archive, env=env
        )
        stack.enter_context(program)
        home_assistant = await stack.enter_async_context(log_in(url))
        entry = await home_assistant.add_integration(CORE, api_key="key")
        await _answer(
            home_assistant,
            VOICE_FLOW,
            (entry, "tts"),
            ("init", {"self_only": True}),
            (
                "model",
                {"voice_id": KELP, "backend": "s1", "latency": "normal", "speed": 1.25}
                | {"name": "Kelp"},
            ),
        )
        yield House(home_assistant, emulator, entry, await _core_engine(home_assistant), program)


async def _answer(
    home_assistant: HomeAssistant,
    url: str,
    handler: Any,
    *answers: tuple[str, dict[str, Any]],
) -> dict[str, Any]:
    """Go through a flow; return its end."""
    step = await home_assistant.post(url, handler=handler)
    for step_id, answer in answers:
        assert step["step_id"] == step_id, step
        step = await home_assistant.post(f"{url}/{step['flow_id']}", **answer)
    assert step["type"] == "create_entry", step
    end: dict[str, Any] = step
    return end


async def _core_engine(home_assistant: HomeAssistant) -> str:
    """Wait until Home Assistant's own integration has set up its voice; return the entity's id."""
    await home_assistant.call("config_entries/subscribe", type_filter=["service"])
    while True:
        changes: Any = await home_assistant.event()
        states = [each["entry"]["state"] for each in changes if each["entry"]["domain"] == CORE]
        entities = await home_assistant.call("config/entity_registry/list")
        engines = [each["entity_id"] for each in entities if each["platform"] == CORE]
        if engines and "loaded" in states:
            return str(engines[0])


async def _entry(house: House) -> tuple[Any, Any]:
    """Return what Home Assistant shows of its own entry and of its voices."""
    call = house.home_assistant.call
    entries = await call("config_entries/get", domain=CORE)
    voices = await call("config_entries/subentries/list", entry_id=house.core_entry)
    return entries, voices


async def _speak(house: House, engine: str, audio_format: str) -> bytes:
    options = {"preferred_format": audio_format}
    address = await house.home_assistant.post(
        "/api/tts_get_url", engine_id=engine, message=STORY, options=options
    )
    return b"".join([piece async for piece in house.home_assistant.fetch(address["path"])])


async def test_account_is_taken_over(house: House) -> None:
    """Its key and its voices are offered, and speak; its own entry stays as it is, and speaks."""
    call = house.home_assistant.call
    before = await _entry(house)
    end = await _answer(
        house.home_assistant, ENTRY_FLOW, "wyoming_fish", ("start", {"next_step_id": "take_over"})
    )
    ours = end["result"]
    assert ours["state"] == "loaded"
    (voice,) = await call("config_entries/subentries/list", entry_id=ours["entry_id"])
    assert (voice["subentry_type"], voice["title"]) == ("voice", "Kelp")

    wav = await _speak(house, "tts.kelp_speech", "wav")
    assert decode_code_voice(wav[44:]).strip() == STORY
    session = house.emulator.sessions[-1]
    assert (session.request["reference_id"], session.request["latency"]) == (KELP, "normal")
    assert session.request["prosody"]["speed"] == 1.25

    assert await _entry(house) == before
    assert has_audio(await _speak(house, house.core_engine, "mp3"))
    assert len(house.emulator.sessions) == 2
    complaints = re.findall(
        r"^.*(?:WARNING|ERROR|CRITICAL).*wyoming_fish.*$", house.log.log, re.MULTILINE
    )
    # What Home Assistant says of every integration that is not its own.
    assert [
        line for line in complaints if "has not been tested by Home Assistant" not in line
    ] == []
