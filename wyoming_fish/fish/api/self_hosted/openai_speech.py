"""OpenAI's `POST /v1/audio/speech`, as SGLang-Omni, vLLM-Omni and other servers have it.

They agree on the address and the text, and little else. So a request is written in several forms,
and the first one that the server takes is used again. The answer tells what it is: WAV or PCM,
whole or as it is made, or server-sent events.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final

from ... import clock
from ...errors import (
    AudioFormatError,
    FishError,
    ProtocolError,
    RequestRefusedError,
    SettingsError,
    VoiceNotFoundError,
)
from ...settings import SpeechSettings, is_voice_id
from ...untrusted import hide
from ..http import HttpClient
from ..speech_answer import EVENTS, Decoder, check_answer
from .speech_body import OPENAI_RATE_HZ, SpeechBody

if TYPE_CHECKING:
    import aiohttp

__all__ = ["CHANGED", "OpenAiSpeech", "is_served", "voices"]

SPEECH: Final = "/v1/audio/speech"

# Without a voice, each request would speak in another, random voice. Any seed prevents that.
SEED: Final = 1

# The forms of a request, the best one first. A WAV header tells the rate. SGLang-Omni streams only
# PCM, and tells its rate in a header. Other servers know neither, and answer when all is made. The
# strictest of those refuse whatever OpenAI's API does not have.
FORMS: Final[tuple[dict[str, Any], ...]] = (
    {"response_format": "wav", "stream": True, "stream_format": "audio", "seed": SEED},
    {"response_format": "pcm", "stream": True, "stream_format": "audio", "seed": SEED},
    {"response_format": "wav", "seed": SEED},
    {"response_format": "wav"},
)
# The answers to a form that the server does not know.
_REFUSED: Final = (400, 422)

# Seconds until the forms before the one that was taken are tried again: they may have been refused
# for what was in that request.
RETRY_FORMS_S: Final = 60.0

# The answers of a server that has become another one, or has another model.
CHANGED: Final = (404, 405, 422)
# Seconds until the server is asked again for its models, if it told none or has changed.
MODELS_INTERVAL_S: Final = 5.0

# Names that are read from a server's lists.
MAX_NAMES: Final = 2000

# Of several models, the one that speaks: by its name, or by its task, which Speaches tells.
_SPEAKS: Final = re.compile(r"tts|speech|voice|\bs2|drama|kokoro|piper", re.IGNORECASE)
_LISTENS: Final = re.compile(r"whisper|stt|\basr|recognition|transcri", re.IGNORECASE)

# Types of answers that are compressed: as PCM, they would be noise.
_COMPRESSED: Final = re.compile(r"mpeg|mp3|mp4|m4a|ogg|opus|vorbis|aac|flac|webm")

# Hertz in the type of an answer, such as `audio/pcm;rate=24000`.
MAX_RATE_DIGITS: Final = 6


async def is_served(http: HttpClient, read_timeout_s: float) -> bool:
    """Whether the server has this API. Raises FishError if it cannot be reached."""
    async with http.request("GET", SPEECH, read_timeout_s=read_timeout_s) as response:
        if response.status == 405:
            # It is there, for another method.
            return True
    return bool(await _models(http, read_timeout_s))


async def voices(http: HttpClient, timeout_s: float) -> tuple[str, ...]:
    """The names of the server's voices; none if it does not list them. Raises FishError."""
    answer = await _json(http, "/v1/audio/voices", timeout_s)
    listed = answer.get("voices", answer.get("data")) if isinstance(answer, dict) else answer
    names = (
        _name(item, "id", "voice_id", "name")
        for item in (listed if isinstance(listed, list) else [])[:MAX_NAMES]
    )
    return tuple(name for name in names if name is not None)


class OpenAiSpeech:
    """The speech requests of such a server."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http
        self._forms: dict[bool, tuple[int, float]] = {}
        """The best form that was taken, by whether the request had a speed, and the loop's time
        from which on all are tried again."""
        self._models: tuple[str, ...] = ()
        """The names that it told last."""
        self._has_models = False
        """Whether they are those that it has, as far as is known."""
        self._ask_models_at = float("-inf")

    @contextlib.asynccontextmanager
    async def request(
        self, text: str, settings: SpeechSettings, read_timeout_s: float
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, Decoder]]:
        """The answer that speaks ``text``, and its decoder. Raises FishError."""
        if not self._has_models and clock.now() >= self._ask_models_at:
            self._models = await _models(self._http, read_timeout_s)
            self._has_models = bool(self._models)
            self._ask_models_at = clock.now() + MODELS_INTERVAL_S
        # Some servers do not stream at another speed.
        has_speed = settings.speed != 1.0
        known, retry_at = self._forms.get(has_speed, (0, 0.0))
        first = known if clock.now() < retry_at else 0
        for number, form in enumerate(FORMS[first:], first):
            async with self._http.request(
                "POST",
                SPEECH,
                read_timeout_s=read_timeout_s,
                body=_body(text, settings, form, self._models),
            ) as response:
                if response.status in _REFUSED and form is not FORMS[-1]:
                    continue
                try:
                    await check_answer(self._http, response, has_events=True)
                except FishError as error:
                    if error.status in CHANGED:
                        self._has_models = False
                    raise _unknown_voice(error, settings.voice) or error from error
                decoder = self._decoder(response)
                best, _ = self._forms.get(has_speed, (number, 0.0))
                # In a worse one, only this text was refused in the best form.
                if first == 0 and number <= best:
                    self._forms[has_speed] = number, clock.now() + RETRY_FORMS_S
                yield response, decoder
                return

    def _decoder(self, response: aiohttp.ClientResponse) -> Decoder:
        endpoint, kind = self._http.endpoint, response.content_type
        if _COMPRESSED.search(kind):
            said = hide(kind, endpoint.api_key)
            raise AudioFormatError(f"{endpoint.name} answers with {said}, and not with WAV or PCM.")
        told = response.headers.get("X-Sample-Rate") or re.search(
            r";\s*rate=(\d+)", response.headers.get("Content-Type", "")
        )
        digits = told[1] if isinstance(told, re.Match) else told or ""
        is_rate = digits.isdecimal() and len(digits) <= MAX_RATE_DIGITS
        rate = int(digits) if is_rate else OPENAI_RATE_HZ
        return SpeechBody(rate, has_events=kind == EVENTS, secret=endpoint.api_key)


def _body(
    text: str, settings: SpeechSettings, form: dict[str, Any], models: tuple[str, ...]
) -> dict[str, Any]:
    """The request. Raises SettingsError for several speakers."""
    if isinstance(settings.voice, tuple):
        raise SettingsError("This server supports only one voice in a reply.")
    body = {"input": text, **form}
    if models:
        body["model"] = models[0]
    if settings.voice is not None:
        body["voice"] = settings.voice
        body.pop("seed", None)
    if settings.speed != 1.0:
        body["speed"] = settings.speed
    if "seed" in form:
        sampling = {"temperature": settings.temperature, "top_p": settings.top_p}
        body |= {name: value for name, value in sampling.items() if value is not None}
    return body


def _unknown_voice(error: FishError, voice: object) -> FishError | None:
    """The error for a voice that the server does not know, if it names the voice."""
    if error.status not in (400, 404, 422) or not isinstance(voice, str):
        return None
    if voice.casefold() not in error.reason.casefold():
        return None
    unknown = VoiceNotFoundError(error.reason)
    unknown.status = error.status
    return unknown


async def _models(http: HttpClient, timeout_s: float) -> tuple[str, ...]:
    """The names of the server's models, first those that speak."""
    answer = await _json(http, "/v1/models", timeout_s)
    listed = answer.get("data") if isinstance(answer, dict) else None
    items = (listed if isinstance(listed, list) else [])[:MAX_NAMES]
    named = [(name, item) for item in items if (name := _name(item, "id")) is not None]
    return tuple(name for name, _ in sorted(named, key=lambda each: -_speaks(*each)))


def _speaks(name: str, item: object) -> int:
    """How likely a model speaks: 1, 0 or -1, by its task if the server tells it, else its name."""
    task = item.get("task") if isinstance(item, dict) else None
    said = task if isinstance(task, str) else name
    return -1 if _LISTENS.search(said) else int(_SPEAKS.search(said) is not None)


async def _json(http: HttpClient, path: str, timeout_s: float) -> object:
    """What the server says there; None if it says nothing. Raises FishError."""
    try:
        return await http.json(path, timeout_s=timeout_s)
    except (ProtocolError, RequestRefusedError):
        # It does not have it, or something else is there.
        return None


def _name(item: object, *fields: str) -> str | None:
    """A name that can be shown: the item itself, or the first of its fields that has one."""
    found: list[object] = [item]
    if isinstance(item, dict):
        found = [item.get(field) for field in fields]
    return next((name for name in found if isinstance(name, str) and is_voice_id(name)), None)
