"""One client: its events on one side, its speech on the other.

Reading goes on while speech is made, so that a client that leaves is noticed and its session
freed immediately. Replies are spoken one after another, in the order in which they were requested.

However a connection ends, the client is told why: ``Connection.run`` is the one place where an
error becomes an event.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from typing import Final

from wyoming.audio import AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.ping import Pong
from wyoming.tts import SynthesizeStopped

from ..cli.options import Options
from ..fish import clock
from ..fish.cpu_turns import cpu_owner, cpu_turn
from ..fish.errors import FishError
from ..fish.owner import owner_at
from .events import CHANNELS, MAX_NAME_CHARS, WIDTH, EventError, encode, encode_audio, text_of
from .memory_budget import BudgetExceededError
from .requests.queue import RequestQueue
from .requests.quota import QuotaError
from .requests.request import SynthesisRequest
from .requests.synthesis import InternalError, Synthesis
from .stream import LINGER_TIMEOUT_S, ClientLostError, ClientStalledError, WyomingStream
from .voice_catalog import VoiceCatalog

__all__ = ["Connection"]

_LOGGER = logging.getLogger(__name__)

# Seconds to the first event: a client that connects knows what it wants.
FIRST_EVENT_TIMEOUT_S: Final = 10.0

# Seconds after which a client that has asked nothing is one that will speak: Home Assistant, which
# looks in every 30 s, says so immediately.
PREWARM_DELAY_S: Final = 0.05

# Seconds between two pieces of a text: an agent may use its tools for minutes.
TEXT_TIMEOUT_S: Final = 900.0

# Events that are read, in 0.3 ms, until other clients have their turn.
EVENTS_AT_ONCE: Final = 10

# Seconds between two checks whether a client that has ended its direction has left.
HANG_UP_CHECK_S: Final = 0.25

# Seconds to wait until the client closes its side when the server stops, and has little time.
STOP_LINGER_S: Final = 0.5

STOPPING: Final = "The server is stopping. Try again in a moment."
DISPLACED: Final = (
    "There are too many connections, and this one gave its place to another client. Try again in a"
    " moment."
)


class _RefusedError(Exception):
    """The client is refused; ``code`` says why to a program, the text to a person."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(text)


_FORESEEN: Final = (BudgetExceededError, ClientLostError, FishError, EventError, _RefusedError)


class Connection:
    """One client's connection, from its first event to its last."""

    def __init__(
        self, stream: WyomingStream, synthesis: Synthesis, catalog: VoiceCatalog, options: Options
    ) -> None:
        self._stream = stream
        self._synthesis = synthesis
        self._catalog = catalog
        self._options = options
        self._requests = RequestQueue(stream.host, options.max_text, stream.memory)
        self._audio_started = False
        """Whether the reply that is being spoken has sent its `audio-start`."""
        self._draining = False
        self._idle_timeout = asyncio.timeout(FIRST_EVENT_TIMEOUT_S)
        """Expires when the client neither asks for anything nor gets anything."""
        self._reading = True
        self.silent = True
        """Whether nothing has been asked of it yet."""
        self.ending = False
        """Whether it has been refused, or has what it asked for, and is only being closed."""
        self.is_displaced = False
        """Whether another client gets its place: it is told so when ``run`` is cancelled."""
        self.close_reason: str | None = None
        """Why, if the client was: «bad-event», «busy», «idle» or «stalled»."""

    @property
    def busy(self) -> bool:
        """Whether the client waits for speech."""
        return bool(self._requests.unanswered) and not self.ending

    @property
    def unheard_since(self) -> float | None:
        """The loop's time since which it has waited for audio; None if it does not."""
        return self._requests.unheard_since

    async def run(self) -> None:
        """Serve the client until it leaves, or ends its direction and has what it asked for.

        When cancelled, a client that still waits is told why; cancelled again, it ends immediately.
        """
        try:
            await self._serve_and_tell()
        finally:
            self.ending = True
            # What nobody will speak is not kept while the client closes.
            self._requests.clear()
            # Else it and its task hold each other until garbage is collected.
            self._idle_timeout = asyncio.timeout(None)
            try:
                await self._stream.close(STOP_LINGER_S if self._draining else LINGER_TIMEOUT_S)
            finally:
                self.abort()

    def drain(self) -> None:
        """Finish what has been asked for, then end the connection."""
        if not self._draining:
            self._draining = True
            self._requests.close()

    def abort(self) -> None:
        """End the connection now; what is not sent yet is lost."""
        self._stream.abort()

    async def _serve_and_tell(self) -> None:
        """Serve the client; what ends that before its time is told to it."""
        cpu_owner.set(owner_at(self._stream.host))
        warming = asyncio.get_running_loop().call_later(PREWARM_DELAY_S, self._prewarm_if_silent)
        reading = asyncio.create_task(self._read())
        speaking = asyncio.create_task(self._speak())
        told = 0
        try:
            await self._serve(reading, speaking)
        except asyncio.CancelledError as error:
            # From Python 3.14 on, its last frame, asyncio.wait's, holds the task that it ends.
            error.__traceback__ = None
            if self.is_displaced:
                self._refuse("too-many", DISPLACED)
            elif self._requests.unanswered:
                self._refuse("stopping", STOPPING)
            if not self._requests.unanswered:
                self.abort()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the client must be told
            self.ending = True
            self._end_with(error)
            told = id(error)
        finally:
            for pending in (warming, reading, speaking):
                pending.cancel()
            await asyncio.wait((reading, speaking))
            for task in (reading, speaking):
                late = None if task.cancelled() else task.exception()
                if late is None:
                    continue
                if id(late) != told and not isinstance(late, _FORESEEN):
                    _LOGGER.error("A reply ended badly; please report this", exc_info=late)
                # It holds the frames that the error passed through, and with them the texts.
                late.__traceback__ = None

    async def _serve(self, reading: asyncio.Task[None], speaking: asyncio.Task[None]) -> None:
        """Wait until the client is served. Raises what ended it before that."""
        done, _ = await asyncio.wait((reading, speaking), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if speaking.done():
            return
        # The client has ended its direction: it may still read, or it may have closed.
        self._requests.close()
        if self._requests.unanswered:
            # TCP cannot tell the two apart until something is sent: what comes next, or a no-op.
            if self._audio_started:
                await self._stream.write(encode(Pong().event()))
            elif self._requests.unanswered:
                await self._start_audio()
        while not speaking.done():
            await asyncio.wait((speaking,), timeout=HANG_UP_CHECK_S)
            if not speaking.done() and self._stream.has_hung_up():
                raise ClientLostError("the client has hung up")
            if self._requests.streaming is not None:
                # Only now: for a client that has closed it would be spoken in vain.
                self._requests.streaming.end()
        speaking.result()

    def _end_with(self, error: Exception) -> None:
        """Tell the client what has happened, and the log, if it is news for a person."""
        match error:
            case ClientStalledError():
                self.close_reason = "stalled"
                _LOGGER.warning("A reply was not heard to its end: %s", error)
                self._stream.abort()
            case ClientLostError():
                _LOGGER.debug("A client was lost: %s", error)
                self._stream.abort()
            case EventError():
                self.close_reason = "bad-event"
                _LOGGER.warning("A client was sent away: %s", error)
                self._refuse("bad-event", f"This cannot be read: {error}.")
            case BudgetExceededError():
                self.close_reason = "busy"
                _LOGGER.warning("A client was sent away: %s", error)
                self._refuse("busy", str(error))
            case _RefusedError():
                if error.code == "idle":
                    self.close_reason = "idle"
                _LOGGER.debug("A client was sent away: %s", error)
                self._refuse(error.code, str(error))
            case QuotaError():
                _LOGGER.warning("A reply was refused: %s", error)
                self._refuse(error.code, str(error))
            case FishError():
                _LOGGER.error("A reply failed: %s", error)
                self._refuse(error.code, str(error))
            case _:
                _LOGGER.error("A connection failed; please report this", exc_info=error)
                internal = InternalError()
                self._refuse(internal.code, str(internal))

    def _prewarm_if_silent(self) -> None:
        if self.silent:
            self._synthesis.prewarm()

    async def _read(self) -> None:
        """Take in events until the client ends its direction.

        Raises WireError, BudgetExceededError, _RefusedError and ClientLostError.
        """
        try:
            async with self._idle_timeout:
                for number in itertools.count(1):
                    if (event := await self._stream.read()) is None:
                        break
                    self.silent = False
                    await self._handle(event)
                    # Not to be in memory beside the next one.
                    del event
                    self._rearm_idle_timeout()
                    if number % EVENTS_AT_ONCE == 0:
                        await cpu_turn()
        except TimeoutError as error:
            raise _RefusedError("idle", "Nothing has come for too long. Connect again.") from error
        finally:
            self._reading = False

    def _rearm_idle_timeout(self) -> None:
        """Wait for the next event, but not for ever."""
        if not self._reading or self._idle_timeout.expired():
            return
        idle = 0.0 if self._requests.unanswered else self._options.idle_time
        if self._requests.streaming is not None:
            idle = TEXT_TIMEOUT_S
        if not idle:
            self._idle_timeout.reschedule(None)
            return
        when, before = clock.now() + idle, self._idle_timeout.when()
        # Not for each word, which would cost a timer each time: to a hundredth it is the same.
        if before is None or not 0 <= when - before < idle / 100:
            self._idle_timeout.reschedule(when)

    async def _handle(self, event: Event) -> None:
        match event.type:
            case "describe":
                await self._stream.write(self._catalog.info)
            case "ping":
                is_blank = event.data.get("text") is None
                text = None if is_blank else text_of(event, MAX_NAME_CHARS)
                await self._stream.write(encode(Pong(text).event()))
            case "synthesize" if self._requests.streaming is None:
                self._requests.add(event)
                self._synthesis.prewarm()
            case "synthesize":
                pass  # The same text once more, for servers that cannot stream.
            case "synthesize-start" if self._requests.streaming is None:
                self._requests.begin(event)
                self._synthesis.prewarm()
            case "synthesize-start":
                raise EventError("synthesize-start is out of order")
            case "synthesize-chunk":
                self._requests.write(event)
            case "synthesize-stop":
                self._requests.end()
            case _:
                _LOGGER.debug("Passed over: %s", event.type)

    async def _speak(self) -> None:
        """Speak what is asked for, in order. Raises FishError, _RefusedError, ClientLostError."""
        while (reply := await self._requests.next()) is not None:
            await self._say(reply)
            self._requests.remove_first()
            self._audio_started = False
            self._rearm_idle_timeout()
        if self._requests.unanswered:
            raise _RefusedError("stopping", STOPPING)

    async def _say(self, reply: SynthesisRequest) -> None:
        rate = self._options.speech.sample_rate
        samples = 0
        async with contextlib.aclosing(self._synthesis.speak(reply)) as audio:
            async for pcm in audio:
                await self._start_audio()
                await self._stream.write(encode_audio(rate, samples * 1000 // rate, pcm))
                self._requests.hear(pcm)
                samples += len(pcm) // WIDTH
        await self._start_audio()
        await self._stream.write(encode(AudioStop(samples * 1000 // rate).event()))
        if reply.streamed:
            await self._stream.write(encode(SynthesizeStopped().event()))

    async def _start_audio(self) -> None:
        """Send the `audio-start` of the reply that is being spoken, if it has not been sent."""
        if not self._audio_started:
            self._audio_started = True
            rate = self._options.speech.sample_rate
            await self._stream.write(encode(AudioStart(rate, WIDTH, CHANNELS, 0).event()))

    def _refuse(self, code: str, text: str) -> None:
        """Tell the client what is wrong: Home Assistant reads until `synthesize-stopped`.

        If it reads an error first, it never ends the audio at its satellite. So audio that has
        begun is ended before the error, unless Home Assistant would keep the incomplete audio.
        """
        events = [Error(text, code).event()]
        if self._audio_started and self._requests.unanswered[0].is_never_kept:
            events = [AudioStop().event(), SynthesizeStopped().event(), *events]
        elif any(reply.streamed for reply in self._requests.unanswered):
            events.append(SynthesizeStopped().event())
        for event in events:
            self._stream.write_last(encode(event))
