"""Speaking as Assist and `tts.speak` do."""

import wave
from collections.abc import AsyncGenerator, Iterable
from io import BytesIO
from typing import Any

from homeassistant.components import tts
from homeassistant.components.tts.const import DATA_COMPONENT
from homeassistant.components.tts.entity import TextToSpeechEntity
from homeassistant.core import HomeAssistant

from wyoming_fish.emulator import decode_code_voice

TEXT = "The lamps are on. It will rain until nine o'clock, so the windows are closed."


async def written(pieces: Iterable[str]) -> AsyncGenerator[str]:
    """Write the text piece by piece."""
    for piece in pieces:
        yield piece


def stream(hass: HomeAssistant, engine: str, **options: Any) -> tts.ResultStream:
    """Return what a pipeline makes at its start: a reply whose text is not known yet."""
    return tts.async_create_stream(hass, engine, options={"preferred_format": "wav", **options})


async def speak(
    hass: HomeAssistant, engine: str, message: str | Iterable[str], **options: Any
) -> bytes:
    """Return the audio of a plain message, or of a text that is streamed."""
    result = stream(hass, engine, **options)
    if isinstance(message, str):
        result.async_set_message(message)
    else:
        result.async_set_message_stream(written(message))
    return b"".join([chunk async for chunk in result.async_stream_result()])


def text_in(wav: bytes) -> str:
    """Read the text that the emulator's code voice has spoken; the WAV's length is unknown."""
    with wave.open(BytesIO(wav)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (44100, 2, 1)
    return decode_code_voice(wav[44:])


def entity_of(hass: HomeAssistant, engine: str) -> TextToSpeechEntity:
    """Return the entity itself."""
    entity = hass.data[DATA_COMPONENT].get_entity(engine)
    assert entity is not None
    return entity
