"""The model's own time, and the pieces in which its audio goes out."""

import asyncio
from collections.abc import AsyncGenerator
from itertools import cycle
from typing import NamedTuple

from ..settings import EmulatorSettings
from ..voices import synthesise
from .formats import Encoder, encoder_for
from .request import DRAMA_BACKENDS, SpeechRequest


class Piece(NamedTuple):
    """What goes out at once."""

    data: bytes
    """In the format that was asked for."""
    samples: int
    """About how many samples it holds; exactly so together with all of its chunk."""


class Generation:
    """Speaks the chunks of one session, one after the other.

    Raises ApiError for a format that cannot be had here.
    """

    def __init__(
        self, request: SpeechRequest, settings: EmulatorSettings, *, timestamps: bool = False
    ) -> None:
        self._request = request
        self._settings = settings
        self._encoder: Encoder = encoder_for(request, riff=settings.riff)
        # An even frame cuts PCM between samples.
        frame = max(2, int(settings.frame * self._encoder.bytes_per_second) & ~1)
        self._sizes = cycle(odd_sizes(frame) if settings.odd_frames else (frame,))
        self._held = b""
        self._first_audio = settings.first_audio
        self._first_audio += settings.first_audio_by_latency.get(request.latency, 0.0)
        self._first_audio += settings.first_audio_with_timestamps if timestamps else 0.0
        self._silence_before = 0.0
        if request.backend in DRAMA_BACKENDS:
            self._silence_before = settings.drama_silence
        self.samples = 0
        """How many the chunk has that is being spoken, its silence included."""
        self.silence = (0, 0)
        """How many of them are silence before its first word, and after its last."""

    @property
    def holding(self) -> bool:
        """Whether the end of the last text is still kept."""
        return bool(self._held)

    @property
    def content_type(self) -> str:
        """The media type of the pieces."""
        return self._encoder.content_type

    async def speak(self, text: str, *, flushed: bool) -> AsyncGenerator[Piece, None]:
        """Give the audio of `text` piece by piece, each when the model would have made it.

        The end of a `flushed` text may be kept for `release`.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        pcm = self._with_silence(await synthesise(text, self._request, self._settings))
        if flushed and self._settings.hold_back > 0:
            kept = min(len(pcm), round(self._settings.hold_back * self._request.sample_rate) * 2)
            pcm, self._held = pcm[: len(pcm) - kept], pcm[len(pcm) - kept :]
        first = begun + self._first_audio
        pace = self._settings.pace / self._encoder.bytes_per_second
        made = 0
        for piece in self._cut(self._encoder.encode(pcm) if pcm else b"", len(pcm) // 2):
            # Waits at the first piece even if no time is left, so that other tasks can run.
            if made == 0 or pace:
                await asyncio.sleep(first + pace * made - loop.time())
            made += len(piece.data)
            yield piece

    def _with_silence(self, pcm: bytes) -> bytes:
        rate, settings = self._request.sample_rate, self._settings
        seconds = (self._silence_before, settings.sentence_silence)
        if self._request.backend in DRAMA_BACKENDS:
            self._silence_before = settings.drama_pause
        before, after = (round(each * rate) for each in seconds)
        self.silence = (before, after)
        self.samples = before + len(pcm) // 2 + after
        return bytes(2 * before) + pcm + bytes(2 * after)

    def release(self) -> list[Piece]:
        """Give what was kept of the last flushed text."""
        pcm, self._held = self._held, b""
        return self._cut(self._encoder.encode(pcm) if pcm else b"", len(pcm) // 2)

    def finish(self) -> list[Piece]:
        """Give what the format kept back: the session's last audio."""
        return self._cut(self._encoder.finish(), 0)

    def _cut(self, data: bytes, samples: int) -> list[Piece]:
        """Cut ``data``, which holds ``samples``, into pieces."""
        pieces = []
        begin = told = 0
        while begin < len(data):
            end = min(begin + next(self._sizes), len(data))
            so_far = samples * end // len(data)
            pieces.append(Piece(data[begin:end], so_far - told))
            begin, told = end, so_far
        return pieces


def odd_sizes(frame: int) -> tuple[int, ...]:
    """Odd sizes in bytes, so that most of the cuts split a sample; about `frame` at most."""
    return (1, 331, min(4097, frame | 1), 1, 1, frame // 2 | 1, 7, frame | 1)
