"""An attempt by websocket: one session for the text that is written and not yet spoken."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Collection
from typing import Final

from ..api.live_protocol import Audio, Finish, LiveSession, SessionState
from ..connections.pool import ConnectionPool, LiveConnection
from ..cpu_turns import cpu_turn
from ..errors import BrokenStreamError, FishConnectionError, FishError, NoAudioError
from ..settings import SpeechSettings
from ..text.alignment import words
from .flush_scheduler import FlushScheduler
from .resume import SpokenTextTracker
from .text_chunks import ReplyText, TextChunks

__all__ = ["LiveAttempt"]

_LOGGER = logging.getLogger(__name__)

# Seconds from the first text that was sent to the first audio, after which the connection is given
# up. Fish answers in half a second, in its slowest mode in 2.5 s.
ANSWER_TIMEOUT_S: Final = 8.0

# Seconds for the connection and the first audio together, after which they are late, so that a
# second attempt is started beside it. Satellites give up after 5 s.
LATE_S: Final = 3.0

# Seconds for the answer to the ping that begins a session, after which the connection is taken for
# dead: the longest round trips, to a satellite in orbit, take 0.7 s.
PONG_TIMEOUT_S: Final = 0.8

# Seconds without audio from Fish, with text sent that it has not spoken or the end of it, after
# which it is given up: its slowest mode was seen to take 2.5 s. A connection that has died is
# noticed by nothing else.
SILENCE_TIMEOUT_S: Final = 10.0

# Seconds without new text, with all that was sent spoken, after which the session is finished, so
# that others can have it. Text that comes later opens a new one.
PARK_AFTER_S: Final = 30.0
# Below this share of the audio that was to be expected, a session that then does not finish has
# stopped within its text: the fastest voices take half of what is expected.
MIN_SPOKEN_SHARE: Final = 0.5
# Seconds that Fish then has to finish it: nothing is left to say.
PARK_TIMEOUT_S: Final = 5.0

# Seconds between two looks at the clock while nothing comes.
WATCHDOG_INTERVAL_S: Final = 0.25


class LiveAttempt:
    """Speaks what is written and not yet skipped, in one session."""

    def __init__(
        self, pool: ConnectionPool, reply_text: ReplyText, settings: SpeechSettings
    ) -> None:
        self.heard = False
        """Whether there has been any audio."""
        self.late: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when an answer should have come and has not: a second attempt may be sooner."""
        self.is_dead = False
        """Whether its connection does not even answer a ping."""
        self.sent = 0
        """Characters of the text that were sent."""
        self._unheard = ""
        """What was sent before the first audio."""
        self._pool = pool
        self._reply_text = reply_text
        self._settings = settings
        self._scheduler = FlushScheduler(settings.speed)
        self._chunks = TextChunks(reply_text, self._scheduler)
        self._progress = SpokenTextTracker(settings.sample_rate)
        self._unanswered = False
        """Whether there are words that were sent after the last audio that came."""
        self._answer_limit = ANSWER_TIMEOUT_S
        self._waiting = False
        """Whether all that Fish has said so far has been taken: only then can it be silent."""
        self._late_timer: asyncio.TimerHandle | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._given_up: BrokenStreamError | None = None
        self._parked = False
        """Whether the session is finished since the text does not go on."""
        self._stopped = False
        """Whether no more text is sent, though there may be more."""
        self._session: LiveSession | None = None
        self._connection: LiveConnection | None = None
        self._began = float("-inf")
        self._owed_since: float | None = None
        """Since when Fish has had something to say, or to finish, and has said nothing."""
        self._last_frame = float("-inf")
        self._last_audio = float("-inf")
        self._given_at = _now()

    @property
    def pending(self) -> bool:
        """Whether Fish has been sent words that it has not spoken yet, as far as can be known."""
        return self._unanswered or not self._scheduler.is_spoken(_now())

    @property
    def idle_since(self) -> float | None:
        """Since when Fish has had nothing to speak; None while it has, or takes its time."""
        is_spoken = self.heard and not self._unanswered
        if not self._waiting or not (is_spoken or not self.sent):
            return None
        return max(self._began, self._last_audio)

    @property
    def is_ending(self) -> bool:
        """Whether no more text will be sent."""
        is_sent = self._session is not None and self._session.state is SessionState.STOPPED
        return self._stopped or is_sent

    def stop(self) -> None:
        """Send no more text. ``audio`` ends when what was sent is spoken."""
        self._stopped = True
        self._chunks.stop()
        if not self.sent and self._connection is not None:
            # It is not known how Fish answers a session without text.
            self._connection.abort()

    async def due(self) -> bool:
        """Wait until there is something to send; false if the text ends without it."""
        return await self._chunks.due()

    async def audio(self, until: float | None) -> AsyncGenerator[bytes]:
        """Send the text and give the audio, both as they come.

        It ends when all of the text is spoken, or what was sent of it after ``stop``, or all that
        there is of one that pauses for PARK_AFTER_S. Raises FishError, also when it is not heard by
        the loop's time ``until``.
        """
        # A connection that is not there in time is late, too.
        self._late_timer = asyncio.get_running_loop().call_later(LATE_S, self._be_late)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._late_timer.cancel)
            lent = self._pool.acquire(self._settings.backend, until)
            connection = await stack.enter_async_context(lent)
            if until is not None:
                self._answer_limit = min(ANSWER_TIMEOUT_S, until - _now())
            self._connection, self._began = connection, _now()
            session = self._session = connection.begin()
            session.secret = self._pool.endpoint.api_key
            tasks = (
                asyncio.create_task(self._send(connection, session)),
                asyncio.create_task(self._check_connection(connection)),
            )
            self._look_again(connection, session)
            try:
                while True:
                    message = await self._receive(connection, session, tasks[0])
                    if message.pcm:
                        yield message.pcm
                        self._scheduler.taken(_now())
                    if isinstance(message, Finish):
                        break
                self._check_finish()
            except FishError as error:
                error.hide(session.secret)
                if not self.heard:
                    self._reply_text.fail(error, self._unheard)
                is_spoken = self._parked and not self._unanswered and not self._is_cut_off()
                if not is_spoken and not (self._stopped and not self.sent):
                    raise
                # All that was sent had been spoken long before.
                _LOGGER.debug("A session that was over did not finish: %s", error)
            finally:
                self._progress.whole = session.whole
                if self._looking is not None:
                    self._looking.cancel()
                await _end(tasks)

    def close(self) -> None:
        """Wait for no more text."""
        self._chunks.close()

    def spoken(self) -> int | None:
        """How many characters were spoken, with nothing heard of the others; None: not known."""
        return self._progress.spoken() if self.heard else 0

    @property
    def _name(self) -> str:
        return self._pool.endpoint.name

    async def _receive(
        self, connection: LiveConnection, session: LiveSession, sending: asyncio.Task[None]
    ) -> Audio | Finish:
        """The next message."""
        if self._owed_since is not None:
            # The time that a listener takes is not Fish's.
            self._owed_since += _now() - self._given_at
        while True:
            try:
                self._waiting = True
                frame = await connection.receive()
            except FishConnectionError:
                # Where Fish was given up, or the sender failed, that is why the connection ended.
                if self._given_up is not None:
                    raise self._given_up from None
                if sending.done():
                    sending.result()
                raise
            finally:
                self._waiting = False
            self._last_frame = _now()
            message = session.receive(frame)
            if isinstance(message, Audio):
                self._progress.listen(message)
            if message is not None and message.pcm:
                seconds = len(message.pcm) / 2 / self._settings.sample_rate
                connection.hear(seconds)
                self._owed_since = self._owe(session, seconds)
                self._hear(seconds)
            if message is not None:
                self._given_at = _now()
                return message
            await cpu_turn()

    def _owe(self, session: LiveSession, seconds: float) -> float | None:
        """Since when Fish counts as silent, as audio has come; None if it has nothing more to say.

        Only audio counts, and only so far: a byte now and then does not hold a session for ever.
        """
        now = _now()
        if session.state is not SessionState.STOPPED:
            return None
        if self._owed_since is None or not self.heard:
            return now
        return min(now, self._owed_since + seconds * SILENCE_TIMEOUT_S)

    def _hear(self, seconds: float) -> None:
        may_send = self._scheduler.heard(seconds, _now())
        self._reply_text.metrics.hear(seconds)
        self._unanswered = False
        self._last_audio = _now()
        if not self.heard:
            self.heard = True
            if self._late_timer is not None:
                self._late_timer.cancel()
        if may_send:
            self._chunks.wake()

    async def _check_connection(self, connection: LiveConnection) -> None:
        """Find out whether the connection has died unseen, with all others of its age."""
        began = _now()
        try:
            async with asyncio.timeout(PONG_TIMEOUT_S):
                await connection.ping()
        except FishConnectionError:
            return
        except TimeoutError:
            if self._last_frame < began and self._pool.pings_answered:
                _LOGGER.debug("A connection does not answer: another one is opened beside it")
                self._pool.evict(opened_before=began)
                self.is_dead = True
                self._be_late()

    def _look_again(self, connection: LiveConnection, session: LiveSession) -> None:
        # A timer by itself: a timeout for each frame would cost a tenth of all that is done here.
        self._looking = asyncio.get_running_loop().call_later(
            WATCHDOG_INTERVAL_S, self._look, connection, session
        )

    def _look(self, connection: LiveConnection, session: LiveSession) -> None:
        """Give Fish up if it takes too long: that ends the connection, and so the wait."""
        now = _now()
        try:
            if self._waiting:
                self._check_timeouts(now)
        except BrokenStreamError as error:
            self._given_up = error
            connection.abort()
            return
        if session.state is SessionState.OPEN and self._is_over(now):
            self._parked = True
            self.stop()
        self._look_again(connection, session)

    def _is_cut_off(self) -> bool:
        """Whether it is known, or most likely, that not all was spoken before it fell silent."""
        return self._progress.left() or self._scheduler.spoken_share < MIN_SPOKEN_SHARE

    def _be_late(self) -> None:
        if not self.late.done():
            self.late.set_result(None)

    def _is_over(self, now: float) -> bool:
        """Whether everything is spoken, and the text has not gone on for long."""
        idle_since = self.idle_since
        if idle_since is None:
            return False
        return now - max(self._reply_text.last_text, idle_since) >= PARK_AFTER_S

    def _check_timeouts(self, now: float) -> None:
        waiting = self._scheduler.waiting(now)
        if waiting and waiting >= self._answer_limit:
            raise BrokenStreamError(f"{self._name} has not answered for {waiting:.0f} s.")
        limit = PARK_TIMEOUT_S if self._parked else SILENCE_TIMEOUT_S
        if self._owed_since is not None and now - self._owed_since >= limit:
            raise BrokenStreamError(f"{self._name} fell silent for {limit:.0f} s.")

    def _check_finish(self) -> None:
        """Raise if Fish ended as if all were well, and has certainly not spoken all."""
        if not self.heard:
            raise NoAudioError(f"{self._name} said nothing.")
        # Words that were sent after the last audio cannot have been in it.
        if self._unanswered or self._progress.left():
            raise BrokenStreamError(f"{self._name} ended without speaking the last of the text.")

    async def _send(self, connection: LiveConnection, session: LiveSession) -> None:
        """Send the text by the schedule. A failure here ends the connection, and so the wait."""
        opens = True
        try:
            await connection.send(session.start(self._settings.request()))
            while piece := await self._chunks.next():
                text, opens = self._reply_text.prefix.open(piece) if opens else piece, False
                if not self._reply_text.may_send(text, begun=bool(self.sent)):
                    break
                self._progress.send(piece)
                self.sent += len(piece)
                if words(piece):
                    self._unanswered = True
                    self._owed_since = self._owed_since or _now()
                if not self.heard:
                    self._unheard += text
                await connection.send(session.text(text))
                if not piece.isspace():
                    await connection.send(session.flush())
            self._owed_since = self._owed_since or _now()
            await connection.send(session.stop())
        except Exception:
            connection.abort()
            raise


async def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait for them; what they raised was met elsewhere, if it was."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()


def _now() -> float:
    return asyncio.get_running_loop().time()
