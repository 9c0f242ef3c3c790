"""A server of one's own: `tools/api_server.py` of the open-source fishaudio/fish-speech.

It has `POST /v1/tts` and no websocket, no account and no backends. Where it streams, it sends the
samples of its codec, s16le mono at 44100 Hz without a header, a block for each chunk of the text.
"""

from __future__ import annotations

import json
import logging
from typing import Any, Final

from .errors import SettingsError
from .settings import SpeechSettings

__all__ = ["CODEC_RATE", "HEALTH", "Resampler", "is_healthy", "request"]

_LOGGER = logging.getLogger(__name__)

HEALTH: Final = "/v1/health"
"""Where it says that it is one; Fish Audio's service has no such address."""

# Hertz of its codec, which cannot be asked for.
CODEC_RATE: Final = 44100

# It refuses smaller ones (its schema).
LEAST_SHARE: Final = 0.1


def is_healthy(body: bytes) -> bool:
    """Whether ``body`` is the server's answer to HEALTH."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(answer, dict) and answer.get("status") == "ok"


def request(text: str, settings: SpeechSettings) -> dict[str, Any]:
    """The server's ServeTTSRequest.

    It knows no speed and no volume, and its latency is that of the machine it runs on. Raises
    SettingsError for several speakers, of which it knows nothing either.
    """
    if isinstance(settings.voice, tuple):
        raise SettingsError("A fish-speech server takes one voice, and not several speakers.")
    if (settings.speed, settings.volume) != (1.0, 0.0):
        _LOGGER.debug("A fish-speech server has no speed and no volume: they are left out")
    body: dict[str, Any] = {
        "text": text,
        "format": "wav",  # the only one that it streams
        "streaming": True,
        "chunk_length": settings.chunk_length,
        "normalize": settings.normalize,
        # Else it encodes the voice's recordings anew for each sentence.
        "use_memory_cache": "on",
    }
    if settings.voice is not None:
        body["reference_id"] = settings.voice
    for name, value in (("temperature", settings.temperature), ("top_p", settings.top_p)):
        if value is not None:
            body[name] = max(float(value), LEAST_SHARE)
    return body


class Resampler:
    """s16le mono PCM of the codec's rate → the same at ``rate``, block by block."""

    def __init__(self, rate: int) -> None:
        # Only few need it, and importing it warns on Python 3.11 and 3.12. From 3.13 on it is the
        # package audioop-lts.
        import audioop  # noqa: PLC0415

        self._convert = audioop.ratecv
        self._rate = rate
        self._state: Any = None

    def feed(self, pcm: bytes) -> bytes:
        """The samples that the whole samples of ``pcm`` become."""
        converted, self._state = self._convert(pcm, 2, 1, CODEC_RATE, self._rate, self._state)
        return converted
