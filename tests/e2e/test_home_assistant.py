"""Our server in a real Home Assistant, through Home Assistant's own Wyoming integration."""

import asyncio
import re
import subprocess
import wave
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest

from tests.e2e.conftest import House
from tests.e2e.home_assistant import WITH_FFMPEG
from tests.tools.hearing import hear, share_heard
from wyoming_fish.emulator import decode_code_voice

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

STORY = (
    "Tomorrow morning seven friends will travel by train to a small village near the mountains. "
    "Please remember to bring bread, cheese, apples and a bottle of cold water. "
    "After lunch we could visit the old church, walk along the river and take some photographs."
)
OTHER_STORY = (
    "Good evening, and welcome home. "
    "The lamps in the kitchen are on, the oven is warm, and the soup is waiting on the stove. "
    "It will rain until nine o'clock, so I have closed the windows upstairs."
)


CORAL = "0b77d3c58f1e4d6e9f20a4c6e8b1d352"


async def _all(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


def _text_in(wav: bytes) -> str:
    """Read what the emulator's code voice has written into a WAV of unknown length."""
    with wave.open(BytesIO(wav)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (44100, 2, 1)
    return decode_code_voice(wav[44:])


def _decode(mp3: bytes, wav: Path) -> float:
    """Make an MP3 a WAV file; return its length in seconds."""
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", "pipe:", wav],
        input=mp3,
        env=WITH_FFMPEG,
        check=True,
    )
    with wave.open(str(wav)) as file:
        seconds: float = file.getnframes() / file.getframerate()
    return seconds


async def test_voices(house: House) -> None:
    """The entity offers the configured voice and the account's own, by language."""
    found = await house.home_assistant.call("tts/engine/get", engine_id=house.engine)
    assert {"en", "de"} <= set(found["provider"]["supported_languages"])
    for language, own in (("en", {"Captain Kelp", "Coral"}), ("de", {"Coral"})):
        listed = await house.home_assistant.call(
            "tts/engine/voices", engine_id=house.engine, language=language
        )
        names = [voice["name"] for voice in listed["voices"]]
        assert own < set(names)
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("voice", [None, CORAL])
async def test_speech_is_exact(house: House, voice: str | None) -> None:
    """Home Assistant gets each sample of what Fish has spoken, in the voice that was chosen."""
    house.emulator.settings.voice = "code"
    options = {"preferred_format": "wav"} | ({"voice": voice} if voice else {})
    address = await house.home_assistant.post(
        "/api/tts_get_url", engine_id=house.engine, message=STORY, options=options
    )
    wav = await _all(house.home_assistant.fetch(address["path"]))
    assert _text_in(wav).strip() == STORY
    assert house.emulator.sessions[-1].request.get("reference_id") == voice


async def test_speak_to_media_player(house: House, tmp_path: Path) -> None:
    """`tts.speak` makes a speaker play the speech."""
    house.emulator.settings.voice = "espeak"
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
        service_data={"media_player_entity_id": "media_player.speaker", "message": STORY},
    )
    playing = (await home_assistant.event())["variables"]["trigger"]["to_state"]
    mp3 = await _all(home_assistant.fetch(playing["attributes"]["media_content_id"]))
    assert 8 < _decode(mp3, tmp_path / "speech.wav") < 30


async def test_assist_reply(house: House, tmp_path: Path) -> None:
    """A reply is heard while the agent still writes it, and its words are the agent's."""
    house.emulator.settings.voice = "espeak"
    home_assistant = house.home_assistant
    pipeline = await home_assistant.add_pipeline("Tests", house.engine, CORAL)
    await home_assistant.call(
        "assist_pipeline/run",
        start_stage="intent",
        end_stage="tts",
        pipeline=pipeline,
        input={"text": STORY},
    )

    mp3 = bytearray()

    async def listen(address: str) -> None:
        async for piece in home_assistant.fetch(address):
            mp3.extend(piece)

    heard_by_the_end_of_the_text = 0
    async with asyncio.timeout(30), asyncio.TaskGroup() as listener:
        while (event := await home_assistant.event())["type"] != "run-end":
            assert event["type"] != "error", event
            if event["type"] == "run-start":
                listener.create_task(listen(event["data"]["tts_output"]["url"]))
            if event["type"] == "intent-end":
                heard_by_the_end_of_the_text = len(mp3)

    assert heard_by_the_end_of_the_text > 0
    session = house.emulator.sessions[-1]
    assert "".join(session.texts).strip() == STORY
    assert session.request["reference_id"] == CORAL
    wav = tmp_path / "speech.wav"
    assert 8 < _decode(bytes(mp3), wav) < 30
    heard = hear(wav, [STORY, OTHER_STORY])
    assert share_heard(STORY, heard) > 0.6
    assert share_heard(OTHER_STORY, heard) < 0.3


async def test_logs(house: House) -> None:
    """Nothing of the above made Home Assistant or our server complain."""
    complaint = re.compile(r"^.*(?:WARNING|ERROR|CRITICAL|Traceback).*$", re.MULTILINE)
    # What it says while it starts is about its own machine and packages.
    _, used = house.log.log.split("Home Assistant initialized")
    assert complaint.findall(used) == []
    assert complaint.findall(house.server_log.log) == []
    assert "Spoke" in house.server_log.log
