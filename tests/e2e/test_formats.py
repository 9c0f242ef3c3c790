"""Each format that players ask for, as a real Home Assistant gives it: how soon, and how true."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any, Final, NamedTuple

import pytest

from script.home_assistant import VERSION
from tests.e2e.conftest import set_up, whole_session
from tests.e2e.home_assistant import WITH_FFMPEG, HomeAssistant, log_in, start_home_assistant
from tests.integration.support.audio import FORMATS, decode, described, each_format, likeness
from wyoming_fish.emulator import Emulator, EmulatorSettings

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(180)]

KELP: Final = "6c1f2a4be0d94f7f8a53c2b9d7e61034"
ENGINE: Final = "tts.captain_kelp_speech"

# Home Assistant keeps what it has spoken: each is spoken once in each format.
MESSAGES: Final = ("The lamps are on.", "The doors are locked.", "The taps are closed.")

# Seconds of the emulated model before its first audio.
MODEL_S: Final = 0.3
# Seconds from the first audio that Fish Audio sends to the first that a player can play. In it are
# Home Assistant, the start of ffmpeg, and what an encoder holds back.
TOLERANCE_S: Final = 0.25
# Of 32,767: what is less is an encoder's silence.
AUDIBLE: Final = 500


class House(NamedTuple):
    """A Home Assistant with our integration."""

    home_assistant: HomeAssistant
    emulator: Emulator


@dataclass
class Fetched:
    """What a player got, and when: seconds of any clock."""

    asked: float
    """When Home Assistant got the message."""
    sent: float = 0.0
    """When Fish Audio sent its first audio."""
    times: list[float] = field(default_factory=list)
    audio: list[bytes] = field(default_factory=list)

    @property
    def whole(self) -> bytes:
        """All of the audio."""
        return b"".join(self.audio)

    async def first_audio(self) -> float:
        """Return when the player could play the first sample."""
        low, high = 0, len(self.audio) - 1
        while low < high:
            middle = (low + high) // 2
            start = await decode(b"".join(self.audio[: middle + 1]), strict=False)
            low, high = (low, middle) if (abs(start) > AUDIBLE).any() else (middle + 1, high)
        return self.times[low]


@pytest.fixture(autouse=True)
def _ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no ffmpeg, one lies beside Home Assistant."""
    monkeypatch.setenv("PATH", WITH_FFMPEG["PATH"])


@whole_session
async def house(tmp_path_factory: pytest.TempPathFactory, archive: Path) -> AsyncIterator[House]:
    """An account whose model takes a second for a second of audio, and a voice."""
    set_up("home-assistant")
    config = tmp_path_factory.mktemp("config")
    program, url = await asyncio.to_thread(start_home_assistant, config, archive=archive)
    settings = EmulatorSettings(voice="tone", key="key", first_audio=MODEL_S, pace=1.0, frame=0.1)
    with program:
        async with Emulator(settings) as emulator, log_in(url) as home_assistant:
            await home_assistant.add_fish_audio(emulator.url, KELP)
            yield House(home_assistant, emulator)


async def fetch(house: House, message: str, options: dict[str, Any]) -> Fetched:
    """Have a message spoken, and listen as a player does."""
    count = len(house.emulator.sessions)

    async def first_sent() -> float:
        await house.emulator.wait_for(
            lambda state: len(state.sessions) > count and state.sessions[-1].audio_events > 0
        )
        return monotonic()

    fetched = Fetched(monotonic())
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        sent = tasks.create_task(first_sent())
        address = await house.home_assistant.post(
            "/api/tts_get_url", engine_id=ENGINE, message=message, options=options
        )
        async for piece in house.home_assistant.fetch(address["path"]):
            fetched.times.append(monotonic())
            fetched.audio.append(piece)
    fetched.sent = sent.result()
    return fetched


@whole_session
async def spoken(house: House) -> bytes:
    """The last message as Fish Audio speaks it: a WAV file that is not converted."""
    # With another option, since Home Assistant has not kept it then.
    return (await fetch(house, MESSAGES[-1], {**FORMATS[0], "trusted": True})).whole


@each_format
async def test_format(
    house: House, spoken: bytes, options: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A player can play soon after Fish Audio speaks, and hears what Fish Audio has spoken."""
    replies = [await fetch(house, message, options) for message in MESSAGES]
    firsts = [await reply.first_audio() for reply in replies]
    late = [first - reply.sent for first, reply in zip(firsts, replies, strict=True)]
    ratios = [
        (first - reply.asked) / (reply.sent - reply.asked)
        for first, reply in zip(firsts, replies, strict=True)
    ]
    fetched = replies[-1].whole
    rate = options.get("preferred_sample_rate", 44100)
    assert f"{rate} Hz, mono" in await described(fetched)
    alike = likeness(await decode(fetched), await decode(spoken))
    with capsys.disabled():
        told = ", ".join(f"{1000 * seconds:+.0f}" for seconds in late)
        print(  # noqa: T201
            f"\nHome Assistant {VERSION}, {options}: first audio after Fish Audio's {told} ms, "
            f"{median(ratios):.2f} times the limit, likeness {alike:.4f}",
            end="",
        )
    assert alike > 0.99
    # Home Assistant's converter collects two pages of OGG, each of a second, before the first.
    assert median(late) < TOLERANCE_S or options.get("preferred_format") == "ogg"
