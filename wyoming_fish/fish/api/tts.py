"""Speech by `POST /v1/tts`: one request for each piece of text, its answer streamed."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, Final

from .. import clock
from ..bounded_json import LIMIT_HEADER, concurrency_limit
from ..errors import ProtocolError, RequestRefusedError, SettingsError, VoiceNotFoundError
from ..settings import SpeechSettings
from ..untrusted import hide
from . import self_hosted
from .http import HttpClient, read_body
from .pcm import PcmAligner
from .watchdog import Watchdog

if TYPE_CHECKING:
    import aiohttp

__all__ = ["TtsClient"]

# Seconds without a byte, before or during the response, after which the request fails. Fish Audio's
# slowest mode took up to 2.5 s.
READ_TIMEOUT_S: Final = 10.0
# The same for a server of one's own, which sends nothing until a whole chunk of the text is made,
# by whatever machine it runs on.
SELF_HOSTED_READ_TIMEOUT_S: Final = 120.0

# Seconds for the rest of an answer about the server's health, which is a line.
HEALTH_TIMEOUT_S: Final = 2.0

# Seconds until a server that did not say that it is a fish-speech is asked again: it may have been
# starting, or a proxy in front of it may have answered.
DETECT_INTERVAL_S: Final = 5.0

# Voices that an error names.
MAX_NAMED_VOICES: Final = 20


class TtsClient:
    """The speech requests of one account.

    ``on_limit`` is told how many sessions the account may have, when the server tells it.
    """

    def __init__(self, http: HttpClient, on_limit: Callable[[int], None]) -> None:
        self._http = http
        self._on_limit = on_limit
        self._is_fish_speech = False
        """Only a yes is remembered."""
        self._ask_at = float("inf") if http.endpoint.is_cloud else float("-inf")
        self._references: tuple[str, ...] | None = ()
        """The voices of a fish-speech, as far as they are known; None if it does not list them."""

    async def speak(
        self, text: str, settings: SpeechSettings, read_timeout_s: float = READ_TIMEOUT_S
    ) -> AsyncGenerator[bytes]:
        """Speak ``text``: s16le mono PCM of ``settings.sample_rate`` in whole samples, as it comes.

        Fish is given up after ``read_timeout_s`` seconds without a byte, READ_TIMEOUT_S at most,
        and if the audio comes too slowly (see Watchdog). Raises FishError; where it
        ends without one, all of the text has been spoken.
        """
        # aiohttp takes 0 for no limit.
        read_timeout_s = min(READ_TIMEOUT_S, max(read_timeout_s, 0.01))
        await self._detect(read_timeout_s)
        resample: Callable[[bytes], bytes] = bytes
        if self._is_fish_speech:
            # It sends nothing until it has made a whole piece, on a machine that may be slow.
            body, read_timeout_s = self_hosted.request(text, settings), SELF_HOSTED_READ_TIMEOUT_S
            await self._check_voice(settings.voice)
            if settings.sample_rate != self_hosted.CODEC_RATE_HZ:
                resample = self_hosted.resampler(settings.sample_rate)
        else:
            body = settings.request() | {"text": text}
        headers = {"Content-Type": "application/json", "model": str(settings.backend)}
        pcm = PcmAligner()
        watchdog = Watchdog(SELF_HOSTED_READ_TIMEOUT_S if self._is_fish_speech else READ_TIMEOUT_S)
        async with self._http.request(
            "POST", "/v1/tts", read_timeout_s=read_timeout_s, body=_json(body), headers=headers
        ) as response:
            await self._check(response)
            has_more = True
            while has_more:
                async with watchdog.waiting():
                    has_more = bool(data := await response.content.readany())
                if samples := resample(pcm.feed(data) if has_more else pcm.end()):
                    watchdog.hear(len(samples) / 2 / settings.sample_rate)
                    yield samples

    async def _detect(self, read_timeout_s: float) -> None:
        """Ask whether the server is a fish-speech, unless that is known or was asked just now."""
        if self._is_fish_speech or clock.now() < self._ask_at:
            return
        health = self._http.request("GET", self_hosted.HEALTH, read_timeout_s=read_timeout_s)
        async with health as response:
            if response.status >= 500:
                raise await self._http.refusal(response)
            body = await read_body(response, self_hosted.MAX_HEALTH_BYTES, HEALTH_TIMEOUT_S)
            self._is_fish_speech = response.status == 200 and self_hosted.is_healthy(body)
        self._ask_at = clock.now() + DETECT_INTERVAL_S

    async def _check_voice(self, voice: object) -> None:
        """Refuse what is not a reference of the fish-speech: it would speak in a random voice."""
        if voice is None or self._references is None or voice in self._references:
            return
        # It answers nothing while it speaks.
        self._references = await self_hosted.references(self._http, SELF_HOSTED_READ_TIMEOUT_S)
        if self._references is None or voice in self._references:
            return
        named = ", ".join(self._references[:MAX_NAMED_VOICES]) or "none"
        raise VoiceNotFoundError(f"The server has no reference {voice!r}. Its references: {named}.")

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        """Learn the account's limit, and raise what the server refuses."""
        limit = concurrency_limit(response.headers.get(LIMIT_HEADER))
        if limit is not None:
            self._on_limit(limit)
        if response.status == 200:
            if response.content_type.startswith("text/") or response.content_type.endswith("json"):
                # A login page, or another server: its bytes are not speech.
                endpoint = self._http.endpoint
                content_type = hide(response.content_type, endpoint.api_key)
                raise ProtocolError(f"{endpoint.name} answers with {content_type}, not audio.")
            return
        error = await self._http.refusal(response)
        if response.status in (404, 405) and isinstance(error, RequestRefusedError | ProtocolError):
            error = ProtocolError(
                f"This server has no POST /v1/tts ({response.status}), which Fish Audio and "
                "fish-speech have."
            )
            error.status = response.status
        raise error


def _json(body: dict[str, Any]) -> bytes:
    try:
        return json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        # Without the error's own words, which quote the text.
        raise SettingsError("The text has half of a character (an unpaired surrogate).") from None
