"""Our integration in a real Home Assistant, installed from its archive."""

import asyncio
import re
import subprocess
import wave
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from time import monotonic
from typing import Any, NamedTuple

import pytest

from tests.e2e.conftest import set_up, whole_session
from tests.e2e.home_assistant import (
    WITH_FFMPEG,
    HomeAssistant,
    has_audio,
    log_in,
    start_home_assistant,
)
from tests.support.processes import READY, Program, server
from wyoming_fish.emulator import Emulator, EmulatorSettings, Fault, decode_code_voice

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

KELP = "6c1f2a4be0d94f7f8a53c2b9d7e61034"
CORAL = "0b77d3c58f1e4d6e9f20a4c6e8b1d352"

FIRST_SENTENCE = "Tomorrow morning seven friends will travel by train to a village."
STORY = (
    f"{FIRST_SENTENCE} Please remember to bring bread, cheese, apples and a bottle of cold water. "
    "After lunch we could visit the old church, walk along the river and take some photos."
)

# Seconds of the emulated model before its first audio, and of the websocket's upgrade.
MODEL = 0.3
HANDSHAKE = 0.33
# Seconds after the limit; in it are the next word, Home Assistant and ffmpeg.
TOLERANCE = 0.15


class House(NamedTuple):
    """A Home Assistant with our integration."""

    home_assistant: HomeAssistant
    emulator: Emulator
    entry: str
    """The id of the account's entry."""
    log: Program

    @property
    def engine(self) -> str:
        """The text-to-speech entity."""
        return "tts.captain_kelp_speech"


@dataclass
class Reply:
    """When things happened in a pipeline: seconds of any clock."""

    written: list[tuple[float, str]] = field(default_factory=list)
    """Each piece of text."""
    started: float = 0.0
    """When Home Assistant gave the first text to the voice."""
    audio: list[float] = field(default_factory=list)
    mp3: bytes = b""

    @property
    def after_the_limit(self) -> float:
        """Seconds from when the model could have given the first sentence to the first MP3."""
        text = ""
        for at, piece in self.written:
            text += piece
            if len(text) >= len(FIRST_SENTENCE):
                return self.audio[0] - max(at, self.started) - MODEL
        raise AssertionError("the first sentence was not written")


@pytest.fixture(scope="session")
def _home_assistant(
    tmp_path_factory: pytest.TempPathFactory, archive: Path
) -> Iterator[tuple[Program, str]]:
    """A new Home Assistant that watches its event loop, and its URL."""
    set_up("home-assistant")
    program, url = start_home_assistant(
        tmp_path_factory.mktemp("config"), "--debug", archive=archive
    )
    with program:
        yield program, url


@whole_session
async def house(_home_assistant: tuple[Program, str]) -> AsyncIterator[House]:
    """Home Assistant with an account and a voice, added through the flow, and the storyteller."""
    program, url = _home_assistant
    settings = EmulatorSettings(voice="code", key="key", handshake=HANDSHAKE)
    async with Emulator(settings) as emulator, log_in(url) as home_assistant:
        await home_assistant.add_integration("storyteller")
        entry = await home_assistant.add_fish_audio(emulator.url, KELP)
        yield House(home_assistant, emulator, entry, program)


async def _all(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


def _seconds(mp3: bytes, wav: Path) -> float:
    """Return how long an MP3 sounds."""
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", "pipe:", wav], input=mp3, env=WITH_FFMPEG, check=True
    )
    with wave.open(str(wav)) as file:
        seconds: float = file.getnframes() / file.getframerate()
    return seconds


async def test_voices(house: House) -> None:
    """The account's voices are offered by language, the chosen one first."""
    for language, names in (
        ("en", ["Captain Kelp", "Coral", "Old Harbour"]),
        ("de", ["Captain Kelp", "Coral", "Old Harbour"]),
        ("nb", ["Captain Kelp", "Old Harbour"]),
    ):
        listed = await house.home_assistant.call(
            "tts/engine/voices", engine_id=house.engine, language=language
        )
        assert [voice["name"] for voice in listed["voices"]] == names


@pytest.mark.parametrize("voice", [None, CORAL])
async def test_speech_is_exact(house: House, voice: str | None) -> None:
    """Home Assistant gets each sample of what Fish has spoken, in the voice that was chosen."""
    options = {"preferred_format": "wav"} | ({"voice": voice} if voice else {})
    address = await house.home_assistant.post(
        "/api/tts_get_url", engine_id=house.engine, message=STORY, options=options
    )
    wav = await _all(house.home_assistant.fetch(address["path"]))
    with wave.open(BytesIO(wav)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (44100, 2, 1)
    assert decode_code_voice(wav[44:]).strip() == STORY
    assert house.emulator.sessions[-1].request["reference_id"] == (voice or KELP)


async def test_speak_to_media_player(house: House, tmp_path: Path) -> None:
    """`tts.speak` makes a speaker play the speech."""
    house.emulator.settings.voice = "tone"
    home_assistant = house.home_assistant
    await home_assistant.call(
        "subscribe_trigger",
        trigger={"platform": "state", "entity_id": "media_player.speaker", "to": "playing"},
    )
    await home_assistant.call(
        "call_service",
        domain="tts",
        service="speak",
        target={"entity_id": house.engine},
        service_data={
            "media_player_entity_id": "media_player.speaker",
            "message": STORY,
            "options": {"speed": 1.25, "style": "cheerful"},
        },
    )
    playing = (await home_assistant.event())["variables"]["trigger"]["to_state"]
    mp3 = await _all(home_assistant.fetch(playing["attributes"]["media_content_id"]))
    assert 5 < _seconds(mp3, tmp_path / "speech.wav") < 30
    assert house.emulator.sessions[-1].texts[0].startswith("[cheerful] Tomorrow")


async def _ask(home_assistant: HomeAssistant, pipeline: str) -> Reply:
    """Have the story told, and listen to it as a satellite does."""
    await home_assistant.call(
        "assist_pipeline/run",
        start_stage="intent",
        end_stage="tts",
        pipeline=pipeline,
        input={"text": STORY},
    )
    reply = Reply()

    async def listen(address: str) -> None:
        async for piece in home_assistant.fetch(address):
            reply.mp3 += piece
            if has_audio(reply.mp3):
                reply.audio.append(monotonic())

    async with asyncio.timeout(30), asyncio.TaskGroup() as listener:
        while (event := await home_assistant.event())["type"] != "run-end":
            data: dict[str, Any] = event["data"]
            assert event["type"] != "error", event
            if event["type"] == "run-start":
                listener.create_task(listen(data["tts_output"]["url"]))
            elif data.get("tts_start_streaming"):
                reply.started = monotonic()
            elif content := data.get("chat_log_delta", {}).get("content"):
                reply.written.append((monotonic(), content))
    return reply


async def test_assist_reply(
    house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reply is first heard at the limit, while the agent still writes it, and heard whole.

    The same reply through Home Assistant's own Wyoming integration and our server is measured
    beside it.
    """
    house.emulator.settings.voice = "tone"
    house.emulator.settings.first_audio = MODEL
    home_assistant = house.home_assistant
    late: dict[str, list[float]] = {"integration": [], "server": []}
    with server(
        *("--uri", "tcp://127.0.0.1:0", "--api-key", "key"),
        *("--base-url", house.emulator.url),
    ) as our_server:
        port = int(our_server.wait_for(READY)[1].rpartition(":")[2])
        entry = await home_assistant.add_integration("wyoming", host="127.0.0.1", port=port)
        entities = await home_assistant.call("config/entity_registry/list")
        (by_wyoming,) = [e["entity_id"] for e in entities if e["config_entry_id"] == entry]
        pipelines = {
            "integration": await home_assistant.add_pipeline("integration", house.engine, CORAL),
            "server": await home_assistant.add_pipeline("server", by_wyoming),
        }
        for name, pipeline in 4 * list(pipelines.items()):
            reply = await _ask(home_assistant, pipeline)
            late[name].append(reply.after_the_limit)
            assert reply.audio[0] < reply.written[-1][0]
            assert 8 < _seconds(reply.mp3, tmp_path / f"{len(late[name])}-{name}.wav") < 30
            session = house.emulator.sessions[-1]
            assert "".join(session.texts).strip() == STORY
            assert session.request.get("reference_id") == (CORAL if name == "integration" else None)
        await home_assistant.delete(f"/api/config/config_entries/entry/{entry}")
    house.emulator.settings.first_audio = 0.0
    with capsys.disabled():
        for name, seconds in late.items():
            told = ", ".join(f"{1000 * each:+.0f}" for each in seconds)
            print(f"\nFirst audio after the limit, by the {name}: {told} ms", end="")  # noqa: T201
    # The first reply finds nothing in Home Assistant's own caches.
    assert sorted(late["integration"][1:])[1] < TOLERANCE


async def test_sensors(house: House) -> None:
    """The credit and the text that was spoken are there to be seen."""
    states = {state["entity_id"]: state for state in await house.home_assistant.call("get_states")}
    assert float(states["sensor.fish_audio_4d1f0c9b_api_credit"]["state"]) == 10
    assert int(states["sensor.captain_kelp_text_spoken"]["state"]) > len(STORY)


async def test_reload_leaves_nothing_open(house: House) -> None:
    """Reloading closes every socket, and opens none before it is needed."""
    await house.emulator.wait_for(lambda state: state.sockets_open > 0)
    await house.home_assistant.reload(house.entry)
    await asyncio.wait_for(house.emulator.wait_for(lambda state: state.sockets_open == 0), 10)


async def test_log(house: House) -> None:
    """Nothing of the above made Home Assistant complain of us, or of a loop that was blocked."""
    log = house.log.log
    # Home Assistant may block its loop by itself when it starts.
    blocking = re.findall(r"^.*blocking call.*$", log, re.MULTILINE | re.IGNORECASE)
    assert [line for line in blocking if "wyoming_fish" in line] == []
    about_us = re.findall(r"^.*(?:WARNING|ERROR|CRITICAL).*wyoming_fish.*$", log, re.MULTILINE)
    # What it says of every integration that is not its own.
    assert len([line for line in about_us if "has not been tested by Home Assistant" in line]) == 1
    assert _complaints(log) == []


def _complaints(log: str) -> list[str]:
    """Return what Home Assistant complains of after its start."""
    _, used = log.split("Home Assistant initialized")
    lines: list[str] = re.findall(r"^.*(?:WARNING|ERROR|CRITICAL|Traceback).*$", used, re.MULTILINE)
    # asyncio tells of each step of any task that took over 0.1 s, as any may on a busy machine.
    slow = re.compile(r"WARNING .* \[asyncio\] Executing .* took (\d+\.\d+) seconds$")
    return [line for line in lines if not (step := slow.search(line)) or float(step[1]) > 1]


@pytest.mark.parametrize("audio_format", ["wav", "mp3", "flac"])
async def test_failed_reply(house: House, audio_format: str) -> None:
    """A player is told of a reply that fails before its first sample, whatever its format."""
    # Last, since Home Assistant's log tells of it.
    house.emulator.settings.faults.append(Fault("upgrade", 402, times=None))
    address = await house.home_assistant.post(
        "/api/tts_get_url",
        engine_id=house.engine,
        message=f"Nobody hears this {audio_format}.",
        options={"preferred_format": audio_format},
    )
    assert await house.home_assistant.status(address["path"]) == 500
    house.emulator.settings.faults.clear()


async def test_log_of_failures(house: House) -> None:
    """A failed reply and the end of the account leave only the lines about the reply."""
    await house.home_assistant.delete(f"/api/config/config_entries/entry/{house.entry}")
    about_the_reply = re.compile(
        r"WARNING .* Fish Audio could not speak: |ERROR .* \[homeassistant\.components\.tts\]"
        r"|^Traceback"
    )
    complaints = _complaints(house.log.log)
    assert [line for line in complaints if not about_the_reply.search(line)] == []
    assert len([line for line in complaints if "Fish Audio could not speak" in line]) == 3
