"""Text in, as it is written; speech out, as it is spoken."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncGenerator, AsyncIterable
from typing import Final

from .errors import BrokenStreamError, FishConnectionError, FishError, NoAudioError
from .protocol import Audio, Finish, State
from .schedule import Schedule
from .settings import SpeechSettings
from .sockets import Socket, Sockets

__all__ = ["BRIDGE", "speak"]

_LOGGER = logging.getLogger(__name__)

# Seconds from the first text on in which a reply is tried again. Whoever listens has given up by
# then.
RETRY_TIME: Final = 20.0
# Seconds before the second new try, the first one being made at once; each further one doubles
# them.
FIRST_DELAY: Final = 0.25
LONGEST_DELAY: Final = 4.0

# Seconds from the first text that was sent to the first audio, after which the socket is given
# up. Fish answers in half a second, in its slowest mode in 2.5 s.
ANSWER_LIMIT: Final = 8.0

# Seconds without a word from Fish, with all of the text sent, after which it is given up: its
# slowest mode was seen to take 2.5 s.
SILENCE_LIMIT: Final = 30.0

# Seconds without audio after which a little silence is given in its place: satellites give up
# after 5 s without a byte.
BRIDGE: Final = 2.5
# Seconds of it: more than a frame of MP3, so that an encoder on the way gives something too, and
# too little to be heard between two sentences.
BRIDGE_LENGTH: Final = 0.06


async def speak(
    sockets: Sockets,
    text: AsyncIterable[str],
    settings: SpeechSettings,
    *,
    bridge: float | None = None,
) -> AsyncGenerator[bytes]:
    """Speak ``text`` while it is being written.

    Takes any pieces of text, cut anywhere; gives s16le mono PCM of ``settings.sample_rate`` in
    whole samples, as it comes. One reply is one session, so the voice stays the same throughout.
    Text without a letter or a number gives nothing and costs nothing. What passes (a dropped
    connection, a limit, an overload) is tried again while nothing has been heard. With ``bridge``,
    once it has begun, there is a little silence every ``bridge`` seconds in which nothing came.

    Leaving the iterator closes the session's socket: Fish has no other way to be interrupted.
    Close it with ``contextlib.aclosing`` to know when that has happened.

    Raises FishError where not all of the text was spoken, and whatever ``text`` raises.
    """
    sockets.warm(settings.backend)
    written = _Written(text)
    try:
        if not await written.begins():
            return
        retries = _Retries()
        while True:
            heard = False
            try:
                async with sockets.lend(settings.backend) as socket:
                    reply = _Reply(socket, written, settings)
                    async with contextlib.aclosing(reply.audio(bridge)) as audio:
                        async for pcm in audio:
                            heard = True
                            yield pcm
                return
            except FishError as error:
                if heard:
                    raise _broken(error) from error
                pause = retries.pause(error)
            await asyncio.sleep(pause)
    finally:
        await written.close()


class _Retries:
    """How a reply of which nothing has been heard is tried again."""

    def __init__(self) -> None:
        self._until = _now() + RETRY_TIME
        self._delay = 0.0
        self._silent = False

    def pause(self, error: FishError) -> float:
        """Seconds to wait before the next try. Raises ``error`` where there is to be none."""
        # The first is made at once: most often a socket had died unseen.
        pause = self._delay * random.uniform(0.5, 1.5)  # noqa: S311 - so that not all come at once
        self._delay = min(2 * self._delay or FIRST_DELAY, LONGEST_DELAY)
        # Silence is mostly the voice's fault, but may have been an accident: once.
        passing = error.passing or (isinstance(error, NoAudioError) and not self._silent)
        self._silent = self._silent or isinstance(error, NoAudioError)
        if not passing or _now() + pause > self._until:
            raise error
        _LOGGER.debug("Trying again in %.1f s: %s", pause, error)
        return pause


class _Reply:
    """One session with all of the text, from its first word."""

    def __init__(self, socket: Socket, written: _Written, settings: SpeechSettings) -> None:
        self._socket = socket
        self._session = socket.begin()
        self._written = written
        self._settings = settings
        self._schedule = Schedule(settings.speed)

    async def audio(self, bridge: float | None) -> AsyncGenerator[bytes]:
        """Send the text and give the audio, both as they come."""
        rate = self._settings.sample_rate
        silence = bytes(2 * int(BRIDGE_LENGTH * rate))
        patience = bridge or BRIDGE
        heard, waited = False, 0.0
        sending = asyncio.create_task(self._send())
        try:
            while True:
                frame = await self._frame(patience, sending)
                if frame is None:
                    waited += patience
                    self._check_patience(waited, heard=heard)
                    if heard and bridge:
                        self._schedule.heard(BRIDGE_LENGTH, _now())
                        yield silence
                    continue
                waited = 0.0
                match self._session.receive(frame):
                    case Audio(pcm):
                        self._schedule.heard(len(pcm) / 2 / rate, _now())
                        if not heard:
                            # From now on there is a clock to send by.
                            heard = True
                            self._written.news.set()
                        yield pcm
                    case Finish(pcm):
                        if pcm:
                            yield pcm
                        elif not heard:
                            raise NoAudioError("Fish Audio said nothing.")
                        return
        finally:
            await _ended(sending)

    def _check_patience(self, waited: float, *, heard: bool) -> None:
        if not heard and self._schedule.waiting(_now()) >= ANSWER_LIMIT:
            raise BrokenStreamError(f"Fish Audio has not answered for {ANSWER_LIMIT:.0f} s.")
        if self._session.state is State.STOPPED and waited >= SILENCE_LIMIT:
            raise BrokenStreamError(f"Fish Audio fell silent for {waited:.0f} s.")

    async def _frame(self, patience: float, sending: asyncio.Task[None]) -> bytes | str | None:
        """The next frame, or None where nothing has come for ``patience`` seconds."""
        try:
            async with asyncio.timeout(patience):
                return await self._socket.receive()
        except TimeoutError:
            return None
        except FishConnectionError:
            # Where the sender failed, that is why the connection ended.
            if sending.done():
                sending.result()
            raise

    async def _send(self) -> None:
        """Send the text by the schedule. A failure here ends the connection, and so the wait."""
        socket, session, schedule = self._socket, self._session, self._schedule
        try:
            await socket.send(session.start(self._settings.request()))
            scheduled = 0
            complete = False
            while not complete:
                self._written.news.clear()
                now = _now()
                complete = self._written.complete
                for piece in self._written.pieces[scheduled:]:
                    schedule.write(piece, now)
                scheduled = len(self._written.pieces)
                if complete:
                    schedule.complete()
                while piece := schedule.take(now):
                    await socket.send(session.text(piece))
                    if not piece.isspace():
                        await socket.send(session.flush())
                if not complete:
                    await self._written.wait(schedule.wake(now))
            await socket.send(session.stop())
        except Exception:
            socket.abort()
            raise


class _Written:
    """The text of one reply so far; it can be read from its first word as often as needed."""

    def __init__(self, text: AsyncIterable[str]) -> None:
        self.pieces: list[str] = []
        self.news = asyncio.Event()
        """Set with each piece, and at the end."""
        self._reading = asyncio.create_task(self._read(text))
        self._reading.add_done_callback(lambda _: self.news.set())

    async def _read(self, text: AsyncIterable[str]) -> None:
        async for piece in text:
            if piece:
                self.pieces.append(piece)
                self.news.set()

    @property
    def complete(self) -> bool:
        """Whether there is no more to come. Raises what the text itself raised."""
        if self._reading.done():
            self._reading.result()
            return True
        return False

    async def wait(self, until: float | None = None) -> None:
        """Wait for news, or until the loop's time is ``until``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self.news.wait()

    async def begins(self) -> bool:
        """Whether there is anything to say; returns as soon as that is known."""
        seen = 0
        while True:
            self.news.clear()
            complete = self.complete
            if any(letter.isalnum() for piece in self.pieces[seen:] for letter in piece):
                return True
            if complete:
                return False
            seen = len(self.pieces)
            await self.wait()

    async def close(self) -> None:
        """Read no further."""
        await _ended(self._reading)


def _broken(error: FishError) -> FishError:
    """What it means for a reply that has begun; what a person can mend stays as it is."""
    if isinstance(error, FishConnectionError):
        return BrokenStreamError(f"The speech broke off: {error.happened}")
    return error


async def _ended(task: asyncio.Task[None]) -> None:
    """Cancel ``task`` and wait until it has ended; its failure has been dealt with."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()


def _now() -> float:
    return asyncio.get_running_loop().time()
