"""The answer to a request for speech: checked, read as it comes, and timed."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from .. import clock
from ..cpu_turns import cpu_turn
from ..errors import ProtocolError
from ..untrusted import hide
from .http import HttpClient
from .pcm import PcmAligner
from .resampler import Resampler
from .watchdog import Watchdog

if TYPE_CHECKING:
    import aiohttp

__all__ = ["EVENTS", "AnswerTiming", "Decoder", "PcmDecoder", "audio_of", "check_answer"]

EVENTS: Final = "text/event-stream"

# Bytes that are resampled between two turns of the CPU: they take about 4 ms on a slow machine.
STEP_BYTES: Final = 4096


class Decoder(Protocol):
    """Turns the bytes of an answer, cut anywhere, into s16le mono PCM in whole samples."""

    @property
    def rate(self) -> int:
        """Hertz, once there are samples."""

    def feed(self, data: bytes) -> bytes:
        """The samples that ``data`` completes. Raises FishError."""

    def end(self) -> bytes:
        """The samples that were held back. Raises FishError if the answer is not whole."""


class PcmDecoder(PcmAligner):
    """PCM of ``rate`` hertz."""

    def __init__(self, rate: int) -> None:
        super().__init__()
        self.rate = rate


@dataclass(slots=True)
class AnswerTiming:
    """How long an answer was waited for, without the time that the listener took."""

    began: float
    """The loop's time at which the request was sent."""
    first_s: float | None = None
    """Seconds until its first audio."""
    later_s: float = 0.0
    """Seconds of all waits after it."""
    audio_s: float = 0.0
    """Seconds of audio that came."""


async def check_answer(
    http: HttpClient, response: aiohttp.ClientResponse, *, has_events: bool = False
) -> None:
    """Raise the FishError for an answer that is not audio, or with ``has_events`` not events."""
    if response.status != 200:
        raise await http.refusal(response)
    kind = response.content_type
    if has_events and kind == EVENTS:
        return
    if kind.startswith("text/") or kind.endswith("json"):
        # A login page, or another server: its bytes are not speech.
        name, said = http.endpoint.name, hide(kind, http.endpoint.api_key)
        raise ProtocolError(f"{name} answers with {said}, not audio.")


async def audio_of(
    response: aiohttp.ClientResponse,
    decoder: Decoder,
    rate: int,
    limit_s: float,
    timing: AnswerTiming,
) -> AsyncGenerator[bytes]:
    """The samples of an answer as they come, at ``rate`` hertz.

    The server is given up after ``limit_s`` seconds without a second of audio (see Watchdog).
    """
    watchdog = Watchdog(limit_s)
    resampler: Resampler | None = None
    data = b"more"
    while data:
        began = clock.now()
        async with watchdog.waiting():
            data = await response.content.readany()
        if timing.first_s is not None:
            timing.later_s += clock.now() - began
        decoded = decoder.feed(data) if data else decoder.end()
        pcm = bytearray()
        for at in range(0, len(decoded), STEP_BYTES):
            await cpu_turn()
            resampler = resampler or Resampler(decoder.rate, rate)
            pcm += resampler.feed(decoded[at : at + STEP_BYTES])
        if resampler and not data:
            pcm += resampler.end()
        if not pcm:
            continue
        if timing.first_s is None:
            timing.first_s = clock.now() - timing.began
        seconds = len(pcm) / 2 / rate
        timing.audio_s += seconds
        watchdog.hear(seconds)
        yield bytes(pcm)
