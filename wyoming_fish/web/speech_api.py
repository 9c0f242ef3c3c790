"""Speech API of the status page: a few texts at the same time, shared by network."""

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
from ..server.context import ServerContext
from ..server.events import EventError, is_ssml, json_object, text_of, voice_of
from ..server.requests.request import SynthesisRequest
from ..wav import UNKNOWN_LENGTH, Format
from .connections import Connections, cut_off
from .readiness import Readiness

__all__ = ["MAX_BODY_BYTES", "SpeechApi"]

_LOGGER = logging.getLogger(__name__)

# Two minutes of speech.
MAX_TEXT_CHARS: Final = 2000
# A request with a text of MAX_TEXT_CHARS in JSON.
MAX_BODY_BYTES: Final = 16 * 1024

# The account's sessions are for the Wyoming clients, too.
MAX_SPEECHES: Final = 2
_BUSY: Final = "The page is already speaking two texts, its maximum. Try again when one has ended."

# Number of texts that a network, or an address in it, must have more than another one, before one
# of its texts ends for the other.
# With a difference of one, two clients would interrupt each other in turn.
UNFAIR_GAP: Final = 2

# Seconds until the body of a request must have arrived.
BODY_TIMEOUT_S: Final = 10.0

# Seconds for a whole reply: a client that reads it as it plays needs five minutes at the lowest
# speed. A slower client would hold a session of the account.
SPEECH_TIMEOUT_S: Final = 600.0


class SpeechApi:
    """Answers `POST /api/speak`."""

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
        """The tasks of the texts that are being spoken."""
        return set(self._speeches)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Speak a text: the data of a Wyoming `synthesize` event. The answer is a WAV."""
        if "Content-Encoding" in request.headers:
            return _refusal(400, "The request has a Content-Encoding. Send it without one.")
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                reply = _reply(await request.read())
        except TimeoutError:
            return _refusal(408, "The request did not arrive in time. Try again.")
        except web.RequestPayloadError:
            return _refusal(400, "The request is not valid: the body is not valid HTTP.")
        except EventError as error:
            return _refusal(400, f"The request is not valid: {error}.")
        reply.record.host = request.remote or ""
        if self._readiness.stopping:
            return _refusal(503, "The server is stopping.")
        if not self._admit(owner_at(reply.record.host)):
            return _refusal(429, _BUSY)
        self._connections.keep(request)
        return await self._stream(reply, request)

    def _admit(self, owner: Owner) -> bool:
        """Return whether ``owner`` may have a text spoken. Can end a text of another owner."""
        if len(self._speeches) < MAX_SPEECHES:
            return True
        held = Shares(speech.owner for speech in self._speeches.values())
        for task, speech in self._speeches.items():
            # The oldest one of a network, or of an address in it, that has too many.
            if held.owes(speech.owner, (owner,), UNFAIR_GAP):
                del self._speeches[task]
                speech.end_now()
                return True
        return False

    async def _stream(self, reply: SynthesisRequest, request: web.Request) -> web.StreamResponse:
        options = self._context.options
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - aiohttp runs each request in one
        response = web.StreamResponse(headers={"Content-Type": "audio/wav"})
        pcm = Format(options.speech.sample_rate, 2, 1).wav_header(UNKNOWN_LENGTH)
        try:
            async with (
                asyncio.timeout(SPEECH_TIMEOUT_S) as time_limit,
                contextlib.aclosing(self._context.synthesis.speak(reply)) as audio,
            ):
                self._speeches[task] = _Speech(owner_at(reply.record.host), time_limit)
                pcm += await anext(audio, b"")
                await response.prepare(request)
                while pcm:
                    await self._connections.write(request, response, pcm)
                    pcm = await anext(audio, b"")
        except FishError as error:
            _LOGGER.warning("Cannot speak a text of the page: %s", error)
            if not response.prepared:
                return _refusal(502, str(error))
            # Without the last HTTP chunk, the client knows that the audio is incomplete.
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
        """End it by its timeout."""
        if not self.time_limit.expired():
            self.time_limit.reschedule(clock.now())


def _reply(body: bytes) -> SynthesisRequest:
    """Return the request in a JSON body. Raises EventError."""
    event = Event("synthesize", json_object(body))
    reply = SynthesisRequest(voice_of(event), streamed=False, ssml=is_ssml(event))
    reply.add(text_of(event, MAX_TEXT_CHARS))
    reply.end()
    return reply


def _refusal(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
