"""A Wyoming server like Piper behind Home Assistant's own Wyoming integration."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import override

import numpy as np
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from numpy.typing import NDArray
from pytest_homeassistant_custom_component.common import MockConfigEntry
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.info import Attribution, Describe, Info, TtsProgram, TtsVoice
from wyoming.server import AsyncEventHandler, AsyncTcpServer
from wyoming.tts import Synthesize

from tests.integration.conftest import entity_id
from tests.integration.support.audio import decode, likeness
from wyoming_fish.emulator import Fault

# Hertz and seconds of all that it says.
TONE_HZ = 700
SECONDS = 0.5
RATE = 22050

# The entity that it is, and a reason for it to speak.
PIPER = "tts.piper"
NO_CREDIT = Fault("upgrade", 402, times=None)

_SOURCE = Attribution("", "")


# Of 32,767: what is less is silence.
AUDIBLE = 50
# Hertz at which the tone is compared. Silence before it shifts it by half a sample at most, which
# makes it 0.999 times as alike.
COMPARED_RATE = 48000
# Seconds that an encoder may blur at either end.
EDGE_S = 0.03


class Piper:
    """What the server was asked for, and whether it answers."""

    def __init__(self) -> None:
        """Begin without requests."""
        self.texts: list[str] = []
        self.is_silent = False


class _Handler(AsyncEventHandler):
    def __init__(
        self, piper: Piper, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        super().__init__(reader, writer)
        self._piper = piper

    @override
    async def handle_event(self, event: Event) -> bool:
        if Describe.is_type(event.type):
            voices = [
                TtsVoice(f"{language}-voice", _SOURCE, True, None, None, languages=[language])
                for language in ("en", "de")
            ]
            program = TtsProgram("piper", _SOURCE, True, None, None, voices=voices)
            await self.write_event(Info(tts=[program]).event())
        elif Synthesize.is_type(event.type):
            self._piper.texts.append(Synthesize.from_event(event).text)
            await self.write_event(AudioStart(RATE, 2, 1).event())
            if not self._piper.is_silent:
                await self.write_event(
                    AudioChunk(RATE, 2, 1, tone(RATE).round().astype("<i2").tobytes()).event()
                )
            await self.write_event(AudioStop().event())
        return True


def tone(rate: int) -> NDArray[np.float64]:
    """Return all that it says, at a sample rate."""
    return 12000 * np.sin(2 * np.pi * TONE_HZ * np.arange(round(SECONDS * rate)) / rate)


async def is_piper(audio: bytes) -> bool:
    """Return whether all that the fallback voice says is heard, and nothing else."""
    samples = await decode(audio, COMPARED_RATE)
    # On a busy machine, silence for players that wait comes first.
    samples = np.trim_zeros(np.where(abs(samples) < AUDIBLE, 0, samples))
    spoken = tone(COMPARED_RATE)
    is_whole = abs(len(samples) - len(spoken)) <= EDGE_S * COMPARED_RATE
    return is_whole and likeness(samples, spoken) > 0.998


@asynccontextmanager
async def run_piper(hass: HomeAssistant, port: int) -> AsyncIterator[Piper]:
    """Run the server and set up Home Assistant's Wyoming integration with it."""
    assert await async_setup_component(hass, "homeassistant", {})
    piper = Piper()
    server = AsyncTcpServer("127.0.0.1", port)
    await server.start(partial(_Handler, piper))
    entry = MockConfigEntry(
        domain="wyoming", title="Piper", data={"host": "127.0.0.1", "port": port}
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    try:
        yield piper
    finally:
        await hass.config_entries.async_unload(entry.entry_id)
        await server.stop()


async def select_fallback(hass: HomeAssistant, entry: ConfigEntry, engine: str = PIPER) -> str:
    """Select the fallback voice, and return the entity that falls back to it."""
    flow = await hass.config_entries.options.async_init(entry.entry_id)
    await hass.config_entries.options.async_configure(flow["flow_id"], {"fallback_voice": engine})
    await hass.async_block_till_done()
    return entity_id(hass, entry, "tts")
