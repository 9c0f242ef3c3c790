"""Spoken-text tracker: what of a session's text was certainly spoken, by its timestamps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ..api.live_protocol import Alignment, Audio
from ..text.alignment import words, words_covered

__all__ = ["SpokenTextTracker"]

# Seconds by which the times that are told may be off: those seen in the documentation are
# multiples of 0.08.
TIMESTAMP_TOLERANCE_S: Final = 0.1

# Seconds of silence after which a word has ended: longer than the silence before a "t" within a
# word.
MIN_TRAILING_SILENCE_S: Final = 0.2

# Words in a second that nobody exceeds, at twice the speed and in scripts without spaces.
MAX_WORDS_PER_S: Final = 20.0

# Words at the end that may not be told though they were said: an error for a reply that was whole
# would be worse than two words that are missing.
MAX_MISSING_WORDS: Final = 2

# The newest chunks, whose timing may still be corrected. Older ones are final.
MIN_OPEN_CHUNKS: Final = 4

# Chunks with timestamps before their audio. There is at most one, unless the server errs.
MAX_CHUNKS: Final = 100
# Characters in the timestamps of one chunk: far more than a model speaks in one go. 300 Chinese
# characters, each with a time of its own, count 6,600.
MAX_CHUNK_TOLD_CHARS: Final = 12_000
# Characters in the timestamps of all chunks that are not final, and those that a word counts in
# addition to its own. If one character stands for four words, comparing all takes 45 ms.
MAX_TOLD_CHARS: Final = 48_000
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

    def aligned_words(self) -> list[str]:
        """The words that are told with their times."""
        if self.alignment is None:
            return []
        return words(" ".join(segment.text for segment in self.alignment.segments))

    def content_words(self) -> list[str]:
        """All that are told. They may be ahead of the others, until that is corrected for good."""
        return words(self.content)


@dataclass(slots=True)
class _ReadTo:
    """How far what was told has come in the pieces."""

    pieces: int = 0
    """Those that have begun."""
    left: list[str] = field(default_factory=list)
    """Words of the last of them that were not said."""
    is_known: bool = True
    has_said: bool = False
    """Whether the last chunk has words."""

    def read(self, said: list[str], pieces: Sequence[str]) -> None:
        """Go on to where ``said`` has come."""
        while not self.left and self.is_known:
            self.is_known = self.pieces < len(pieces)
            if self.is_known:
                self.left = words(pieces[self.pieces])
                self.pieces += 1
        self.has_said = bool(said)
        count = words_covered(self.left, said) if self.is_known else None
        self.is_known = count is not None
        self.left = self.left[count or 0 :]


class SpokenTextTracker:
    """How far one session has come.

    Speech is resumed only where a piece of the text (which was flushed, so that no chunk goes
    beyond its end) was heard to its last word and nothing was heard after it. That is where it
    mostly breaks off: while the text pauses, or between two pieces. Within a piece nothing is
    certain enough: the audio ends anywhere in a word, its first half has been heard and cannot be
    taken back, and the last word of a snapshot is told as if it were over, whether it is or not.
    To go on after it would lose half a word or say it twice.

    The last word of a piece is over in two cases: a correction without audio has come after its
    audio, or the audio goes on for MIN_TRAILING_SILENCE_S after it and, by the alignment, has no
    words there. A wait without audio proves nothing: Fish may hang in the middle of a word.
    """

    def __init__(self, rate: int) -> None:
        self.whole = True
        """Whether all audio was heard: false if half a sample was left."""
        self._rate = rate
        self._pieces: list[str] = []
        self._heard = 0.0
        """Seconds."""
        self._chunks: dict[int, _Chunk] = {}
        """Those that are not final."""
        self._final = -1
        """The number of the last one that is."""
        self._aligned = _ReadTo()
        """By the aligned words of the final chunks."""
        self._by_content = _ReadTo()
        """By their contents."""
        self._last = 0
        """The chunk that was heard last."""
        self._told = True
        """Whether all audio so far came with its timing."""
        self._told_chars = 0

    def on_sent(self, piece: str) -> None:
        """A piece of the text is sent, and flushed."""
        self._pieces.append(piece)

    def on_audio(self, audio: Audio) -> None:
        """Audio has come."""
        self._heard += len(audio.pcm) / 2 / self._rate
        timing = audio.timing
        if timing is None or not self._told:
            self._forget()
            return
        if timing.chunk <= self._final:
            return
        chunk = self._chunks.setdefault(timing.chunk, _Chunk(timing.offset))
        chunk.corrected = timing.correction and timing.alignment is not None
        if not timing.correction:
            self._last = max(self._last, timing.chunk)
        if timing.alignment is not None:
            before = chunk.told
            chunk.offset = timing.offset
            chunk.alignment, chunk.content = timing.alignment, timing.content
            if chunk.told > MAX_CHUNK_TOLD_CHARS:
                self._forget()
                return
            self._told_chars += chunk.told - before
        # Here and not at the end: all at the same time it would take long.
        while len(self._chunks) > MIN_OPEN_CHUNKS and (oldest := min(self._chunks)) < self._last:
            final = self._chunks.pop(oldest)
            self._final = oldest
            self._told_chars -= final.told
            self._aligned.read(final.aligned_words(), self._pieces)
            self._by_content.read(final.content_words(), self._pieces)
        if len(self._chunks) > MAX_CHUNKS or self._told_chars > MAX_TOLD_CHARS:
            self._forget()

    def spoken(self) -> int | None:
        """How many characters of the text were heard to their end, with nothing after them.

        None if that is not certain.
        """
        read_to = self._spoken_to()
        return None if read_to is None else sum(map(len, self._pieces[: read_to.pieces]))

    def left(self) -> bool:
        """Whether text was certainly not spoken, if no more audio comes.

        If it is not known what was spoken, more words must be left than MAX_MISSING_WORDS and
        those that fit into the audio without timestamps.
        """
        if (read_to := self._spoken_to()) is not None:
            return self._has_more(read_to, 0.0)
        chunks = self._told_chunks()
        if not chunks:
            return False
        last = chunks[-1]
        told = last.offset + (last.alignment.duration if last.alignment else 0.0)
        untold = max(0.0, self._heard - told)
        known = [read_to for read_to in self._readings(chunks) if read_to.is_known]
        return bool(known) and all(
            self._has_more(read_to, MAX_MISSING_WORDS + MAX_WORDS_PER_S * untold)
            for read_to in known
        )

    def _has_more(self, read_to: _ReadTo, count: float) -> bool:
        """Whether more than ``count`` words are left after what was read."""
        count -= len(read_to.left)
        for piece in self._pieces[read_to.pieces :]:
            if count < 0:
                break
            count -= len(words(piece))
        return count < 0

    def _spoken_to(self) -> _ReadTo | None:
        """The piece whose end was heard, with nothing after it; None if that is not certain."""
        chunks = self._told_chunks()
        if not chunks or not self.whole or not self._is_over(chunks[-1]):
            return None
        for read_to in self._readings(chunks):
            if read_to.is_known and read_to.has_said and not read_to.left:
                return read_to
        return None

    def _readings(self, chunks: list[_Chunk]) -> Iterator[_ReadTo]:
        """How far ``chunks`` have come, in the two ways in which their words are told."""
        yield self._read(self._aligned, [chunk.aligned_words() for chunk in chunks])
        if chunks[-1].corrected:
            yield self._read(self._by_content, [chunk.content_words() for chunk in chunks])

    def _read(self, final: _ReadTo, chunks: list[list[str]]) -> _ReadTo:
        read_to = replace(final)
        for said in chunks:
            read_to.read(said, self._pieces)
        return read_to

    def _forget(self) -> None:
        """Not all of the audio is told, so that nothing is certain any more."""
        self._told = False
        self._chunks.clear()

    def _told_chunks(self) -> list[_Chunk]:
        """The newest chunks that were heard, in order; none if not all of the audio was told."""
        if not self._told:
            return []
        return [self._chunks[number] for number in sorted(self._chunks) if number <= self._last]

    def _is_over(self, chunk: _Chunk) -> bool:
        if chunk.alignment is None or not chunk.alignment.segments:
            return False
        said = chunk.offset + max(segment.end for segment in chunk.alignment.segments)
        described = chunk.offset + chunk.alignment.duration
        if (
            said > self._heard + TIMESTAMP_TOLERANCE_S
            or described < self._heard - TIMESTAMP_TOLERANCE_S
        ):
            return False
        return chunk.corrected or min(described, self._heard) - said >= MIN_TRAILING_SILENCE_S
