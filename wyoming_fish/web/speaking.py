"""Texts that visitors of the page have spoken: a few at the same time, shared by network."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any, Final, NamedTuple

from aiohttp import web
from wyoming.event import Event

from ..fish import clock
from ..fish.errors import FishError
from ..fish.owner import Owner, Shares, owner_at
from ..server.events import EventError, is_ssml, json_object, text_of, voice_of
from ..server.requests.request import SynthesisRequest
from ..wav import UNKNOWN_LENGTH, Format
from .connections import Connections, cut_off
from .context import ServerContext
from .readiness import Readiness

__all__ = ["MAX_BODY_BYTES", "Speaking"]

_LOGGER = logging.getLogger(__name__)

# Characters of a text that the page may have spoken: two minutes of speech.
MAX_TEXT_CHARS: Final = 2000
# Bytes of the request that holds it.
MAX_BODY_BYTES: Final = 16 * 1024

# Texts that the page may have spoken at the same time: the account's sessions are the house's.
MAX_SPEAKING: Final = 2
_BUSY: Final = "The page is already speaking two texts, its maximum. Try again when one has ended."

# Texts that a network, or an address in it, must have more than another one to give way to it.
# With a difference of one, two clients would interrupt each other in turn.
UNFAIR_GAP: Final = 2

# Seconds until a request's body has come.
BODY_TIMEOUT_S: Final = 10.0

# Seconds that a reply may take in total: a client that reads it as it plays needs five minutes at
# the lowest speed. One that takes it in drops holds a session for no longer.
MAX_SPEAKING_S: Final = 600.0


class Speaking:
    """Answers requests to speak a text."""

    def __init__(
        self, context: ServerContext, readiness: Readiness, connections: Connections
    ) -> None:
        self._context = context
        self._readiness = readiness
        self._connections = connections
        self._speeches: dict[asyncio.Task[Any], _Speech] = {}
        """In the order in which they began."""

    @property
    def tasks(self) -> set[asyncio.Task[Any]]:
        """The tasks that speak."""
        return set(self._speeches)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Speak what a Wyoming `synthesize` holds, in JSON; the answer is a WAV that grows."""
        if "Content-Encoding" in request.headers:
            return _refusal(400, "This cannot be read: send it without a Content-Encoding.")
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                reply = _reply(await request.read())
        except TimeoutError:
            return _refusal(408, "The request did not arrive in time. Try again.")
        except web.RequestPayloadError:
            return _refusal(400, "This cannot be read: the request's body is not valid HTTP.")
        except EventError as error:
            return _refusal(400, f"This cannot be read: {error}.")
        reply.record.host = request.remote or ""
        if self._readiness.stopping:
            return _refusal(503, "The server is stopping.")
        if not self._make_room(owner_at(reply.record.host)):
            return _refusal(429, _BUSY)
        self._connections.keep(request)
        return await self._say(reply, request)

    def _make_room(self, owner: Owner) -> bool:
        """Return whether ``owner`` may have a text spoken; another's may be ended for it."""
        if len(self._speeches) < MAX_SPEAKING:
            return True
        held = Shares(speech.owner for speech in self._speeches.values())
        for task, speech in self._speeches.items():
            # The oldest one of a network, or of an address in it, that has too many.
            if held.owes(speech.owner, (owner,), UNFAIR_GAP):
                del self._speeches[task]
                speech.end_now()
                return True
        return False

    async def _say(self, reply: SynthesisRequest, request: web.Request) -> web.StreamResponse:
        options = self._context.options
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - aiohttp runs each request in one
        response = web.StreamResponse(headers={"Content-Type": "audio/wav"})
        pcm = Format(options.speech.sample_rate, 2, 1).wav_header(UNKNOWN_LENGTH)
        try:
            async with (
                asyncio.timeout(MAX_SPEAKING_S) as time_limit,
                contextlib.aclosing(self._context.synthesis.speak(reply)) as audio,
            ):
                self._speeches[task] = _Speech(owner_at(reply.record.host), time_limit)
                pcm += await anext(audio, b"")
                await response.prepare(request)
                while pcm:
                    await self._connections.write(request, response, pcm)
                    pcm = await anext(audio, b"")
        except FishError as error:
            _LOGGER.warning("A reply to the page failed: %s", error)
            if not response.prepared:
                return _refusal(502, str(error))
            # Without the last chunk: what has been cut must not look whole.
            if request.transport is not None:
                request.transport.close()
        except (ConnectionError, TimeoutError) as error:
            if task not in self._speeches and not response.prepared:
                return _refusal(429, _BUSY)
            cut_off(request, error)
        finally:
            self._speeches.pop(task, None)
        return response


class _Speech(NamedTuple):
    """A text that is being spoken."""

    owner: Owner
    time_limit: asyncio.Timeout

    def end_now(self) -> None:
        """Let its time be over."""
        if not self.time_limit.expired():
            self.time_limit.reschedule(clock.now())


def _reply(body: bytes) -> SynthesisRequest:
    """What is asked for, in the words of Wyoming's `synthesize`. Raises WireError."""
    event = Event("synthesize", json_object(body))
    reply = SynthesisRequest(voice_of(event), MAX_TEXT_CHARS, streamed=False, ssml=is_ssml(event))
    reply.add(text_of(event))
    reply.end()
    return reply


def _refusal(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
