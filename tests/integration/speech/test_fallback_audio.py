"""The audio of the fallback voice: WAV files, and voices that give none."""

import asyncio
import struct
from collections.abc import AsyncGenerator
from typing import override

import pytest
from homeassistant.components import tts
from homeassistant.components.tts.const import DATA_COMPONENT
from homeassistant.components.tts.entity import TTSAudioRequest
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError

from custom_components.wyoming_fish.speech import fallback
from tests.integration.conftest import AddEntry
from tests.integration.support.piper import NO_CREDIT, select_fallback
from tests.integration.support.speech import TEXT, speak
from wyoming_fish.emulator import Emulator


def wav(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a WAV file of these chunks."""
    parts = [name + struct.pack("<I", len(data)) + data for name, data in chunks]
    return b"RIFF\xff\xff\xff\xffWAVE" + b"".join(parts)


def form(rate: int = 16000, channels: int = 1, bits: int = 16) -> tuple[bytes, bytes]:
    """Return the chunk that describes the samples."""
    block = channels * bits // 8
    return b"fmt ", struct.pack("<HHIIHH", 1, channels, rate, rate * block, block, bits)


async def samples(file: bytes, step: int) -> bytes:
    """Return the samples of a file that comes in pieces of ``step`` bytes."""

    async def pieces() -> AsyncGenerator[bytes]:
        for at in range(0, len(file), step):
            yield file[at : at + step]

    return b"".join([pcm async for pcm in fallback.samples_of_wav(pieces(), 16000)])


@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_samples_of_a_wav_file(step: int) -> None:
    """They are what the data chunk has, whatever stands around it and however it comes."""
    file = wav(form(), (b"LIST", b"abcd"), (b"data", b"samples!"), (b"LIST", b"efgh"))
    assert await samples(file, step) == b"samples!"
    unknown = file.replace(b"data" + struct.pack("<I", 8), b"data\xff\xff\xff\xff")
    assert (await samples(unknown, step)).startswith(b"samples!")


@pytest.mark.parametrize(
    "file",
    [
        b"ID3 not a WAV file",
        wav(form(rate=8000), (b"data", b"samples!")),
        wav(form(channels=2), (b"data", b"samples!")),
        wav(form(bits=8), (b"data", b"samples!")),
        wav((b"LIST", bytes(70_000)), form(), (b"data", b"samples!")),
        wav(form(), (b"data", b"samples!"))[:-2],
        b"RIFF",
    ],
)
async def test_file_that_is_no_wav_of_that_form(file: bytes) -> None:
    """Noise is never played: another format is an error."""
    with pytest.raises(fallback.FallbackError):
        await samples(file, 1000)


class OtherVoice(tts.TextToSpeechEntity):
    """A text-to-speech entity that streams a WAV file, and then may never end."""

    _attr_name = "Other"
    _attr_default_language = "en"
    _attr_supported_languages = ["en"]  # noqa: RUF012 - as Home Assistant declares it

    def __init__(self, audio: bytes | HomeAssistantError, *, ends: bool) -> None:
        """Take the samples, or what goes wrong."""
        self._audio = audio
        self._ends = ends

    @override
    async def async_stream_tts_audio(self, request: TTSAudioRequest) -> tts.TTSAudioResponse:
        async def data() -> AsyncGenerator[bytes]:
            async for _ in request.message_gen:
                pass
            if isinstance(self._audio, HomeAssistantError):
                raise self._audio
            yield wav(form(44100), (b"data", self._audio))
            if not self._ends:
                await asyncio.Event().wait()

        return tts.TTSAudioResponse("wav", data())


async def select_other_voice(
    hass: HomeAssistant, add_entry: AddEntry, emulator: Emulator, voice: OtherVoice
) -> str:
    """Make ``voice`` the fallback voice of an account without credit; return the engine."""
    entry = await add_entry()
    await hass.data[DATA_COMPONENT].async_add_entities([voice])
    emulator.settings.faults.append(NO_CREDIT)
    return await select_fallback(hass, entry, "tts.other")


@pytest.mark.parametrize(("audio", "ends"), [(b"", True), (b"", False)], ids=["empty", "stalled"])
async def test_fallback_voice_without_audio(  # noqa: PLR0917
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    audio: bytes,
    ends: bool,
) -> None:
    """A voice that gives nothing has failed, and is not waited for without an end."""
    monkeypatch.setattr(fallback, "AUDIO_TIMEOUT_S", 0.3)
    engine = await select_other_voice(hass, add_entry, emulator, OtherVoice(audio, ends=ends))
    with pytest.raises(HomeAssistantError, match="credit"):
        await speak(hass, engine, TEXT)
    assert "The fallback voice tts.other could not speak: no audio" in caplog.text


async def test_fallback_voice_breaks_off(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A streamed reply ends with what was heard, so that a satellite does not wait for more."""
    monkeypatch.setattr(fallback, "AUDIO_TIMEOUT_S", 0.3)
    # Longer than ffmpeg holds back.
    voice = OtherVoice(b"\1\2" * 44100 * 20, ends=False)
    engine = await select_other_voice(hass, add_entry, emulator, voice)
    assert b"\1\2" * 1000 in await speak(hass, engine, ("The lamps ", "are on."))
    assert "The fallback voice tts.other could not speak: no audio for 0 s" in caplog.text


async def test_fallback_voice_that_never_ends(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Far more audio than the text can become is an error, so that it does not fill the memory."""
    voice = OtherVoice(b"\1\2" * 44100 * 120, ends=False)
    engine = await select_other_voice(hass, add_entry, emulator, voice)
    with pytest.raises(HomeAssistantError, match="credit"):
        await speak(hass, engine, "Lamp on.")
    assert "could not speak: far too much audio for the text" in caplog.text


async def test_error_of_a_fallback_voice(
    hass: HomeAssistant,
    add_entry: AddEntry,
    emulator: Emulator,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What another integration says about it is one short line in the log."""
    voice = OtherVoice(HomeAssistantError("no\nvoice \x1b[31m" + "x" * 50_000), ends=True)
    engine = await select_other_voice(hass, add_entry, emulator, voice)
    with pytest.raises(HomeAssistantError, match="credit"):
        await speak(hass, engine, TEXT)
    (line,) = [record.message for record in caplog.records if "tts.other could" in record.message]
    assert "could not speak: no voice [31mxxx" in line
    assert len(line) < 1100
