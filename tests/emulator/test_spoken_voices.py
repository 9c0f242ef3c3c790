import asyncio
import importlib.util
import math
import subprocess
import sys
from array import array
from itertools import combinations, pairwise

import pytest

from tests.emulator.client import Live, emulated, live
from wyoming_fish.emulator import VOICES, EmulatedVoice, Emulator, EmulatorSettings
from wyoming_fish.emulator.voices import check_voice
from wyoming_fish.emulator.voices.tone import speak_tones

TEXT = "Good morning, everyone. The light is on."


async def say(socket: Live, text: str = TEXT, **request: object) -> "array[int]":
    """The samples of a whole session."""
    await socket.start(**request)
    await socket.text(text)
    await socket.stop()
    heard, finish = await socket.rest()
    assert finish["reason"] == "stop"
    return array("h", b"".join(heard))


def loudness(samples: "array[int]") -> float:
    """The root of the mean square."""
    return math.sqrt(sum(sample * sample for sample in samples) / len(samples))


def pitch(samples: "array[int]") -> float:
    """How often the wave crosses zero: no true pitch, but what differs where that does."""
    return sum((one < 0) != (other < 0) for one, other in pairwise(samples)) / len(samples)


@pytest.mark.parametrize("voice", ["espeak", "tone"])
async def test_speech_is_as_asked(voice: str) -> None:
    """Rate, speed and volume of the request are heard in the speech."""
    async with emulated(voice=voice) as emulator, live(emulator) as socket:
        plain = await say(socket)
        assert 1.5 < len(plain) / 44100 < 4
        for rate in (8000, 16000, 24000, 32000):
            samples = await say(socket, sample_rate=rate)
            assert len(samples) / rate == pytest.approx(len(plain) / 44100, rel=0.01)
            assert loudness(samples) == pytest.approx(loudness(plain), rel=0.1)
        slow = await say(socket, prosody={"speed": 0.5})
        assert len(slow) > 1.5 * len(plain)
        quiet = await say(socket, prosody={"volume": -20})
        assert loudness(quiet) == pytest.approx(loudness(plain) / 10, rel=0.05)


@pytest.mark.parametrize("voice", ["espeak", "tone"])
async def test_cues_are_not_said(voice: str) -> None:
    """What is between brackets is acted and not read out, but by S1."""
    marked = f"[calm] {TEXT.replace('The', '[long pause] <|speaker:1|>The')}"
    async with emulated(voice=voice) as emulator:
        async with live(emulator) as socket:
            assert len(await say(socket, marked)) == pytest.approx(len(await say(socket)), rel=0.02)
        async with live(emulator, model="s1") as socket:
            assert len(await say(socket, marked)) > 1.2 * len(await say(socket))


@pytest.mark.parametrize("voice", ["espeak", "tone"])
async def test_voices_differ(voice: str) -> None:
    """No two of the account's voices, nor Fish's default, sound alike."""
    async with emulated(voice=voice) as emulator, live(emulator) as socket:
        references = [None, *(each.id for each in VOICES)]
        heard = [await say(socket, reference_id=each) for each in references]
        for one, other in combinations(heard, 2):
            assert (len(one), loudness(one), pitch(one)) != pytest.approx(
                (len(other), loudness(other), pitch(other)), rel=0.02
            )


async def test_tone_is_a_tone_for_each_word() -> None:
    """A word lasts 60 ms for each letter, with a pause of 60 ms after it."""
    assert len(speak_tones("a bcd, 22!", 8000, 1.0, 0.0, 330.0)) == 2 * 480 * (2 + 4 + 3)
    assert len(speak_tones("字" * 250, 8000, 1.0, 0.0, 330.0)) == 2 * 480 * (250 + 3)


async def test_tones_do_not_click() -> None:
    """No step between two samples is larger than the tone itself makes, at either end of a word."""
    samples = array("h", speak_tones("Tone after tone.", 16000, 1.0, 0.0, 330.0))
    assert max(abs(b - a) for a, b in pairwise(samples)) < 6000 * 0.14
    assert samples[0] == samples[-1] == 0


async def test_chunks_of_speech_join_well() -> None:
    """A chunk begins with its first sound and ends with the pause that its last mark asks for."""
    async with emulated(voice="espeak") as emulator, live(emulator) as socket:
        sentence = await say(socket, "It is done. ", sample_rate=24000)
        part = await say(socket, "It is done ", sample_rate=24000)
        loud = [index for index, sample in enumerate(sentence) if abs(sample) > 200]
        assert loud[0] < 0.03 * 24000
        assert 0.2 * 24000 < len(sentence) - loud[-1] < 0.6 * 24000
        assert len(sentence) - len(part) > 0.2 * 24000


async def test_unknown_languages_are_spoken_as_english() -> None:
    """A voice whose language espeak-ng does not know speaks nevertheless."""
    voices = (EmulatedVoice("1" * 32, "Klingon", ("xx-unknown",)),)
    async with emulated(voice="espeak", voices=voices) as emulator, live(emulator) as socket:
        assert loudness(await say(socket, reference_id="1" * 32)) > 100


async def test_a_synthesis_under_way_blocks_nobody() -> None:
    """A client that leaves during a synthesis is gone immediately, and others are served."""
    async with emulated(voice="espeak") as emulator, live(emulator) as other:
        async with live(emulator) as socket:
            await socket.start()
            for _ in range(40):
                await socket.text("a long text that is made in a thread of its own " * 6)
            await socket.stop()
            await emulator.wait_for(lambda e: bool(e.sessions[0].spoken))
            socket.websocket.transport.abort()
            await emulator.wait_for(lambda e: e.sessions_open == 0)
        assert len(emulator.sessions[0].spoken) < 40
        assert await say(other)


async def test_emulators_of_one_process_share_the_voice() -> None:
    """espeak-ng's state is the process's: two emulators at once do not disturb each other."""
    async with emulated(voice="espeak") as one, emulated(voice="espeak") as two:

        async def lengths(emulator: Emulator) -> list[int]:
            # As long as its language makes it; espeak-ng varies a little from one time to the next.
            number = "1,234,567,890."
            async with live(emulator) as socket:
                return [len(await say(socket, number, reference_id=v.id)) for v in VOICES]

        alone = await lengths(one)
        assert max(alone) > 1.3 * min(alone)
        for together in await asyncio.gather(lengths(one), lengths(two)):
            assert together == pytest.approx(alone, rel=0.02)


def without(*modules: str, program: str) -> str:
    """What `program` prints where `modules` are not installed."""
    hidden = "".join(f"sys.modules[{module!r}] = None\n" for module in modules)
    finder = (
        "import importlib.util\n"
        "found = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda n, *a: None if n in {modules!r} else found(n, *a)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", f"import sys\n{hidden}{finder}{program}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_without_its_packages_the_voice_is_a_tone() -> None:
    """No voice named and no espeak-ng installed means tone; espeak named is an error that helps."""
    program = """
from wyoming_fish.emulator import EmulatorSettings
from wyoming_fish.emulator.voices import check_voice
print(check_voice(EmulatorSettings()))
try:
    check_voice(EmulatorSettings(voice="espeak"))
except RuntimeError as error:
    print(error)
"""
    printed = without("espeakng_loader", "soxr", program=program)
    assert printed.splitlines() == [
        "tone",
        "The voice espeak needs the Python packages espeakng-loader, soxr",
    ]


@pytest.mark.parametrize(("audio_format", "package"), [("mp3", "lameenc"), ("opus", "soundfile")])
def test_without_its_package_a_format_is_refused(audio_format: str, package: str) -> None:
    """Without the encoder of a format, the emulator says which package is missing."""
    program = f"""
from wyoming_fish.emulator.api.errors import ApiError
from wyoming_fish.emulator.api.formats import encoder_for
from wyoming_fish.emulator.api.request import parse_speech_request
try:
    encoder_for(parse_speech_request({{"text": "", "format": "{audio_format}"}}, "s1", ()))
except ApiError as error:
    print(error.status, error.message)
"""
    message = f"400 format {audio_format} needs the Python package {package}"
    assert message in without(package, program=program)


def test_heavy_packages_are_imported_when_used() -> None:
    """Importing the emulator brings in neither numpy nor soxr nor espeak-ng, nor wyoming."""
    program = """
import wyoming_fish.emulator
print([name for name in ("numpy", "soxr", "espeakng_loader", "lameenc", "soundfile", "wyoming",
    "wyoming_fish.fish") if name in sys.modules])
"""
    assert without(program=program) == "[]\n"


def test_the_voice_is_espeak_where_it_is_installed() -> None:
    """Without a voice named, the emulator really speaks."""
    assert importlib.util.find_spec("espeakng_loader")
    assert check_voice(EmulatorSettings()) == "espeak"


@pytest.mark.parametrize(
    "wrong", [{"voice": "opera"}, {"split": "word"}, {"after_finish": "explode"}]
)
def test_settings_that_there_are_not_are_refused(wrong: dict[str, str]) -> None:
    """A misspelt choice is an error that lists the choices."""
    with pytest.raises(ValueError, match="is none of"):
        EmulatorSettings(**wrong)  # type: ignore[arg-type]
