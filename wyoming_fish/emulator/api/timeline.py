"""What the socket with timestamps tells of its audio: which words it has said, and when.

As the official documentation has it: an audio event carries the latest snapshot of its chunk, or
null before there is one; each snapshot replaces the one before; times are seconds from the start
of the chunk; and a last correction may come without audio.
"""

import re
from typing import Any

from ..settings import EmulatorSettings, Reading
from ..voices import locate_words
from .request import SpeechRequest

_MARKS_AROUND = re.compile(r"^[\W_]+|[\W_]+$")
_DIGITS = "zero one two three four five six seven eight nine".split()


class Timeline:
    """The alignment of one session, chunk after chunk."""

    def __init__(self, request: SpeechRequest, settings: EmulatorSettings) -> None:
        self._request = request
        self._settings = settings
        self._sequence = -1
        self._text = ""
        self._words: list[tuple[str, int, int]] = []
        self._samples = 0
        self._sent = 0
        self._offset = 0
        self._told: dict[str, Any] = {}
        """The fields of the last event."""

    def begin(self, text: str, samples: int, silence: tuple[int, int] = (0, 0)) -> None:
        """The next chunk is `text`, spoken in `samples`, with this silence before and after it."""
        self._offset += self._samples
        self._sequence += 1
        self._text = text
        self._samples = samples
        self._sent = 0
        before, after = silence
        words = locate_words(text, samples - before - after, self._request, self._settings)
        self._words = [(word, begin + before, end + before) for word, begin, end in words]

    def audio(self, samples: int) -> dict[str, Any]:
        """The fields of an event with the next `samples` of the chunk."""
        # The aligner is always one event behind, and has nothing to say of the first.
        aligned, self._sent = self._sent, self._sent + samples
        if self._settings.early_words:
            aligned = self._samples
        if self._settings.late_labels and self._sent == samples and self._told:
            return self._told
        return self._fields(aligned)

    def correction(self) -> dict[str, Any]:
        """The fields of the event without audio that ends the chunk."""
        return self._fields(self._samples)

    def _fields(self, aligned: int) -> dict[str, Any]:
        rate, reading = self._request.sample_rate, self._settings.reading
        segments = [
            {"text": said, "start": begin / rate, "end": min(end, aligned) / rate}
            for word, begin, end in self._words
            # What is only half said is told as if it were over.
            if begin < aligned and (said := read_word(word, reading))
        ]
        content = self._text if reading == "written" else read_text(self._text)
        self._told = {
            "content": content if aligned else "",
            "alignment": {"segments": segments, "audio_duration": aligned / rate}
            if aligned
            else None,
            "chunk_seq": self._sequence,
            "chunk_audio_offset_sec": self._offset / rate,
        }
        return self._told


def read_word(word: str, reading: Reading) -> str:
    """How a word of the text is told: without the marks around it; nothing of marks alone."""
    return read_text(word) if reading == "normalised" else _MARKS_AROUND.sub("", word)


def read_text(text: str) -> str:
    """The text in lower case, without marks, and with each digit as a word: `1.5` is `one five`."""
    spelt = re.sub(r"[0-9]", lambda digit: f" {_DIGITS[int(digit[0])]} ", text.lower())
    return " ".join(re.sub(r"[\W_]+", " ", re.sub(r"['’]", "", spelt)).split())
