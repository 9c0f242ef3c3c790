"""One client: its events on one side, its speech on the other.

Reading goes on while speech is made, so that a client that leaves is noticed and its session
freed at once. Replies are spoken one after another, in the order of their asking.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final

from wyoming.audio import AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event
from wyoming.ping import Pong
from wyoming.tts import SynthesizeStopped

from .catalog import Catalog
from .fish.errors import FishError
from .options import Options
from .reply import Reply
from .seldom import Seldom
from .speaker import Speaker
from .wire import (
    ClientStalledError,
    Wire,
    WireError,
    encode,
    encode_audio,
    is_ssml,
    text_of,
    voice_of,
)

__all__ = ["Connection"]

_LOGGER = logging.getLogger(__name__)

# Seconds to the first event: whoever connects knows what he wants.
FIRST_EVENT: Final = 10.0

# Seconds after which a client that has connected and asked nothing is one that will speak: Home
# Assistant, which looks in every 30 s, says at once that this is all it wants.
LOOKING_IN: Final = 0.05

# Seconds between two pieces of a text: an agent may use its tools for minutes.
TEXT_PAUSE: Final = 900.0

# Replies that one client may have waiting.
WAITING_LIMIT: Final = 100

# Bytes of one sample, and channels: Fish speaks s16le mono.
WIDTH: Final = 2
CHANNELS: Final = 1


class Connection:
    """One client's connection, from its first event to its last."""

    def __init__(
        self, wire: Wire, speaker: Speaker, catalog: Catalog, options: Options, complaints: Seldom
    ) -> None:
        self._wire = wire
        self._speaker = speaker
        self._catalog = catalog
        self._options = options
        self._complaints = complaints
        self._replies: asyncio.Queue[Reply | None] = asyncio.Queue()
        self._streaming: Reply | None = None
        """The reply whose text is coming in."""
        self._speaking: Reply | None = None
        self._unspoken = 0
        """Characters of the replies that are not yet spoken."""
        self._draining = False
        self._patience = asyncio.timeout(FIRST_EVENT)
        """Runs out where the client neither asks for anything nor gets anything."""
        self._reading = True
        self.silent = True
        """Whether nothing has been asked of it yet."""
        self.sent_away: str | None = None
        """Why, where the client was: «bad-event», «idle» or «stalled»."""

    async def run(self, *, linger: bool = False) -> None:
        """Serve the client until it leaves; with ``linger``, until what it asked for is spoken.

        When cancelled, a client that still waits is told so.
        """
        warming = asyncio.get_running_loop().call_later(LOOKING_IN, self._warm_if_silent)
        reading = asyncio.create_task(self._read())
        speaking = asyncio.create_task(self._speak())
        both = (reading, speaking)
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if linger and reading.done() and reading.result():
                if self._streaming is not None:
                    self._streaming.end()
                self.drain()
                await asyncio.wait((speaking,))
        except asyncio.CancelledError:
            if self._speaking is not None or self._streaming is not None:
                self._refuse("stopping", "The server is stopping.")
            raise
        finally:
            warming.cancel()
            for task in both:
                task.cancel()
            await asyncio.wait(both)
            await self._wire.close()
            for task in both:
                if not task.cancelled():
                    task.result()

    def _warm_if_silent(self) -> None:
        if self.silent:
            self._speaker.warm()

    def drain(self) -> None:
        """Finish what has been asked for, then end the connection."""
        if not self._draining:
            self._draining = True
            self._replies.put_nowait(None)

    async def _read(self) -> bool:
        """Take in events until the client leaves (true) or sends what is none."""
        try:
            async with self._patience:
                while (event := await self._wire.read()) is not None:
                    self.silent = False
                    await self._handle(event)
                    # Not to be in memory beside the next one.
                    del event
                    self._be_patient()
            return True
        except WireError as error:
            self.sent_away = "bad-event"
            self._complaints.warning("A client was sent away: %s", error)
            self._refuse("bad-event", f"This cannot be read: {error}.")
        except TimeoutError:
            self.sent_away = "idle"
            _LOGGER.debug("A client that wanted nothing was sent away")
        except (ConnectionError, ClientStalledError) as error:
            self._lost(error)
            _LOGGER.debug("A client was lost: %s", error)
        finally:
            self._reading = False
        return False

    def _be_patient(self) -> None:
        """Wait for the next event, but not for ever."""
        if not self._reading:
            return
        idle: float | None = self._options.idle_time or None
        if self._streaming is not None:
            idle = TEXT_PAUSE
        elif self._speaking is not None or not self._replies.empty():
            idle = None
        if idle is None:
            self._patience.reschedule(None)
            return
        when, before = _now() + idle, self._patience.when()
        # Not for each word, which would cost a timer each time: to a hundredth it is the same.
        if before is None or not 0 <= when - before < idle / 100:
            self._patience.reschedule(when)

    async def _handle(self, event: Event) -> None:
        match event.type:
            case "describe":
                await self._wire.write(self._catalog.info)
            case "ping":
                text = None if event.data.get("text") is None else text_of(event)
                await self._wire.write(encode(Pong(text).event()))
            case "synthesize" if self._streaming is None:
                reply = self._begin(event, streamed=False)
                self._add(reply, event)
                reply.end()
            case "synthesize":
                # The same text once more, for servers that cannot stream.
                pass
            case "synthesize-start" if self._streaming is None:
                self._streaming = self._begin(event, streamed=True)
            case "synthesize-chunk" if self._streaming is not None:
                self._add(self._streaming, event)
            case "synthesize-stop" if self._streaming is not None:
                self._streaming.end()
                self._streaming = None
            case "synthesize-start" | "synthesize-chunk" | "synthesize-stop":
                raise WireError(f"{event.type} is out of order")
            case _:
                # `select-program` among them: there is but one program.
                _LOGGER.debug("Passed over: %s", event.type)

    def _begin(self, event: Event, *, streamed: bool) -> Reply:
        if self._draining:
            raise WireError("the server is stopping")
        if self._replies.qsize() >= WAITING_LIMIT:
            raise WireError(f"more than {WAITING_LIMIT} replies are waiting")
        reply = Reply(
            voice_of(event), self._options.max_text, streamed=streamed, ssml=is_ssml(event)
        )
        self._speaker.warm()
        self._replies.put_nowait(reply)
        return reply

    def _add(self, reply: Reply, event: Event) -> None:
        text = text_of(event)
        _LOGGER.debug("Text: %s", text)
        self._unspoken += len(text)
        if self._unspoken > self._options.max_text:
            raise WireError(f"more than {self._options.max_text} characters are not yet spoken")
        reply.add(text)

    async def _speak(self) -> None:
        """Speak what is asked for, in order, until one reply fails or no more is wanted."""
        while (reply := await self._replies.get()) is not None:
            self._speaking = reply
            try:
                await self._say(reply)
            except FishError as error:
                _LOGGER.error("A reply failed: %s", error)
                self._refuse(error.code, str(error))
                return
            except (ConnectionError, ClientStalledError) as error:
                self._lost(error)
                self._complaints.warning("A reply was not heard to its end: %s", error)
                return
            self._unspoken -= reply.record.characters
            self._speaking = None
            self._be_patient()

    async def _say(self, reply: Reply) -> None:
        rate = self._options.speech.sample_rate
        samples = 0
        async with contextlib.aclosing(self._speaker.speak(reply)) as audio:
            async for pcm in audio:
                if not samples:
                    await self._start(rate)
                await self._wire.write(encode_audio(rate, samples * 1000 // rate, pcm))
                samples += len(pcm) // WIDTH
        if not samples:
            await self._start(rate)
        await self._wire.write(encode(AudioStop(samples * 1000 // rate).event()))
        if reply.streamed:
            await self._wire.write(encode(SynthesizeStopped().event()))

    async def _start(self, rate: int) -> None:
        await self._wire.write(encode(AudioStart(rate, WIDTH, CHANNELS, 0).event()))

    def _lost(self, error: ConnectionError | ClientStalledError) -> None:
        if isinstance(error, ClientStalledError):
            self.sent_away = "stalled"

    def _refuse(self, code: str, text: str) -> None:
        """Tell the client what is wrong; the connection ends after it.

        Home Assistant reads a streamed reply until `synthesize-stopped`, and would wait for it
        for ever.
        """
        self._wire.write_last(encode(Error(text, code).event()))
        if any(reply and reply.streamed for reply in (self._speaking, self._streaming)):
            self._wire.write_last(encode(SynthesizeStopped().event()))


def _now() -> float:
    return asyncio.get_running_loop().time()
