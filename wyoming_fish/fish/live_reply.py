"""A reply by websocket: one session with all of its text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from .errors import BrokenStreamError, FishConnectionError, NoAudioError
from .progress import Progress
from .protocol import Audio, Finish, Session, State
from .schedule import Schedule
from .settings import SpeechSettings
from .sockets import Socket, Sockets
from .words import words
from .written import Pieces, Written

__all__ = ["LiveReply"]

# Seconds from the first text that was sent to the first audio, after which the socket is given
# up. Fish answers in half a second, in its slowest mode in 2.5 s.
ANSWER_LIMIT: Final = 8.0

# Seconds without a word from Fish, with text sent that it has not spoken or the end of it, after
# which it is given up: its slowest mode was seen to take 2.5 s.
SILENCE_LIMIT: Final = 30.0

# Seconds between two looks at the clock while nothing comes.
LOOK: Final = 1.0


class LiveReply:
    """Speaks what is written and not yet skipped, in one session."""

    def __init__(self, sockets: Sockets, written: Written, settings: SpeechSettings) -> None:
        self.heard = False
        """Whether there has been any audio."""
        self._sockets = sockets
        self._written = written
        self._settings = settings
        self._schedule = Schedule(settings.speed)
        self._progress = Progress(settings.sample_rate)
        self._unanswered = False
        """Whether there are words that were sent after the last audio that came."""
        self._owed_since: float | None = None
        """Since when Fish has had something to say, or to finish, and has said nothing."""

    async def audio(self) -> AsyncGenerator[bytes]:
        """Send the text and give the audio, both as they come. Raises FishError."""
        async with self._sockets.lend(self._settings.backend) as socket:
            session = socket.begin()
            sending = asyncio.create_task(self._send(socket, session))
            try:
                while True:
                    message = await self._receive(socket, session, sending)
                    if message.pcm:
                        yield message.pcm
                    if isinstance(message, Finish):
                        break
                self._check_finish()
            finally:
                self._progress.whole = session.whole
                sending.cancel()
                await asyncio.wait((sending,))
                if not sending.cancelled():
                    sending.exception()

    def spoken(self) -> int | None:
        """How many characters were spoken, with nothing heard of the others; None: not known."""
        return self._progress.spoken() if self.heard else 0

    async def _receive(
        self, socket: Socket, session: Session, sending: asyncio.Task[None]
    ) -> Audio | Finish:
        """The next message."""
        while True:
            try:
                async with asyncio.timeout(LOOK):
                    frame = await socket.receive()
            except TimeoutError:
                self._check_patience()
                continue
            except FishConnectionError:
                # Where the sender failed, that is why the connection ended.
                if sending.done():
                    sending.result()
                raise
            message = session.receive(frame)
            if isinstance(message, Audio):
                self._progress.listen(message)
            if message is not None and message.pcm:
                self._hear(len(message.pcm) / 2 / self._settings.sample_rate)
            owes = self._unanswered or session.state is State.STOPPED
            self._owed_since = _now() if owes else None
            if message is not None:
                return message

    def _hear(self, seconds: float) -> None:
        self._schedule.heard(seconds, _now())
        self._unanswered = False
        if not self.heard:
            # From now on there is a clock to send by.
            self.heard = True
            self._written.news.set()

    def _check_patience(self) -> None:
        now = _now()
        if not self.heard and self._schedule.waiting(now) >= ANSWER_LIMIT:
            raise BrokenStreamError(f"Fish Audio has not answered for {ANSWER_LIMIT:.0f} s.")
        if self._owed_since is not None and now - self._owed_since >= SILENCE_LIMIT:
            raise BrokenStreamError(f"Fish Audio fell silent for {SILENCE_LIMIT:.0f} s.")

    def _check_finish(self) -> None:
        """Raise where Fish ended as if all were well, and has certainly not spoken all."""
        if not self.heard:
            raise NoAudioError("Fish Audio said nothing.")
        # Words that were sent after the last audio cannot have been in it.
        if self._unanswered or self._progress.left():
            raise BrokenStreamError("Fish Audio ended without speaking the last of the text.")

    async def _send(self, socket: Socket, session: Session) -> None:
        """Send the text by the schedule. A failure here ends the connection, and so the wait."""
        pieces = Pieces(self._written, self._schedule)
        try:
            await socket.send(session.start(self._settings.request()))
            while piece := await pieces.next():
                self._progress.send(piece)
                if words(piece):
                    self._unanswered = True
                    self._owed_since = self._owed_since or _now()
                await socket.send(session.text(piece))
                if not piece.isspace():
                    await socket.send(session.flush())
            self._owed_since = self._owed_since or _now()
            await socket.send(session.stop())
        except Exception:
            socket.abort()
            raise


def _now() -> float:
    return asyncio.get_running_loop().time()
