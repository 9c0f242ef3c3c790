"""Fish Audio's live protocol without any I/O: frames in, frames out, and what they mean.

A session is ``start``, then ``text`` and ``flush`` in any number, then ``stop``; the server
answers with ``audio`` as it comes, then with one ``finish``. Each message is one binary frame
that holds one MessagePack map (Fish's AsyncAPI text). Nothing acknowledges a ``start`` or a
``flush``, nothing cancels, and a session cannot be told from the next on the same socket: to leave
a session early, close the socket.

On the socket with timestamps the audio also tells which words it says (``Timing``).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

import ormsgpack

from ..bounded_json import concurrency_limit, unpack
from ..error_mapping import MAX_READ_CHARS, error_from_event
from ..errors import (
    BrokenStreamError,
    FishError,
    ProtocolError,
    RequestRefusedError,
    SettingsError,
    UnavailableError,
)
from ..untrusted import hide
from .pcm import PcmAligner

__all__ = ["Alignment", "Audio", "Finish", "LiveSession", "Segment", "SessionState", "Timing"]


# Seconds from the start of a session. None takes a day.
MAX_TIME_S: Final = 86_400.0


class SessionState(Enum):
    """How far a session has come."""

    NEW = auto()
    OPEN = auto()
    STOPPED = auto()
    """``stop`` has been sent; the rest of the audio may still come."""
    FINISHED = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class Segment:
    """A word or phrase of a chunk and when it is heard, in seconds from the chunk's first sample.

    Its text is what the model read, without marks: `cant` for `can't`.
    """

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Alignment:
    """The words of a chunk so far. A later one for the same chunk takes its place."""

    segments: tuple[Segment, ...]
    duration: float
    """Seconds of the chunk's audio that it describes."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What an audio event tells of a chunk, which is a text that the model speaks in one go."""

    chunk: int
    """The chunk's number in its session, from 0."""
    offset: float
    """Seconds of the session's audio before the chunk."""
    content: str
    """The text that ``alignment`` describes."""
    alignment: Alignment | None
    """None if the event has none: an earlier one still holds."""
    correction: bool
    """Whether the event had no audio: such a one comes at a chunk's end."""


@dataclass(frozen=True, slots=True)
class Audio:
    """Speech: s16le mono in whole samples, empty only if there is timing."""

    pcm: bytes
    timing: Timing | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """All of the text has been spoken; ``pcm`` is what is left to play, mostly nothing."""

    pcm: bytes


class LiveSession:
    """One session: makes its frames, reads the answers, and refuses what is out of order.

    ``is_cloud`` says whether Fish Audio's own service is the server, for the words of an error.
    """

    def __init__(self, *, is_cloud: bool = False) -> None:
        self.state = SessionState.NEW
        self.secret = ""
        """The API key, which is hidden in the server's messages."""
        self._is_fish = is_cloud
        self._pcm = PcmAligner()

    @property
    def whole(self) -> bool:
        """Whether all audio that has come has been given: no half of a sample is waiting."""
        return self._pcm.empty

    def start(self, request: dict[str, Any]) -> bytes:
        """The frame that opens the session with Fish's TTSRequest."""
        self._expect(SessionState.NEW)
        self.state = SessionState.OPEN
        return ormsgpack.packb({"event": "start", "request": request})

    def text(self, text: str) -> bytes:
        """The frame that adds ``text`` to what is to be spoken.

        Raises SettingsError for text that is not Unicode (a lone surrogate).
        """
        self._expect(SessionState.OPEN)
        try:
            return ormsgpack.packb({"event": "text", "text": text})
        except ormsgpack.MsgpackEncodeError as error:
            raise SettingsError(
                "The text has half of a character (an unpaired surrogate)."
            ) from error

    def flush(self) -> bytes:
        """The frame that makes Fish speak all of the text so far immediately."""
        self._expect(SessionState.OPEN)
        return _FLUSH

    def stop(self) -> bytes:
        """The frame that ends the text; the rest is spoken, then ``finish`` comes."""
        self._expect(SessionState.OPEN)
        self.state = SessionState.STOPPED
        return _STOP

    def receive(self, frame: bytes | str) -> Audio | Finish | None:
        """What a frame from the server says; None for what may be passed over.

        Raises the error that the server reports (LimitError, VoiceNotFoundError,
        RequestRefusedError, …), BrokenStreamError for a session that ends with an error or before
        its ``stop``, and ProtocolError for a frame that is not a message of this protocol, or comes
        while no session is open. The session has then failed, and its socket is of no more use.
        """
        if isinstance(frame, str):
            # Neither side uses text frames; Fish ignores them, and so do we.
            return None
        try:
            return self._read(unpack(frame))
        except FishError:
            self.state = SessionState.FAILED
            raise

    def _read(self, message: dict[str, Any]) -> Audio | Finish | None:
        match message.get("event"):
            case "audio" | "finish" | "error" as event if self.state not in _LISTENING:
                state = self.state.name.lower()
                raise ProtocolError(f"The server sent {event!r} in a session that is {state}.")
            case "audio":
                audio = message.get("audio")
                if not isinstance(audio, bytes):
                    raise ProtocolError("The server sent audio that is not bytes.")
                pcm, timing = self._pcm.feed(audio), _timing(message, correction=not audio)
                return Audio(pcm, timing) if pcm or timing else None
            case "finish":
                return self._finish(message)
            case "error":
                raise error_from_event(
                    self._said(message, "error", "message"),
                    concurrency_limit(message.get("max_concurrency")),
                    is_cloud=self._is_fish,
                )
            case _:
                # `log`, and whatever is added later: Fish asks clients to ignore it.
                return None

    def _finish(self, message: dict[str, Any]) -> Finish:
        reason = self._said(message, "reason") or "stop"
        said = self._said(message, "message", "error")
        if reason == "error":
            refusal = error_from_event(said, is_cloud=self._is_fish)
            # Without a known cause it is an accident, which may not happen again.
            if isinstance(refusal, RequestRefusedError | UnavailableError):
                raise BrokenStreamError(
                    f"Fish Audio interrupted the speech ({said or 'no reason given'})."
                )
            raise refusal
        if self.state is SessionState.OPEN:
            raise BrokenStreamError(f"Fish Audio stopped before the end of the text ({reason}).")
        self.state = SessionState.FINISHED
        return Finish(self._pcm.end())

    def _said(self, message: dict[str, Any], *fields: str) -> str:
        """The first text in ``fields``."""
        texts = (_text(message, field) for field in fields)
        said: str = hide(next(filter(None, texts), "")[:MAX_READ_CHARS], self.secret)
        return said

    def _expect(self, state: SessionState) -> None:
        if self.state is not state:
            raise ProtocolError(
                f"This needs a session that is {state.name.lower()}, "
                f"not one that is {self.state.name.lower()}."
            )


def _timing(message: dict[str, Any], *, correction: bool) -> Timing | None:
    """What an audio event tells of its chunk, or None if it does not say which one.

    All of it is left out by the plain socket. What is of another type or out of range is passed
    over: it tells nothing, but the audio is good.
    """
    chunk, offset = message.get("chunk_seq"), _seconds(message.get("chunk_audio_offset_sec"))
    if not isinstance(chunk, int) or isinstance(chunk, bool) or chunk < 0 or offset is None:
        return None
    alignment = _alignment(message.get("alignment"))
    return Timing(chunk, offset, _text(message, "content"), alignment, correction)


def _alignment(value: object) -> Alignment | None:
    if not isinstance(value, dict) or not isinstance(value.get("segments"), list):
        return None
    segments = [_segment(item) for item in value["segments"]]
    known = tuple(segment for segment in segments if segment is not None)
    # With a word left out, the others would tell of another text.
    if len(known) < len(segments):
        return None
    end = max((segment.end for segment in known), default=0.0)
    return Alignment(known, max(_seconds(value.get("audio_duration")) or 0.0, end))


def _segment(value: object) -> Segment | None:
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        return None
    start, end = _seconds(value.get("start")), _seconds(value.get("end"))
    if start is None or end is None:
        return None
    return Segment(value["text"], start, end)


def _seconds(value: object) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if 0 <= value <= MAX_TIME_S else None


def _text(message: dict[str, Any], field: str) -> str:
    value = message.get(field)
    return value if isinstance(value, str) else ""


# When a session's events may come.
_LISTENING: Final = (SessionState.OPEN, SessionState.STOPPED)

_FLUSH: Final = ormsgpack.packb({"event": "flush"})
_STOP: Final = ormsgpack.packb({"event": "stop"})
