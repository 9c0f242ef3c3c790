"""Live attempt: one session on a websocket, watched by timers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Final

from .. import clock
from ..api.live_connection import LiveConnection
from ..api.live_protocol import Audio, Finish, LiveSession, SessionState
from ..connections.measurements import RateMeter
from ..connections.pool import ConnectionPool
from ..cpu_turns import cpu_turn
from ..errors import BrokenStreamError, FishConnectionError, FishError
from ..settings import SpeechSettings
from ..text.alignment import words
from .attempt import PARK_AFTER_S, Attempt
from .resume import SpokenTextTracker
from .text_chunks import ReplyText

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

# Below this share of the audio that was to be expected, a session that then does not finish has
# stopped within its text: the fastest voices take half of what is expected.
MIN_SPOKEN_SHARE: Final = 0.5
# Seconds that Fish then has to finish it: nothing is left to say.
PARK_TIMEOUT_S: Final = 5.0

# Seconds between two checks of the watchdog.
WATCHDOG_INTERVAL_S: Final = 0.25


class LiveAttempt(Attempt):
    """One session on a websocket."""

    def __init__(
        self, pool: ConnectionPool, reply_text: ReplyText, settings: SpeechSettings
    ) -> None:
        super().__init__(pool, reply_text, settings)
        self.on_late: Callable[[], None] | None = None
        """Is called, once, when it has not been heard in time: another attempt may be sooner."""
        self.is_dead = False
        """Whether its connection does not even answer a ping."""
        self._unheard = ""
        """What was sent before the first audio."""
        self._tracker = SpokenTextTracker(settings.sample_rate)
        self._rate = RateMeter()
        self._sent_since_audio = False
        """Whether words were sent after the last audio that came."""
        self._answer_timeout_s = ANSWER_TIMEOUT_S
        self._is_receiving = False
        """Whether all that Fish has said so far has been taken: only then can it be silent."""
        self._late_timer: asyncio.TimerHandle | None = None
        self._pong_timer: asyncio.TimerHandle | None = None
        self._watchdog_timer: asyncio.TimerHandle | None = None
        self._watchdog_error: BrokenStreamError | None = None
        self._parked = False
        """Whether the session is finished since the text does not go on."""
        self._session: LiveSession | None = None
        self._connection: LiveConnection | None = None
        self._began_at = self._last_frame = self._last_audio = float("-inf")
        self._awaiting_since: float | None = None
        """Since when Fish has had something to say, or to finish, and has said nothing."""
        self._yielded_at = 0.0
        """When the last audio was given."""

    @property
    def pending(self) -> bool:
        """Whether words were sent that have not been spoken yet, as far as can be known."""
        return self._sent_since_audio or not self._scheduler.is_spoken(clock.now())

    @property
    def idle_since(self) -> float | None:
        """The loop's time since which there has been nothing to speak; None while there is."""
        # Not ``heard``: all of the audio so far may have been silence that was cut.
        is_spoken = self._last_audio >= self._began_at and not self._sent_since_audio
        if not self._is_receiving or not (is_spoken or not self.sent):
            return None
        return max(self._began_at, self._last_audio)

    @property
    def is_ending(self) -> bool:
        """Whether no more text will be sent."""
        is_sent = self._session is not None and self._session.state is SessionState.STOPPED
        return self._is_stopped or is_sent

    def stop(self) -> None:
        """Send no more text. ``audio`` ends when what was sent is spoken."""
        super().stop()
        if not self.sent:
            # It is not known how Fish answers a session without text.
            self.abort()

    def another(self) -> LiveAttempt:
        """Another attempt at the same text."""
        return LiveAttempt(self._pool, self._reply_text, self._settings)

    def abort(self) -> None:
        """Cut the connection, if there is one: ``audio`` ends with an error."""
        if self._connection is not None:
            self._connection.abort()

    async def audio(self, until: float | None) -> AsyncGenerator[bytes]:
        """Send the text and give the audio, both as they come."""
        # A connection that is not there in time is late, too.
        self._late_timer = asyncio.get_running_loop().call_later(LATE_S, self._mark_late)
        async with contextlib.AsyncExitStack() as stack:
            stack.callback(self._cancel_timers)
            acquiring = self._pool.acquire(self._settings.backend, until)
            connection = await stack.enter_async_context(acquiring)
            if until is not None:
                self._answer_timeout_s = min(ANSWER_TIMEOUT_S, until - clock.now())
            self._connection, self._began_at = connection, clock.now()
            session = self._session = connection.begin()
            session.secret = self._pool.endpoint.api_key
            sending = asyncio.create_task(self._send(connection, session))
            # Its error is raised where it ends the connection, unless nobody listens any more.
            sending.add_done_callback(lambda task: task.cancelled() or task.exception())
            self._start_watchdog(connection, session)
            try:
                while session.state is not SessionState.FINISHED:
                    if pcm := await self._receive(connection, session, sending):
                        yield pcm
                        self._scheduler.on_consumed(clock.now())
                self._check_finish()
            except FishError as error:
                error.hide(session.secret)
                if not self.heard:
                    self._reply_text.fail(error, self._unheard)
                is_spoken = self._parked and not self._sent_since_audio and not self._is_cut_off()
                if not is_spoken and not (self._is_stopped and not self.sent):
                    raise
                # All that was sent had been spoken long before.
                _LOGGER.debug("A session that was over did not finish: %s", error)
            finally:
                if (rate := self._rate.rate) is not None:
                    self._pool.measurements.on_rate(self._settings, rate)
                self._tracker.whole = session.whole
                self._cancel_timers()
                sending.cancel()
                await asyncio.wait((sending,))

    def spoken(self) -> int | None:
        """How many characters were spoken, with nothing heard of the others; None: not known."""
        return self._tracker.spoken() if self.heard else 0

    async def _receive(
        self, connection: LiveConnection, session: LiveSession, sending: asyncio.Task[None]
    ) -> bytes:
        """The audio of the next message that has any, or is the last."""
        if self._awaiting_since is not None:
            # The time that a listener takes is not Fish's.
            self._awaiting_since += clock.now() - self._yielded_at
        while True:
            asked_at = clock.now()
            try:
                self._is_receiving = True
                frame = await connection.receive()
            except FishConnectionError:
                # The watchdog, or a failure of the sender, has ended the connection.
                if self._watchdog_error is not None:
                    raise self._watchdog_error from None
                if sending.done():
                    sending.result()
                raise
            finally:
                self._is_receiving = False
            self._last_frame = clock.now()
            message = session.receive(frame)
            if isinstance(message, Audio):
                self._tracker.on_audio(message)
            pcm = b""
            if message is not None and message.pcm:
                seconds = len(message.pcm) / 2 / self._settings.sample_rate
                connection.hear(seconds)
                self._rate.on_audio(seconds, self._last_frame - asked_at, self._last_frame)
                self._on_audio(session, seconds)
                pcm = self._take_audio(message.pcm)
            if isinstance(message, Finish):
                pcm += self._silence.end()
                self.heard = self.heard or bool(pcm)
            if pcm or isinstance(message, Finish):
                self._yielded_at = clock.now()
                return pcm
            await cpu_turn()

    def _on_audio(self, session: LiveSession, seconds: float) -> None:
        now = clock.now()
        if waiting_s := self._scheduler.waiting_s(now):
            self._pool.measurements.on_answer(self._settings, waiting_s)
        self._last_audio = now
        # Only audio counts, and only so far: a byte now and then does not hold a session for ever.
        if session.state is not SessionState.STOPPED:
            self._awaiting_since = None
        elif self._awaiting_since is None or not self.heard:
            self._awaiting_since = now
        else:
            self._awaiting_since = min(now, self._awaiting_since + seconds * SILENCE_TIMEOUT_S)
        self._sent_since_audio = False
        if not self.heard and self._late_timer is not None:
            self._late_timer.cancel()

    def _mark_late(self) -> None:
        if self.on_late is not None:
            on_late, self.on_late = self.on_late, None
            on_late()

    def _check_pong(self, pong: asyncio.Future[float]) -> None:
        """Find out whether the connection has died unseen, with all others of its age."""
        self._pong_timer = timer = asyncio.get_running_loop().call_later(
            PONG_TIMEOUT_S, self._on_no_pong, clock.now()
        )
        pong.add_done_callback(lambda _: timer.cancel())

    def _on_no_pong(self, pinged_at: float) -> None:
        if self._last_frame < pinged_at and self._pool.pings_answered:
            _LOGGER.debug("A connection does not answer: another one is opened beside it")
            self._pool.evict(opened_before=pinged_at)
            self.is_dead = True
            self._mark_late()

    def _start_watchdog(self, connection: LiveConnection, session: LiveSession) -> None:
        # A timer by itself: a timeout for each frame would cost a tenth of all that is done here.
        self._watchdog_timer = asyncio.get_running_loop().call_later(
            WATCHDOG_INTERVAL_S, self._check_progress, connection, session
        )

    def _check_progress(self, connection: LiveConnection, session: LiveSession) -> None:
        """Watchdog: give Fish up if it takes too long. That ends the connection, and the wait."""
        now = clock.now()
        if self._is_receiving and (failure := self._overdue(now)):
            self._watchdog_error = BrokenStreamError(failure)
            connection.abort()
            return
        if session.state is SessionState.OPEN and self._is_over(now):
            self._parked = True
            self.stop()
        self._start_watchdog(connection, session)

    def _cancel_timers(self) -> None:
        for timer in (self._late_timer, self._pong_timer, self._watchdog_timer):
            if timer is not None:
                timer.cancel()

    def _is_cut_off(self) -> bool:
        """Whether it is known, or most likely, that not all was spoken before it fell silent."""
        return self._tracker.left() or self._scheduler.spoken_share < MIN_SPOKEN_SHARE

    def _is_over(self, now: float) -> bool:
        """Whether everything is spoken, and the text has not gone on for long."""
        if (idle_since := self.idle_since) is None:
            return False
        return now - max(self._reply_text.last_text, idle_since) >= PARK_AFTER_S

    def _overdue(self, now: float) -> str:
        """What is wrong if Fish has taken too long; empty if it has not."""
        waiting_s = self._scheduler.waiting_s(now)
        if waiting_s and waiting_s >= self._answer_timeout_s:
            return f"{self._name} has not answered for {waiting_s:.0f} s."
        limit = PARK_TIMEOUT_S if self._parked else SILENCE_TIMEOUT_S
        if self._awaiting_since is not None and now - self._awaiting_since >= limit:
            return f"{self._name} fell silent for {limit:.0f} s."
        return ""

    def _check_finish(self) -> None:
        """Raise if Fish ended as if all were well, and has certainly not spoken all."""
        if not self.heard:
            raise self._no_audio()
        # Words that were sent after the last audio cannot have been in it.
        if self._sent_since_audio or self._tracker.left():
            raise BrokenStreamError(f"{self._name} stopped before the end of the text.")

    async def _send(self, connection: LiveConnection, session: LiveSession) -> None:
        """Send the text by the schedule. A failure here ends the connection, and so the wait."""
        try:
            await connection.send(session.start(self._settings.request()))
            while chunk := await self._chunks.next():
                is_first = not self.sent
                text = self._reply_text.request(chunk, opens=is_first, begun=not is_first)
                if text is None:
                    break
                self._tracker.on_sent(chunk)
                self.sent += len(chunk)
                if words(chunk):
                    self._sent_since_audio = True
                    self._awaiting_since = self._awaiting_since or clock.now()
                if not self.heard:
                    self._unheard += text
                self._rate.on_text()
                await connection.send(session.text(text))
                if not chunk.isspace():
                    await connection.send(session.flush())
                if is_first:
                    self._check_pong(await connection.send_ping())
            self._awaiting_since = self._awaiting_since or clock.now()
            await connection.send(session.stop())
        except Exception:
            connection.abort()
            raise
