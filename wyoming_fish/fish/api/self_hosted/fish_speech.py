"""A self-hosted server: `tools/api_server.py` of the open-source fishaudio/fish-speech.

It has `POST /v1/tts` and no websocket, no account and no backends. If it streams, it sends the
samples of its codec, s16le mono at 44100 Hz without a header, in one block for each request.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

from ...bounded_json import from_json
from ...errors import (
    FishConnectionError,
    FishError,
    ProtocolError,
    SettingsError,
    VoiceNotFoundError,
)
from ...settings import SpeechSettings, is_voice_id
from ..http import HttpClient
from ..speech_answer import Decoder, PcmDecoder, check_answer

if TYPE_CHECKING:
    import aiohttp

__all__ = ["HEALTH", "MAX_HEALTH_BYTES", "FishSpeech", "is_healthy", "references"]

_LOGGER = logging.getLogger(__name__)

HEALTH: Final = "/v1/health"
"""Where it says that it is one; Fish Audio's service has no such address."""

MAX_HEALTH_BYTES: Final = 8192

# Names of voices that are read. Each is a folder on the server.
MAX_REFERENCES: Final = 2000

# Hertz of its codec, which cannot be asked for.
CODEC_RATE_HZ: Final = 44100

# Tokens of the model for one second of speech: its codec's 44100 Hz by 2048 samples a token.
TOKENS_PER_S: Final = CODEC_RATE_HZ / 2048

# A request ends silently at this many tokens, whatever text is left. It reserves 2048 of its
# context for what it generates (its `generate_long`), so that more need not fit.
MAX_NEW_TOKENS: Final = 2048

# Without a reference, each request would speak in another, random voice. Any seed prevents that.
SEED: Final = 1

# It refuses smaller ones (its schema).
MIN_WORD_SHARE: Final = 0.1

# Voices that an error names.
MAX_NAMED_VOICES: Final = 20

_SPEAKER: Final = re.compile(r"<\|speaker:\d+\|>")


def is_healthy(body: bytes) -> bool:
    """Whether ``body`` is the server's answer to HEALTH."""
    try:
        answer = from_json(body)
    except ProtocolError:
        return False
    return isinstance(answer, dict) and answer.get("status") == "ok"


async def references(http: HttpClient, timeout_s: float) -> tuple[str, ...] | None:
    """The names of its voices; None if it is too old to list them. Raises FishError."""
    try:
        answer = await http.json("/v1/references/list", timeout_s=timeout_s)
    except FishError as error:
        if error.status == 404 and not isinstance(error, FishConnectionError):
            return None
        raise
    ids = answer.get("reference_ids") if isinstance(answer, dict) else None
    if not isinstance(ids, list):
        raise ProtocolError("The server's list of references cannot be read.")
    return tuple(
        name for name in ids[:MAX_REFERENCES] if isinstance(name, str) and is_voice_id(name)
    )


def _body(text: str, settings: SpeechSettings) -> dict[str, Any]:
    """The server's ServeTTSRequest.

    It knows no speed and no volume, and its latency is that of the machine it runs on. Raises
    SettingsError for several speakers, of which it knows nothing either.
    """
    if isinstance(settings.voice, tuple):
        raise SettingsError("A fish-speech server supports only one voice in a reply.")
    if (settings.speed, settings.volume) != (1.0, 0.0):
        _LOGGER.debug("A fish-speech server has no speed and no volume: they are ignored")
    if (tag := _SPEAKER.search(text)) and tag.start():
        # It drops the text before the first tag.
        text = f"<|speaker:0|>{text}"
    body: dict[str, Any] = {
        "text": text,
        "format": "wav",  # the only one that it streams
        "streaming": True,
        "max_new_tokens": MAX_NEW_TOKENS,
        "chunk_length": settings.chunk_length,
        "normalize": settings.normalize,
        # Otherwise the server encodes the voice's recordings again for each sentence.
        "use_memory_cache": "on",
    }
    if settings.voice is None:
        body["seed"] = SEED
    else:
        body["reference_id"] = settings.voice
    for name, value in (("temperature", settings.temperature), ("top_p", settings.top_p)):
        if value is not None:
            body[name] = max(float(value), MIN_WORD_SHARE)
    return body


class FishSpeech:
    """The speech requests of a fish-speech server."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._references: tuple[str, ...] | None = ()
        """Its voices, as far as they are known; None if it does not list them."""

    @contextlib.asynccontextmanager
    async def request(
        self, text: str, settings: SpeechSettings, read_timeout_s: float
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, Decoder]]:
        """The answer that speaks ``text``, and its decoder. Raises FishError."""
        body = _body(text, settings)
        await self._check_voice(settings.voice, read_timeout_s)
        async with self._http.request(
            "POST", "/v1/tts", read_timeout_s=read_timeout_s, body=body
        ) as response:
            await check_answer(self._http, response)
            yield response, PcmDecoder(CODEC_RATE_HZ)

    async def _check_voice(self, voice: object, timeout_s: float) -> None:
        """Refuse what is not one of its references: it would speak in a random voice."""
        if voice is None or self._references is None or voice in self._references:
            return
        # It answers nothing while it speaks.
        self._references = await references(self._http, timeout_s)
        if self._references is None or voice in self._references:
            return
        named = ", ".join(self._references[:MAX_NAMED_VOICES]) or "none"
        raise VoiceNotFoundError(f'The server has no reference "{voice}". Its references: {named}.')
