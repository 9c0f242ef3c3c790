"""Text in, as it is written; speech out, as it is spoken."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Final, NoReturn

from .errors import BrokenStreamError, FishConnectionError
from .protocol import Audio, Finish, Session
from .settings import SpeechSettings
from .sockets import Socket, Sockets

__all__ = ["speak"]

# Seconds without a word from Fish, with all of the text sent, after which it is given up: its
# slowest mode was seen to take 2.5 s, and satellites give up after 5 s of silence.
SILENCE_LIMIT: Final = 30.0


async def speak(
    sockets: Sockets, text: AsyncIterable[str], settings: SpeechSettings
) -> AsyncGenerator[bytes]:
    """Speak ``text`` while it is being written.

    Takes any pieces of text, cut anywhere; gives s16le mono PCM of ``settings.sample_rate`` in
    whole samples, as it comes. One reply is one session, so the voice stays the same throughout.
    Text without a letter to say gives nothing and costs nothing.

    Leaving the iterator closes the session's socket: Fish has no other way to be interrupted.
    Close it with ``contextlib.aclosing`` to know when that has happened.

    Raises FishError where not all of the text was spoken, and whatever ``text`` raises.
    """
    written = _Written(text)
    try:
        if not await written.begins():
            return
        spoken = False
        while True:
            async with sockets.lend(settings.backend) as socket:
                # A socket that Fish closed after its last session may look open until it is used.
                worn = socket.sessions > 0
                async with contextlib.aclosing(_session(socket, written, settings)) as audio:
                    try:
                        async for pcm in audio:
                            spoken = True
                            yield pcm
                        return
                    except FishConnectionError as error:
                        if spoken:
                            raise BrokenStreamError("The connection to Fish was lost.") from error
                        if not worn:
                            raise
    finally:
        await written.close()


async def _session(
    socket: Socket, written: _Written, settings: SpeechSettings
) -> AsyncGenerator[bytes]:
    """One session with all of the text, from its first word."""
    session = socket.begin()
    sending = asyncio.create_task(_send(socket, session, written, settings))
    try:
        while True:
            try:
                frame = await socket.receive()
            except FishConnectionError:
                # Where the sender failed, that is why the connection ended.
                if sending.done():
                    sending.result()
                raise
            match session.receive(frame):
                case Audio(pcm):
                    yield pcm
                case Finish(pcm):
                    if pcm:
                        yield pcm
                    return
    finally:
        await _ended(sending)


async def _send(
    socket: Socket, session: Session, written: _Written, settings: SpeechSettings
) -> None:
    """Send the text as it comes, then watch over the answer until cancelled.

    A failure here ends the connection, and so wakes the receiver.
    """
    try:
        await socket.send(session.start(settings.request()))
        at = 0
        while (piece := await written.piece(at)) is not None:
            await socket.send(session.text(piece))
            at += 1
        await socket.send(session.stop())
        await _patience(socket)
    except Exception:
        socket.abort()
        raise


async def _patience(socket: Socket) -> NoReturn:
    """Raise BrokenStreamError when nothing has come for SILENCE_LIMIT to who waited for it."""
    silence = 0.0
    while silence < SILENCE_LIMIT:
        await asyncio.sleep(SILENCE_LIMIT - silence)
        silence = socket.silence
    raise BrokenStreamError(f"Fish Audio fell silent for {SILENCE_LIMIT:.0f} s.")


class _Written:
    """The text of one reply so far; it can be read from its first word as often as needed."""

    def __init__(self, text: AsyncIterable[str]) -> None:
        self._pieces: list[str] = []
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read(text))
        self._reading.add_done_callback(lambda _: self._news.set())

    async def _read(self, text: AsyncIterable[str]) -> None:
        async for piece in text:
            if piece:
                self._pieces.append(piece)
                self._news.set()

    async def piece(self, at: int) -> str | None:
        """The piece with number ``at``, when it is there; None after the last one.

        Raises what the text itself raised.
        """
        while at >= len(self._pieces):
            if self._reading.done():
                self._reading.result()
                return None
            self._news.clear()
            await self._news.wait()
        return self._pieces[at]

    async def begins(self) -> bool:
        """Whether there is anything to say; returns as soon as that is known."""
        at = 0
        while (piece := await self.piece(at)) is not None:
            if not piece.isspace():
                return True
            at += 1
        return False

    async def close(self) -> None:
        """Read no further."""
        await _ended(self._reading)


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancel ``task`` and wait until it has ended; its failure has been dealt with."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
