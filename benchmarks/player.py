"""What a player makes of audio that comes bit by bit."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

# Hertz of the s16le mono PCM that everybody is asked for: the server's default.
RATE: Final = 44100

# Seconds. The emulator's tones have silences of this length between them, of which a frame may
# hold a part: a whole one of nothing else was put in by us.
LEAST_SILENCE: Final = 0.06


class Chunk(NamedTuple):
    """Audio that came."""

    at: float
    """Seconds after the first text."""
    seconds: float
    silent: bool = False
    """Whether it is silence that was put in between."""


@dataclass
class Heard:
    """A reply, as it came."""

    chunks: list[Chunk] = field(default_factory=list)

    def add(self, pcm: bytes, at: float) -> None:
        """Note audio, which came ``at`` seconds after the first text."""
        seconds = len(pcm) / 2 / RATE
        silent = seconds >= LEAST_SILENCE and not pcm.strip(b"\0")
        self.chunks.append(Chunk(at, seconds, silent))

    @property
    def first_audio(self) -> float:
        """Seconds to the first sample."""
        return self.chunks[0].at

    @property
    def seconds(self) -> float:
        """Seconds of audio."""
        return sum(chunk.seconds for chunk in self.chunks)

    @property
    def starved(self) -> float:
        """Seconds without speech between the first sample and the last.

        The player begins with the first byte. Silence that the server inserts is not speech.
        """
        starved, played_until = 0.0, self.first_audio
        for chunk in self.chunks:
            starved += max(0.0, chunk.at - played_until)
            starved += chunk.seconds if chunk.silent else 0.0
            played_until = max(played_until, chunk.at) + chunk.seconds
        return starved

    @property
    def longest_gap(self) -> float:
        """Seconds between two chunks, at the most, whatever is in them."""
        times = [chunk.at for chunk in self.chunks]
        return max((later - at for at, later in pairwise(times)), default=0.0)
