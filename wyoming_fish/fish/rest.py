"""Speech by `POST /v1/tts`: one request for each piece of text, its answer streamed."""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from typing import TYPE_CHECKING, Any, Final

from . import fish_speech
from .errors import (
    FishConnectionError,
    ProtocolError,
    RequestRefusedError,
    from_status,
)
from .pcm import Pcm
from .proxies import proxy_for
from .settings import Endpoint, SpeechSettings
from .slots import Slots

if TYPE_CHECKING:
    import aiohttp

__all__ = ["Rest"]

# Seconds for name, TCP and TLS together.
CONNECT_TIMEOUT: Final = 10.0

# Seconds without a byte, before the answer or amid it, after which it is given up: Fish's slowest
# mode was seen to take 2.5 s.
PATIENCE: Final = 10.0
# The same for a server of one's own, which sends nothing until a whole chunk of the text is made,
# by whatever machine it runs on.
OWN_PATIENCE: Final = 120.0

# Seconds for which a connection without use is kept, for the next sentence: servers close one after
# a minute or so.
KEEP_TIME: Final = 30.0

# Bytes of a refusal that are read.
REFUSAL_LIMIT: Final = 8192


class Rest:
    """The requests of one account.

    Uses the aiohttp session handed in and leaves it open, or makes its own, which ``close()``
    closes. ``slots`` is told what the account may have. A connection of its own is kept for the
    next sentence, for ``quiet_time`` at the most.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        slots: Slots,
        ssl_context: ssl.SSLContext | None = None,
        session: aiohttp.ClientSession | None = None,
        quiet_time: float = KEEP_TIME,
    ) -> None:
        self._endpoint = endpoint
        self._slots = slots
        self._keep_time = min(quiet_time, KEEP_TIME)
        self._ssl: ssl.SSLContext | bool = ssl_context or True
        self._session = session
        self._own: aiohttp.ClientSession | None = None
        self._closed = False
        self._is_fish_speech: bool | None = False if endpoint.is_fish else None
        """None until it has been asked."""

    async def close(self) -> None:
        """Close the session if it is its own."""
        self._closed = True
        if self._own is not None:
            await self._own.close()
            self._own = None

    async def speak(
        self, text: str, settings: SpeechSettings, patience: float = PATIENCE
    ) -> AsyncGenerator[bytes]:
        """Speak ``text``: s16le mono PCM of ``settings.sample_rate`` in whole samples, as it comes.

        Fish is given up after ``patience`` seconds without a byte, PATIENCE at the most. Raises
        FishError; where it ends without one, all of the text has been spoken.
        """
        if self._is_fish_speech is None:
            self._is_fish_speech = await self._ask()
        resampler = None
        if self._is_fish_speech:
            # It sends nothing until it has made a whole piece, on a machine that may be slow.
            body, patience = fish_speech.request(text, settings), OWN_PATIENCE
            if settings.sample_rate != fish_speech.CODEC_RATE:
                resampler = fish_speech.Resampler(settings.sample_rate)
        else:
            body = settings.request() | {"text": text}
            # aiohttp takes 0 for no limit.
            patience = min(PATIENCE, max(patience, 0.01))
        headers = {"Content-Type": "application/json", "model": str(settings.backend)}
        pcm = Pcm()
        async with self._answer("POST", "/v1/tts", patience, _json(body), headers) as response:
            await self._check(response)
            async for data in response.content.iter_any():
                samples = pcm.feed(data)
                if samples := resampler.feed(samples) if resampler else samples:
                    yield samples
            samples = pcm.end()
            if samples := resampler.feed(samples) if resampler else samples:
                yield samples

    async def _ask(self) -> bool:
        """Whether the server is a fish-speech."""
        async with self._answer("GET", fish_speech.HEALTH, PATIENCE) as response:
            body = await response.content.read(REFUSAL_LIMIT)
            if response.status >= 500:
                raise from_status(response.status, body)
            return response.status == 200 and fish_speech.is_healthy(body)

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        """Learn the account's limit, and raise what the server refuses."""
        limit = response.headers.get("ratelimit-limit-concurrency", "")
        if limit.isdecimal():
            self._slots.learn(int(limit))
        if response.status == 200:
            return
        error = from_status(response.status, await response.content.read(REFUSAL_LIMIT))
        if response.status in (404, 405) and isinstance(error, RequestRefusedError):
            error = ProtocolError(f"The server has no POST /v1/tts ({response.status}).")
            error.status = response.status
        raise error

    @contextlib.asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        patience: float,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The server's answer, its body not yet read. Raises FishConnectionError, also amid it."""
        # It takes a third of a second, and few go this way.
        import aiohttp  # noqa: PLC0415

        if self._closed:
            raise FishConnectionError("The way to Fish Audio is closed.")
        session = self._session or self._own
        if session is None:
            connector = aiohttp.TCPConnector(keepalive_timeout=self._keep_time)
            session = self._own = aiohttp.ClientSession(connector=connector)
        try:
            async with session.request(
                method,
                self._endpoint.url(path),
                data=body,
                headers={**self._endpoint.headers, "User-Agent": "wyoming-fish", **(headers or {})},
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=CONNECT_TIMEOUT, sock_read=patience
                ),
                # The key is for this address alone.
                allow_redirects=False,
                proxy=proxy_for(self._endpoint.base_url),
                ssl=self._ssl,
            ) as response:
                yield response
        except TimeoutError as error:
            raise FishConnectionError("Fish Audio did not answer in time.") from error
        except aiohttp.ClientPayloadError as error:
            raise FishConnectionError("Fish Audio broke off its answer.") from error
        except aiohttp.ClientError as error:
            raise FishConnectionError(f"Fish Audio cannot be reached: {error}.") from error


def _json(body: dict[str, Any]) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # Without the error's own words, which quote the text.
        raise ValueError("The text has a character that is half of one.") from None
