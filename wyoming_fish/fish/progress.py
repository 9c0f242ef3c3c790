"""What of a session's text has certainly been spoken, as the socket with timestamps tells it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from .protocol import Alignment, Audio
from .words import read, words

__all__ = ["Progress"]

# Seconds by which the times that are told may be off: those seen in the documentation are
# multiples of 0.08.
INEXACT: Final = 0.1

# Seconds after a word in which nothing is said, after which it is over: longer than the silence
# before the «t» of a word is.
PAUSE: Final = 0.2

# Words in a second that nobody exceeds, at twice the speed and in scripts without spaces.
FASTEST: Final = 20.0

# Words at the end that may not be told though they were said: an error for a reply that was whole
# would be worse than two words that are missing.
SPARE: Final = 2

# Chunks of one session that are followed: hours of speech.
CHUNKS: Final = 10_000
# Characters of what is told of them, and how many a word counts beside its own: three hours of
# speech, 6 MB.
MAX_TOLD_CHARS: Final = 1_000_000
WORD_CHARS: Final = 20


@dataclass(slots=True)
class _Chunk:
    offset: float
    alignment: Alignment | None = None
    content: str = ""
    corrected: bool = False
    """Whether the last that came of it was without audio."""

    @property
    def told(self) -> int:
        """Characters that it keeps."""
        segments = self.alignment.segments if self.alignment else ()
        words = sum(len(segment.text) + WORD_CHARS for segment in segments)
        return len(self.content) + words


class _ReadTo(NamedTuple):
    characters: int
    """Of the pieces that have begun."""
    left: list[str]
    """Words of the last of them that were not said."""


class Progress:
    """How far one session has come.

    Speech is resumed only where a piece of the text (which was flushed, so that no chunk goes
    beyond its end) was heard to its last word and nothing was heard after it. That is where it
    mostly breaks off: while the text pauses, or between two pieces. Within a piece nothing is
    certain enough: the audio ends anywhere in a word, its first half has been heard and cannot be
    taken back, and the last word of a snapshot is told as if it were over, whether it is or not.
    To go on after it would lose half a word or say it twice.

    That a piece's last word is over is known where a correction without audio has come after
    its audio, or where the audio that was heard goes on for PAUSE after it and the alignment says
    that nothing is said in it. That nothing has come for a while proves nothing: Fish may hang in
    the middle of a word.
    """

    def __init__(self, rate: int) -> None:
        self.whole = True
        """To be unset where audio has come that could not be heard: half a sample."""
        self._rate = rate
        self._pieces: list[str] = []
        self._heard = 0.0
        """Seconds."""
        self._chunks: dict[int, _Chunk] = {}
        self._last = 0
        """The chunk that was heard last."""
        self._told = True
        """Whether all audio so far came with its timing."""
        self._told_chars = 0

    def send(self, piece: str) -> None:
        """A piece of the text is sent, and flushed."""
        self._pieces.append(piece)

    def listen(self, audio: Audio) -> None:
        """Audio has come."""
        self._heard += len(audio.pcm) / 2 / self._rate
        timing = audio.timing
        if timing is None or not self._told:
            self._forget()
            return
        chunk = self._chunks.setdefault(timing.chunk, _Chunk(timing.offset))
        chunk.corrected = timing.correction and timing.alignment is not None
        if not timing.correction:
            self._last = max(self._last, timing.chunk)
        if timing.alignment is not None:
            before = chunk.told
            chunk.offset = timing.offset
            chunk.alignment, chunk.content = timing.alignment, timing.content
            self._told_chars += chunk.told - before
        if len(self._chunks) >= CHUNKS or self._told_chars > MAX_TOLD_CHARS:
            self._forget()

    def spoken(self) -> int | None:
        """How many characters of the text were heard to their end, with nothing after them.

        None where that is not certain.
        """
        chunks = self._told_chunks()
        if not chunks or not self.whole or not self._is_over(chunks[-1]):
            return None
        for said in _readings(chunks):
            read_to = self._read_to(said)
            if read_to is not None and said[-1] and not read_to.left:
                return read_to.characters
        return None

    def left(self) -> bool:
        """Whether text was certainly not spoken, where there will be no more audio.

        That is where it is known what was spoken; and where there are more words after those that
        were told than SPARE and what can be in the audio of which nothing is told yet.
        """
        spoken = self.spoken()
        if spoken is not None:
            return bool(words("".join(self._pieces)[spoken:]))
        chunks = self._told_chunks()
        if not chunks:
            return False
        last = chunks[-1]
        told = last.offset + (last.alignment.duration if last.alignment else 0.0)
        untold = max(0.0, self._heard - told)
        counts = []
        for said in _readings(chunks):
            if (read_to := self._read_to(said)) is not None:
                later = "".join(self._pieces)[read_to.characters :]
                counts.append(len(read_to.left) + len(words(later)))
        return bool(counts) and min(counts) > SPARE + FASTEST * untold

    def _forget(self) -> None:
        """Not all of the audio is told, so that nothing is certain any more."""
        self._told = False
        self._chunks.clear()

    def _told_chunks(self) -> list[_Chunk]:
        """The chunks that were heard, in order; none where not all of the audio was told."""
        if not self._told:
            return []
        return [self._chunks[number] for number in sorted(self._chunks) if number <= self._last]

    def _is_over(self, chunk: _Chunk) -> bool:
        if chunk.alignment is None or not chunk.alignment.segments:
            return False
        said = chunk.offset + max(segment.end for segment in chunk.alignment.segments)
        described = chunk.offset + chunk.alignment.duration
        if said > self._heard + INEXACT or described < self._heard - INEXACT:
            return False
        return chunk.corrected or min(described, self._heard) - said >= PAUSE

    def _read_to(self, chunks: list[list[str]]) -> _ReadTo | None:
        """How far ``chunks`` have come in the pieces; None where it is not known what they said."""
        pieces = iter(self._pieces)
        left: list[str] = []
        characters = 0
        for said in chunks:
            while not left:
                piece = next(pieces, None)
                if piece is None:
                    return None
                characters += len(piece)
                left = words(piece)
            read_to = read(left, said)
            if read_to is None:
                return None
            left = left[read_to:]
        return _ReadTo(characters, left)


def _readings(chunks: list[_Chunk]) -> Iterable[list[list[str]]]:
    """The words of each chunk, in the two ways in which they are told."""
    yield [
        words(" ".join(segment.text for segment in chunk.alignment.segments))
        if chunk.alignment
        else []
        for chunk in chunks
    ]
    # The content of a chunk may be ahead of its alignment, until that is corrected for good.
    if chunks[-1].corrected:
        yield [words(chunk.content) for chunk in chunks]
