"""Speech as a player fetches it from Home Assistant, and what it sounds like."""

import asyncio
from typing import Any

import numpy as np
import pytest
from aiohttp.test_utils import TestClient
from numpy.typing import NDArray

# Hz at which audio of different formats is compared.
RATE = 16000

# Seconds that a format may put before or after what was spoken, such as an MP3's padding.
MARGIN = 0.1


# What satellites and players ask for.
SATELLITE = {
    "preferred_sample_rate": 22050,
    "preferred_sample_channels": 1,
    "preferred_sample_bytes": 2,
}
FORMATS: list[dict[str, Any]] = [
    {"preferred_format": "wav"},
    {"preferred_format": "wav", **SATELLITE},
    {"preferred_format": "wav", **SATELLITE, "preferred_sample_rate": 16000},
    {"preferred_format": "flac"},
    {"preferred_format": "flac", **SATELLITE, "preferred_sample_rate": 48000},
    {"preferred_format": "mp3"},
    {"preferred_format": "ogg"},
    {},
]
each_format = pytest.mark.parametrize(
    "options", FORMATS, ids=lambda options: "-".join(map(str, options.values())) or "default"
)


async def fetch(
    client: TestClient[Any, Any], engine: str, message: str, **options: Any
) -> tuple[int, bytes]:
    """Return the status and the body that a player gets for a message."""
    question = {"engine_id": engine, "message": message, "options": options}
    async with client.post("/api/tts_get_url", json=question) as answer:
        path = (await answer.json())["path"]
    async with client.get(path) as response:
        return response.status, await response.read()


async def decode(audio: bytes, rate: int = RATE, *, strict: bool = True) -> NDArray[np.float64]:
    """Return the samples that ffmpeg makes of ``audio``.

    Anything that it complains of is a failure, unless ``audio`` is only the start of a file.
    """
    to_pcm = ("-f", "s16le", "-ac", "1", "-ar", str(rate), "pipe:")
    status, samples, complaints = await _ffmpeg("-v", "error", "-i", "pipe:", *to_pcm, given=audio)
    assert (status, complaints) == (0, b"") or not strict
    return np.frombuffer(samples, "<i2").astype(float)


async def described(audio: bytes) -> str:
    """Return what ffmpeg says of the form of ``audio``."""
    _, _, told = await _ffmpeg("-hide_banner", "-i", "pipe:", given=audio)
    return told.decode()


async def _ffmpeg(*arguments: str, given: bytes) -> tuple[int | None, bytes, bytes]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        "ffmpeg", *arguments, stdin=pipe, stdout=pipe, stderr=pipe
    )
    output, complaints = await process.communicate(given)
    return process.returncode, output, complaints


def likeness(heard: NDArray[np.float64], spoken: NDArray[np.float64]) -> float:
    """Return how much the one sounds like the other: 1 for the same, about 0 for noise."""
    assert abs(len(heard) - len(spoken)) <= MARGIN * RATE
    size = 1 << (len(heard) + len(spoken)).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(spoken, size))
    best: float = np.fft.irfft(spectrum, size).max()
    return best / float(np.linalg.norm(heard) * np.linalg.norm(spoken))
