"""The answer to a request for speech: checked, read as it comes, and timed."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
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

# Bytes that are decoded in one step. As empty lines of events, they take 3 ms on a slow machine.
STEP_BYTES: Final = 4096

# Bytes of audio that are given at a time, if so much has come: 3 s at 44100 Hz. A listener that
# takes it in small parts would read the end of an answer too late for the next request.
BLOCK_BYTES: Final = 2**18


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
    converter = _Converter(decoder, rate)
    data = b"more"
    while data:
        began = clock.now()
        async with watchdog.waiting():
            data = await response.content.readany()
        if timing.first_s is not None:
            timing.later_s += clock.now() - began
        steps = converter.feed(data) if data else converter.end()
        while pcm := await _block(steps):
            if timing.first_s is None:
                timing.first_s = clock.now() - timing.began
            seconds = len(pcm) / 2 / rate
            timing.audio_s += seconds
            watchdog.hear(seconds)
            yield pcm


async def _block(steps: Iterator[bytes]) -> bytes:
    """The next audio of ``steps``, computed in turns: some BLOCK_BYTES, or all that is left."""
    block = bytearray()
    await cpu_turn()
    for pcm in steps:
        block += pcm
        await cpu_turn()
        if len(block) >= BLOCK_BYTES:
            break
    return bytes(block)


class _Converter:
    """Decodes an answer, and resamples it to ``rate`` hertz, in steps of a few milliseconds.

    A step may have no audio.
    """

    def __init__(self, decoder: Decoder, rate: int) -> None:
        self._decoder = decoder
        self._rate = rate
        self._resampler: Resampler | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The samples that ``data`` completes. Raises FishError."""
        for at in range(0, len(data), STEP_BYTES):
            yield from self._resampled(self._decoder.feed(data[at : at + STEP_BYTES]))

    def end(self) -> Iterator[bytes]:
        """The samples that were held back. Raises FishError if the answer is not whole."""
        yield from self._resampled(self._decoder.end())
        if self._resampler:
            yield from self._resampler.end()

    def _resampled(self, pcm: bytes) -> Iterator[bytes]:
        # Decoding took a step's time: let others have their turn.
        yield b""
        if not pcm:
            return
        if self._resampler is None:
            self._resampler = Resampler(self._decoder.rate, self._rate)
        for at in range(0, len(pcm), STEP_BYTES):
            yield from self._resampler.feed(pcm[at : at + STEP_BYTES])
