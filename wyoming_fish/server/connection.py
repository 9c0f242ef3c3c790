"""Connection of one client: receives events, and sends speech.

The connection reads while it speaks, so that a disconnected client frees its session immediately.
Replies are spoken one after another, in the order of their requests.

If a connection ends with an error, the client gets it. ``Connection._end_with`` is the one place
where an error becomes an event.
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

from ..fish import clock
from ..fish.cpu_turns import cpu_owner, cpu_turn
from ..fish.errors import FishError
from .context import ServerContext
from .events import CHANNELS, MAX_NAME_CHARS, WIDTH, EventError, encode, encode_audio, text_of
from .memory_budget import BudgetExceededError
from .requests.queue import RequestQueue
from .requests.quota import QuotaError
from .requests.request import SynthesisRequest
from .requests.synthesis import InternalError
from .stream import LINGER_TIMEOUT_S, ClientLostError, ClientStalledError, WyomingStream

__all__ = ["Connection"]

_LOGGER = logging.getLogger(__name__)

# Seconds to the first event: a client sends it when it has connected.
FIRST_EVENT_TIMEOUT_S: Final = 10.0

# Seconds without an event after which a reply is expected: Home Assistant's check every 30 s sends
# `describe` immediately.
PREWARM_DELAY_S: Final = 0.05

# Seconds between two parts of a text: an agent can use its tools for minutes.
TEXT_TIMEOUT_S: Final = 900.0

# Events that are read in one turn of the CPU, in 0.3 ms.
EVENTS_PER_TURN: Final = 10

# Seconds between two checks whether a client that has ended its direction has disconnected, which
# no event tells. In this time Fish makes a second of speech or so for nobody.
HANG_UP_CHECK_S: Final = 0.25

# Seconds to wait until the client closes its side while the server stops.
STOP_LINGER_S: Final = 0.5

IDLE: Final = "The client sent no request for too long. Connect again."
STOPPING: Final = "The server is stopping. Try again in a moment."
DISPLACED: Final = (
    "There are too many connections. This one was closed for another client. Try again in a moment."
)


class _ClientRefusedError(Exception):
    """The client is refused. ``code`` is for programs, the text for people."""

    def __init__(self, code: str, text: str) -> None:
        self.code = code
        super().__init__(text)


_EXPECTED: Final = (
    BudgetExceededError,
    ClientLostError,
    FishError,
    EventError,
    _ClientRefusedError,
)


class Connection:
    """One client's connection, from its first event to its last."""

    def __init__(self, stream: WyomingStream, server: ServerContext) -> None:
        self.owner = stream.memory.owner
        """The client's address and network."""
        self._stream = stream
        self._synthesis = server.synthesis
        self._catalog = server.catalog
        self._options = options = server.options
        self._requests = RequestQueue(stream.host, options.max_pending_characters, stream.memory)
        self._audio_started = False
        """Whether `audio-start` of the current reply has been sent."""
        self._draining = False
        self._idle_timeout = asyncio.timeout(FIRST_EVENT_TIMEOUT_S)
        """Expires if the client sends no request and waits for none."""
        self._reading = True
        self.is_silent = True
        """Whether the client has sent no event so far."""
        self.is_ending = False
        """Whether it is only being closed."""
        self.is_displaced = False
        """Whether it is closed for another client. ``run`` then sends that error when cancelled."""
        self.close_reason: str | None = None
        """If it was refused: "invalid-event", "server-busy", "idle-timeout" or "write-timeout"."""

    @property
    def is_busy(self) -> bool:
        """Whether the client waits for speech."""
        return bool(self._requests.unanswered) and not self.is_ending

    @property
    def unheard_since(self) -> float | None:
        """The event loop's time at which it began to wait for audio; None if it does not wait."""
        return self._requests.unheard_since

    async def run(self) -> None:
        """Serve the client until it disconnects, or has ended its direction and got all replies.

        When cancelled, a client that waits gets an error; cancelled again, it ends immediately.
        """
        try:
            await self._serve_until_error()
        finally:
            self.is_ending = True
            # Free the texts while the client closes.
            self._requests.clear()
            # Break the reference cycle of the timeout and its task.
            self._idle_timeout = asyncio.timeout(None)
            try:
                await self._stream.close(STOP_LINGER_S if self._draining else LINGER_TIMEOUT_S)
            finally:
                self.abort()

    def drain(self) -> None:
        """Finish the requested replies, then end the connection."""
        if not self._draining:
            self._draining = True
            self._requests.close()

    def abort(self) -> None:
        """End the connection now; data that is not sent is lost."""
        self._stream.abort()

    async def _serve_until_error(self) -> None:
        """Serve the client. If an error ends that, send it the error."""
        cpu_owner.set(self.owner)
        timer = asyncio.get_running_loop().call_later(PREWARM_DELAY_S, self._prewarm_if_silent)
        reading = asyncio.create_task(self._read())
        speaking = asyncio.create_task(self._speak())
        handled = 0
        try:
            await self._serve(reading, speaking)
        except asyncio.CancelledError as error:
            # From Python 3.14 on, its last frame, asyncio.wait's, holds the task that it ends.
            error.__traceback__ = None
            if self.is_displaced:
                self._refuse("too-many-connections", DISPLACED)
            elif self._requests.unanswered:
                self._refuse("server-stopping", STOPPING)
            if not self._requests.unanswered:
                self.abort()
            raise
        except Exception as error:  # noqa: BLE001 - the client gets an error for all of them
            self.is_ending = True
            self._end_with(error)
            handled = id(error)
        finally:
            for pending in (timer, reading, speaking):
                pending.cancel()
            await asyncio.wait((reading, speaking))
            for task in (reading, speaking):
                late = None if task.cancelled() else task.exception()
                if late is None:
                    continue
                if id(late) != handled and not isinstance(late, _EXPECTED):
                    _LOGGER.error("Cannot end a reply. Report this error.", exc_info=late)
                # Its frames hold the texts.
                late.__traceback__ = None

    async def _serve(self, reading: asyncio.Task[None], speaking: asyncio.Task[None]) -> None:
        """Wait until the client has all replies. Raises the error that ended it earlier."""
        done, _ = await asyncio.wait((reading, speaking), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        if speaking.done():
            return
        # The client has ended its direction: it still reads, or it has closed.
        self._requests.close()
        if self._requests.unanswered:
            # To find out, TCP must send something: the next event, or a no-op.
            if self._audio_started:
                await self._stream.write(encode(Pong().event()))
            elif self._requests.unanswered:
                await self._start_audio()
        while not speaking.done():
            await asyncio.wait((speaking,), timeout=HANG_UP_CHECK_S)
            if not speaking.done() and self._stream.has_hung_up():
                raise ClientLostError("the client has disconnected")
            if self._requests.streaming is not None:
                # Not earlier: for a disconnected client, it would use credit for nothing.
                self._requests.streaming.end()
        speaking.result()

    def _end_with(self, error: Exception) -> None:
        """Send the client the error, and log it if a person should know."""
        match error:
            case ClientStalledError():
                self.close_reason = "write-timeout"
                _LOGGER.warning("Disconnecting a client: %s", error)
                self._stream.abort()
            case ClientLostError():
                _LOGGER.debug("A client disconnected: %s", error)
                self._stream.abort()
            case EventError() | BudgetExceededError():
                is_busy = isinstance(error, BudgetExceededError)
                self.close_reason = "server-busy" if is_busy else "invalid-event"
                _LOGGER.warning("Refusing a client: %s", error)
                text = str(error) if is_busy else f"The event is not valid: {error}."
                self._refuse(self.close_reason, text)
            case _ClientRefusedError():
                if error.code == "idle-timeout":
                    self.close_reason = error.code
                _LOGGER.debug("Refusing a client: %s", error)
                self._refuse(error.code, str(error))
            case QuotaError():
                _LOGGER.warning("Refusing a reply: %s", error)
                self._refuse(error.code, str(error))
            case FishError():
                _LOGGER.error("Cannot speak a reply: %s", error)
                self._refuse(error.code, str(error))
            case _:
                _LOGGER.error("Cannot serve a client. Report this error.", exc_info=error)
                internal = InternalError()
                self._refuse(internal.code, str(internal))

    def _prewarm_if_silent(self) -> None:
        if self.is_silent:
            self._synthesis.prewarm()

    async def _read(self) -> None:
        """Read events until the client ends its direction.

        Raises EventError, BudgetExceededError, _ClientRefusedError and ClientLostError.
        """
        try:
            async with self._idle_timeout:
                for number in itertools.count(1):
                    if (event := await self._stream.read()) is None:
                        break
                    self.is_silent = False
                    await self._handle(event)
                    # Free it before the next one arrives.
                    del event
                    self._rearm_idle_timeout()
                    if number % EVENTS_PER_TURN == 0:
                        await cpu_turn()
        except TimeoutError as error:
            raise _ClientRefusedError("idle-timeout", IDLE) from error
        finally:
            self._reading = False

    def _rearm_idle_timeout(self) -> None:
        """Start the timeout for the next event again."""
        if not self._reading or self._idle_timeout.expired():
            return
        idle = 0.0 if self._requests.unanswered else self._options.client_idle_timeout_s
        if self._requests.streaming is not None:
            idle = TEXT_TIMEOUT_S
        when, before = clock.now() + idle if idle else None, self._idle_timeout.when()
        # Not for each word: a new timer has a cost, and a hundredth of the time does not matter.
        if when is None or before is None or not 0 <= when - before < idle / 100:
            self._idle_timeout.reschedule(when)

    async def _handle(self, event: Event) -> None:
        match event.type:
            case "describe":
                # The write has a timeout of its own.
                if not self._idle_timeout.expired():
                    self._idle_timeout.reschedule(None)
                await self._stream.write(self._catalog.info)
            case "ping":
                is_blank = event.data.get("text") is None
                text = None if is_blank else text_of(event, MAX_NAME_CHARS)
                await self._stream.write(encode(Pong(text).event()))
            case "synthesize" if self._requests.streaming is None:
                self._requests.add(event)
                self._synthesis.prewarm()
            case "synthesize":
                pass  # The whole text again, for servers that cannot stream.
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
                _LOGGER.debug("Ignoring an event: %s", event.type)

    async def _speak(self) -> None:
        """Speak the replies in order. Raises FishError, _ClientRefusedError and ClientLostError."""
        while (reply := await self._requests.next()) is not None:
            await self._stream_reply(reply)
            self._requests.remove_first()
            self._audio_started = False
            self._rearm_idle_timeout()
        if self._requests.unanswered:
            raise _ClientRefusedError("server-stopping", STOPPING)

    async def _stream_reply(self, reply: SynthesisRequest) -> None:
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
        """Send the `audio-start` of the current reply, once."""
        if not self._audio_started:
            self._audio_started = True
            rate = self._options.speech.sample_rate
            await self._stream.write(encode(AudioStart(rate, WIDTH, CHANNELS, 0).event()))

    def _refuse(self, code: str, text: str) -> None:
        """Send the client an error. Home Assistant reads until `synthesize-stopped`.

        If Home Assistant reads an error first, it never ends the audio at its satellite. So audio
        that has begun ends before the error, unless Home Assistant would cache the incomplete
        audio.
        """
        events = [Error(text, code).event()]
        if self._audio_started and self._requests.unanswered[0].is_never_kept:
            events = [AudioStop().event(), SynthesizeStopped().event(), *events]
        elif any(reply.streamed for reply in self._requests.unanswered):
            events.append(SynthesizeStopped().event())
        for event in events:
            self._stream.write_last(encode(event))
