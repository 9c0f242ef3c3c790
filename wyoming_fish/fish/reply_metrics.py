"""What happened to one reply, and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from . import clock
from .errors import (
    FishError,
    KeyRefusedError,
    LimitError,
    NoCreditError,
    RequestRefusedError,
    UnavailableError,
    VoiceNotFoundError,
)

__all__ = ["ReplyMetrics", "max_audio_s", "size_of"]

# Fish's answers to a session that it does not take. After any other failure it may have begun.
_REFUSALS: Final = (
    KeyRefusedError,
    LimitError,
    NoCreditError,
    RequestRefusedError,
    UnavailableError,
    VoiceNotFoundError,
)

# Seconds of audio that a byte of text (UTF-8) may become: slow voices need 0.2. A server that sends
# far more does not speak the text, and may never end.
MAX_AUDIO_S_PER_BYTE: Final = 1.0
# Seconds beside them, for short texts: a model that goes astray makes 47.5 s of a piece of text.
MAX_EXTRA_AUDIO_S: Final = 60.0


@dataclass(slots=True, eq=False)
class ReplyMetrics:
    """One reply, as ``speak`` fills it in.

    Times are seconds of the event loop's clock; None if it has not happened.
    """

    text_began: float | None = None
    """When its first text came. A caller that has known the text for longer sets it before."""
    text_ended: float | None = None
    """When the text was known to be complete. The caller can set it earlier, too."""
    sent: float | None = None
    """When the first of it was sent to Fish."""
    heard: float | None = None
    """When its first audio came."""
    billed: int = 0
    """Bytes (UTF-8) of what Fish was sent, each time that it was, and did not refuse. Fish bills by
    bytes of text; whether for what it takes or for what it speaks is not known."""
    audio: float = 0.0
    """Seconds of audio that came."""
    retries: list[str] = field(default_factory=list)
    """The codes of the errors after which it was tried again."""

    @property
    def first_audio(self) -> float | None:
        """Seconds from the first text to the first audio."""
        return _between(self.text_began, self.heard)

    @property
    def text_part(self) -> float | None:
        """Seconds of it until text was sent to Fish: for enough of it, and for a session."""
        return _between(self.text_began, self.sent)

    @property
    def fish_part(self) -> float | None:
        """Seconds of it from there on."""
        return _between(self.sent, self.heard)

    def write(self) -> None:
        """Some text has come."""
        if self.text_began is None:
            self.text_began = clock.now()

    def complete(self) -> None:
        """Record that the text is complete."""
        if self.text_ended is None:
            self.text_ended = clock.now()

    def send(self, text: str) -> None:
        """A piece of it was sent to Fish."""
        if self.sent is None:
            self.sent = clock.now()
        self.billed += size_of(text)

    def fail(self, error: FishError, size: int) -> bool:
        """A session in which ``size`` bytes were sent has ended before its first audio.

        Tells whether Fish refused them, so that they are not billed.
        """
        is_refused = isinstance(error, _REFUSALS)
        if is_refused:
            self.billed -= size
        return is_refused

    def hear(self, seconds: float) -> None:
        """So many seconds of audio have come."""
        if self.heard is None:
            self.heard = clock.now()
        self.audio += seconds


def _between(begin: float | None, end: float | None) -> float | None:
    return None if begin is None or end is None else end - begin


def max_audio_s(text_bytes: int) -> float:
    """The most seconds of audio that text of so many bytes (UTF-8) may become."""
    return MAX_EXTRA_AUDIO_S + MAX_AUDIO_S_PER_BYTE * text_bytes


def size_of(text: str) -> int:
    """Bytes of ``text``, by which Fish bills."""
    # Text that is not valid Unicode is refused when it is sent.
    return len(text.encode(errors="surrogatepass"))
