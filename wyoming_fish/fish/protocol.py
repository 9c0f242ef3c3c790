"""Fish Audio's live protocol without any I/O: frames in, frames out, and what they mean.

A session is ``start``, then ``text`` and ``flush`` in any number, then ``stop``; the server
answers with ``audio`` as it comes, then with one ``finish``. Each message is one binary frame
that holds one MessagePack map (Fish's AsyncAPI text). Nothing acknowledges a ``start`` or a
``flush``, nothing cancels, and a session cannot be told from the next on the same socket: who
leaves early closes the socket.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

import ormsgpack

from .errors import (
    BrokenStreamError,
    FishError,
    ProtocolError,
    RequestRefusedError,
    UnavailableError,
    from_refusal,
)

__all__ = ["Audio", "Finish", "Pcm", "Session", "State"]

# A RIFF header is 44 bytes, or a little more with chunks before its data.
HEADER_LIMIT: Final = 4096


class State(Enum):
    """How far a session has come."""

    NEW = auto()
    OPEN = auto()
    STOPPED = auto()
    """``stop`` has been sent; the rest of the audio may still come."""
    FINISHED = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class Audio:
    """Speech: s16le mono in whole samples, never empty."""

    pcm: bytes


@dataclass(frozen=True, slots=True)
class Finish:
    """All of the text has been spoken; ``pcm`` is what is left to play, mostly nothing."""

    pcm: bytes


class Session:
    """One session: makes its frames, reads the answers, and refuses what is out of order."""

    def __init__(self) -> None:
        self.state = State.NEW
        self._pcm = Pcm()

    def start(self, request: dict[str, Any]) -> bytes:
        """The frame that opens the session with Fish's TTSRequest."""
        self._expect(State.NEW)
        self.state = State.OPEN
        return ormsgpack.packb({"event": "start", "request": request})

    def text(self, text: str) -> bytes:
        """The frame that adds ``text`` to what is to be spoken.

        Raises ValueError for text that is not Unicode (a lone surrogate).
        """
        self._expect(State.OPEN)
        try:
            return ormsgpack.packb({"event": "text", "text": text})
        except ormsgpack.MsgpackEncodeError as error:
            raise ValueError("The text has a character that is half of one.") from error

    def flush(self) -> bytes:
        """The frame that has all of the text so far spoken at once."""
        self._expect(State.OPEN)
        return _FLUSH

    def stop(self) -> bytes:
        """The frame that ends the text; the rest is spoken, then ``finish`` comes."""
        self._expect(State.OPEN)
        self.state = State.STOPPED
        return _STOP

    def receive(self, frame: bytes | str) -> Audio | Finish | None:
        """What a frame from the server says; None for what may be passed over.

        Raises the error that the server reports (LimitError, VoiceNotFoundError,
        RequestRefusedError, …), BrokenStreamError for a session that ends with an error or before
        its ``stop``, and ProtocolError for what is no message of this protocol. The session has
        then failed, and its socket is of no more use.
        """
        if self.state not in (State.OPEN, State.STOPPED):
            raise ProtocolError(f"The server spoke in a session that is {self.state.name.lower()}.")
        if isinstance(frame, str):
            # Neither side uses text frames; Fish ignores them, and so do we.
            return None
        try:
            return self._read(_unpack(frame))
        except FishError:
            self.state = State.FAILED
            raise

    def _read(self, message: dict[Any, Any]) -> Audio | Finish | None:
        match message.get("event"):
            case "audio":
                audio = message.get("audio")
                if not isinstance(audio, bytes):
                    raise ProtocolError("The server sent audio that is no bytes.")
                pcm = self._pcm.feed(audio)
                return Audio(pcm) if pcm else None
            case "finish":
                return self._finish(message)
            case "error":
                limit = message.get("max_concurrency")
                raise from_refusal(
                    _text(message, "error") or _text(message, "message"),
                    limit if isinstance(limit, int) else None,
                )
            case _:
                # `log`, and whatever is added later: Fish asks clients to ignore it.
                return None

    def _finish(self, message: dict[Any, Any]) -> Finish:
        reason = _text(message, "reason") or "stop"
        said = _text(message, "message") or _text(message, "error")
        if reason == "error":
            refusal = from_refusal(said)
            # Without a known cause it is an accident, which may not happen again.
            if isinstance(refusal, RequestRefusedError | UnavailableError):
                raise BrokenStreamError(f"Fish Audio broke off ({said or 'no reason given'}).")
            raise refusal
        if self.state is State.OPEN:
            raise BrokenStreamError(f"Fish Audio ended the speech before its text ({reason}).")
        self.state = State.FINISHED
        return Finish(self._pcm.end())

    def _expect(self, state: State) -> None:
        if self.state is not state:
            raise ProtocolError(
                f"This needs a session that is {state.name.lower()}, "
                f"not one that is {self.state.name.lower()}."
            )


class Pcm:
    """Bytes as they come → s16le samples as they can be played.

    An odd byte waits for its other half. A RIFF header, which Fish has been seen to send before
    PCM too, is taken off wherever one begins an audio event, however it is cut.
    """

    def __init__(self) -> None:
        self._header = b""
        self._odd = b""

    def feed(self, data: bytes) -> bytes:
        """The whole samples that ``data``, one audio event's bytes, completes; possibly none.

        Raises ProtocolError for a RIFF header that does not come to an end.
        """
        if self._header or data.startswith(b"RIFF"[: len(data)]):
            self._header += data
            rest = _after_header(self._header)
            if rest is None:
                return b""
            data, self._header = rest, b""
        return self._whole(data)

    def end(self) -> bytes:
        """The samples that were held back as the possible start of a header."""
        data, self._header = self._header, b""
        return self._whole(data)

    def _whole(self, data: bytes) -> bytes:
        if self._odd:
            data = self._odd + data
        whole = len(data) - len(data) % 2
        self._odd = data[whole:]
        return data[:whole]


def _after_header(data: bytes) -> bytes | None:
    """What follows the RIFF header at the start of ``data``, or None while it is incomplete.

    What turns out to be no header is audio and comes back whole.
    """
    if not b"RIFF".startswith(data[:4]) or not b"WAVE".startswith(data[8:12]):
        return data
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8
        if name == b"data":
            return data[at:]
        at += size + size % 2
        if at > HEADER_LIMIT:
            break
    if at > HEADER_LIMIT or len(data) > HEADER_LIMIT:
        raise ProtocolError("The server sent a RIFF header without an end.")
    return None


def _unpack(frame: bytes) -> dict[Any, Any]:
    try:
        message = ormsgpack.unpackb(frame)
    except ValueError as error:
        raise ProtocolError("The server sent a frame that is no MessagePack.") from error
    if not isinstance(message, dict):
        raise ProtocolError("The server sent a frame that is no message.")
    return message


def _text(message: dict[Any, Any], field: str) -> str:
    value = message.get(field)
    return value if isinstance(value, str) else ""


_FLUSH: Final = ormsgpack.packb({"event": "flush"})
_STOP: Final = ormsgpack.packb({"event": "stop"})
