"""Speech by REST: one request for each piece of text, its answer read as it comes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Final, Protocol

from .. import clock
from ..bounded_json import LIMIT_HEADER, concurrency_limit
from ..errors import FishError, ProtocolError, RequestRefusedError
from ..settings import SpeechSettings
from .http import HttpClient
from .self_hosted.fish_speech import FishSpeech
from .self_hosted.generation_pace import GenerationPace
from .self_hosted.openai_speech import CHANGED, OpenAiSpeech
from .self_hosted.speech_server import ServerKind, SpeechServer
from .speech_answer import AnswerTiming, Decoder, PcmDecoder, audio_of, check_answer

if TYPE_CHECKING:
    import aiohttp

__all__ = ["READ_TIMEOUT_S", "TtsClient"]

# Seconds without a byte, before or during the response, after which the request fails. Fish Audio's
# slowest mode took up to 2.5 s.
READ_TIMEOUT_S: Final = 10.0
# The same for a server of one's own, which sends nothing until a whole chunk of the text is made,
# by whatever machine it runs on.
SELF_HOSTED_READ_TIMEOUT_S: Final = 120.0


class SpeechRequests(Protocol):
    """The speech requests of one kind of server."""

    def request(
        self, text: str, settings: SpeechSettings, read_timeout_s: float
    ) -> AbstractAsyncContextManager[tuple[aiohttp.ClientResponse, Decoder]]:
        """The answer that speaks ``text``, and its decoder. Raises FishError."""


class TtsClient:
    """The speech requests of one account, or one self-hosted server.

    ``on_limit`` is told how many sessions the account may have, when the server tells it.
    """

    def __init__(self, http: HttpClient, on_limit: Callable[[int], None]) -> None:
        self.pace = GenerationPace()
        """Of a self-hosted server with another API than Fish Audio's."""
        self._server = SpeechServer(http)
        self._requests: dict[ServerKind, SpeechRequests] = {
            ServerKind.FISH_AUDIO: _FishAudio(http, on_limit),
            ServerKind.FISH_SPEECH: FishSpeech(http),
            ServerKind.OPENAI_SPEECH: OpenAiSpeech(http),
        }

    async def detect(self, read_timeout_s: float = READ_TIMEOUT_S) -> ServerKind:
        """What kind of server it is, as far as it says. Raises FishError."""
        before, kind = self._server.kind, await self._server.detect(_bounded(read_timeout_s))
        if kind is not before:
            self.pace.guess(sends_whole=kind is not ServerKind.FISH_AUDIO)
        return kind

    async def speak(
        self, text: str, settings: SpeechSettings, read_timeout_s: float = READ_TIMEOUT_S
    ) -> AsyncGenerator[bytes]:
        """Speak ``text``: s16le mono PCM of ``settings.sample_rate`` in whole samples, as it comes.

        Fish Audio is given up after ``read_timeout_s`` seconds without a byte, READ_TIMEOUT_S at
        most, and if the audio comes too slowly (see Watchdog). A self-hosted server is given up
        after SELF_HOSTED_READ_TIMEOUT_S. Raises FishError; if it ends without one, all of the text
        has been spoken.
        """
        read_timeout_s = _bounded(read_timeout_s)
        kind, limit_s = await self.detect(read_timeout_s), READ_TIMEOUT_S
        if kind is not ServerKind.FISH_AUDIO:
            # It may send nothing until it has made a whole piece, on a machine that may be slow.
            read_timeout_s = limit_s = SELF_HOSTED_READ_TIMEOUT_S
        timing = AnswerTiming(clock.now())
        try:
            async with (
                self._requests[kind].request(text, settings, read_timeout_s) as (response, decoder),
                contextlib.aclosing(
                    audio_of(response, decoder, settings.sample_rate, limit_s, timing)
                ) as audio,
            ):
                async for pcm in audio:
                    yield pcm
        except FishError as error:
            if error.status in CHANGED:
                self._server.forget()
            raise
        if kind is not ServerKind.FISH_AUDIO:
            self.pace.measure(timing)


def _bounded(read_timeout_s: float) -> float:
    # aiohttp takes 0 for no limit.
    return min(READ_TIMEOUT_S, max(read_timeout_s, 0.01))


class _FishAudio:
    """`POST /v1/tts` of Fish Audio, and of servers with its API."""

    def __init__(self, http: HttpClient, on_limit: Callable[[int], None]) -> None:
        self._http = http
        self._on_limit = on_limit

    @contextlib.asynccontextmanager
    async def request(
        self, text: str, settings: SpeechSettings, read_timeout_s: float
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, Decoder]]:
        """The answer that speaks ``text``, and its decoder."""
        async with self._http.request(
            "POST",
            "/v1/tts",
            read_timeout_s=read_timeout_s,
            body=settings.request() | {"text": text},
            headers={"model": str(settings.backend)},
        ) as response:
            limit = concurrency_limit(response.headers.get(LIMIT_HEADER))
            if limit is not None:
                self._on_limit(limit)
            try:
                await check_answer(self._http, response)
            except FishError as error:
                is_answer = isinstance(error, RequestRefusedError | ProtocolError)
                if response.status not in (404, 405) or not is_answer:
                    raise
                missing = ProtocolError(
                    f"This server has neither POST /v1/tts ({response.status}), which Fish Audio "
                    "and fish-speech have, nor POST /v1/audio/speech."
                )
                missing.status = response.status
                raise missing from error
            yield response, PcmDecoder(settings.sample_rate)
