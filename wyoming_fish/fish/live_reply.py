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
LOOK: Final = 0.25


class LiveReply:
    """Speaks what is written and not yet skipped, in one session.

    With ``until`` it is given up at that time of the loop's where it has not been heard, but not
    for a text that was not there: from its first piece on, it has the time that was left.
    """

    def __init__(
        self,
        sockets: Sockets,
        written: Written,
        settings: SpeechSettings,
        until: float | None = None,
    ) -> None:
        self.heard = False
        """Whether there has been any audio."""
        self._sockets = sockets
        self._written = written
        self._settings = settings
        self._schedule = Schedule(settings.speed)
        self._progress = Progress(settings.sample_rate)
        self._unanswered = False
        """Whether there are words that were sent after the last audio that came."""
        self._until = until
        self._answer_limit = ANSWER_LIMIT
        self._waiting = False
        """Whether all that Fish has said so far has been taken: only then can it be silent."""
        self._looking: asyncio.TimerHandle | None = None
        self._given_up: BrokenStreamError | None = None
        self._owed_since: float | None = None
        """Since when Fish has had something to say, or to finish, and has said nothing."""

    async def audio(self) -> AsyncGenerator[bytes]:
        """Send the text and give the audio, both as they come. Raises FishError."""
        async with self._sockets.lend(self._settings.backend, self._until) as socket:
            if self._until is not None:
                self._answer_limit = min(ANSWER_LIMIT, self._until - _now())
            session = socket.begin()
            sending = asyncio.create_task(self._send(socket, session))
            self._look_again(socket)
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
                if self._looking is not None:
                    self._looking.cancel()
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
                self._waiting = True
                frame = await socket.receive()
            except FishConnectionError:
                # Where Fish was given up, or the sender failed, that is why the connection ended.
                if self._given_up is not None:
                    raise self._given_up from None
                if sending.done():
                    sending.result()
                raise
            finally:
                self._waiting = False
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
        self._written.story.hear(seconds)
        self._unanswered = False
        if not self.heard:
            # From now on there is a clock to send by.
            self.heard = True
            self._written.news.set()

    def _look_again(self, socket: Socket) -> None:
        # A timer by itself: a timeout for each frame would cost a tenth of all that is done here.
        self._looking = asyncio.get_running_loop().call_later(LOOK, self._look, socket)

    def _look(self, socket: Socket) -> None:
        """Give Fish up where it takes too long: that ends the connection, and so the wait."""
        try:
            if self._waiting:
                self._check_patience()
        except BrokenStreamError as error:
            self._given_up = error
            socket.abort()
        else:
            self._look_again(socket)

    def _check_patience(self) -> None:
        now = _now()
        waiting = self._schedule.waiting(now)
        if waiting and waiting >= self._answer_limit:
            raise BrokenStreamError(f"Fish Audio has not answered for {waiting:.0f} s.")
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
        opens = True
        try:
            await socket.send(session.start(self._settings.request()))
            while piece := await pieces.next():
                self._progress.send(piece)
                if words(piece):
                    self._unanswered = True
                    self._owed_since = self._owed_since or _now()
                text, opens = self._written.opening.open(piece) if opens else piece, False
                await socket.send(session.text(text))
                self._written.story.send(text)
                if not piece.isspace():
                    await socket.send(session.flush())
            self._owed_since = self._owed_since or _now()
            await socket.send(session.stop())
        except Exception:
            socket.abort()
            raise


def _now() -> float:
    return asyncio.get_running_loop().time()
