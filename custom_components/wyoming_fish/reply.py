"""One reply: its text on the way to the engine, and its audio as a file that grows."""

import re
import struct
from collections.abc import AsyncGenerator, AsyncIterable
from time import monotonic

from .fish import Backend
from .fish.errors import SettingsError

# A style is a few words («whispering, close to the microphone»), with or without its brackets.
_STYLE = re.compile(r"[\[(]?([^\[\](){}<>|\r\n]{1,100})[\])]?")

# What stands in a WAV header for a length that is not known yet: Home Assistant and ffmpeg read
# on to the end of the stream.
_UNKNOWN_LENGTH = 0xFFFFFFFF


def wav_header(rate: int) -> bytes:
    """Return the 44 bytes that make a WAV file of the s16le mono PCM of ``rate`` Hz to come."""
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", _UNKNOWN_LENGTH, b"WAVE"),
        *(b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16),
        *(b"data", _UNKNOWN_LENGTH),
    )


def style_cue(style: str, backend: Backend) -> str:
    """Return what is put before a text so that it is spoken in this style; nothing for none.

    S1 knows cues in round brackets, all others in square ones. Raises SettingsError for what
    cannot be a cue.
    """
    if not style.strip():
        return ""
    match = _STYLE.fullmatch(style.strip())
    if match is None:
        raise SettingsError(f"The style {style!r} is not a few words without brackets.")
    return f"({match[1]}) " if backend is Backend.S1 else f"[{match[1]}] "


class ReplyText:
    """The text of one reply: counted on its way, with the cue of its style before it."""

    def __init__(self, pieces: AsyncIterable[str], cue: str) -> None:
        """Take the text as it is written."""
        self._pieces = pieces
        self._cue = cue
        self.began: float | None = None
        """When the first text came, by the monotonic clock."""
        self.size = 0
        """Bytes (UTF-8) so far."""

    async def __aiter__(self) -> AsyncGenerator[str]:
        """Give the pieces as they come."""
        # The cue waits for the first word: alone, Fish would act it out.
        before = self._cue
        async for piece in self._pieces:
            text = piece
            if self.began is None:
                text = before + piece
                if not any(letter.isalnum() for letter in piece):
                    before = text
                    continue
                self.began = monotonic()
            self.size += len(text.encode(errors="replace"))
            yield text
