"""A fish-speech server on localhost: what a person runs at home instead of using Fish's service.

True to `tools/api_server.py` of the open-source fishaudio/fish-speech (at commit 3dd1f85) on the
framework and server that it uses: `POST /v1/tts`, health and references, and nothing else. It
streams raw samples, and an upgrade to a websocket is answered 403. A text is spoken in one go, and
ends silently where the model has made as many tokens as it was allowed to.
"""

import asyncio
import json
import re
import unicodedata
from http import HTTPStatus
from typing import Any

import ormsgpack
from aiohttp import web

from .api.access import cut_off, send_in_pieces, stall
from .api.errors import ApiError
from .api.formats import encoder_for, wav_header
from .home_server import HomeServer, speech_request
from .settings import VoiceName
from .voices import synthesise

RATE = 44100
"""Hz: its codec's."""

TOKENS_PER_S = RATE / 2048
"""The model's tokens for one second of speech."""
# Seconds of speech for a character: of Chinese, Japanese or Korean, and of any other script.
_WIDE_S, _NARROW_S = 0.2, 0.07
_SPEAKER = re.compile(r"(<\|speaker:\d+\|>)")
MAX_SPEAKERS = 5
"""Turns that are spoken in one go."""

_RANGES = {
    "top_p": (0.1, 1.0),
    "temperature": (0.1, 1.0),
    "repetition_penalty": (0.9, 2.0),
}
_CHOICES = {
    "format": ("wav", "pcm", "mp3", "opus"),
    "latency": ("normal", "balanced"),
    "use_memory_cache": ("on", "off"),
}
_INTEGERS = ("chunk_length", "max_new_tokens", "seed")
_CONTENT_TYPES = {"wav": "audio/wav", "mp3": "audio/mpeg"}


class _RefusalError(Exception):
    """An answer other than 200, with the body that the server gives it."""

    def __init__(self, status: int, message: str | None = None, body: Any = None) -> None:
        super().__init__(status)
        self.status = status
        phrase = HTTPStatus(status).phrase
        self.body = body or {"statusCode": status, "message": message, "error": phrase}


class FishSpeechEmulator(HomeServer):
    """A fish-speech server that listens within `async with`."""

    def __init__(
        self,
        voice: VoiceName = "code",
        *,
        references: tuple[str, ...] = ("captain kelp", "coral_2"),
        key: str | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        super().__init__(voice, host)
        self.references = references
        """Names of the folders below `references`."""
        self.key = key
        """What `--api-key` was given. None: everybody may ask."""
        self.health = 200
        """The status of `/v1/health`."""
        self.lists_references = True
        """Whether it is new enough to list them."""
        self.breaks_after: int | None = None
        """Blocks after which an answer breaks off, as it does where the model fails."""
        self.broken = 0
        """Answers that broke off."""
        self._working: set[asyncio.Task[bytes]] = set()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        async with self._model:
            # It answers nothing while the model works.
            pass
        try:
            match request.method, request.path:
                case (("GET" | "POST"), "/v1/health"):
                    self._check_key(request)
                    if self.health != 200:
                        raise _RefusalError(self.health)
                    return web.json_response({"status": "ok"})
                case "GET", "/v1/references/list":
                    self._check_key(request)
                    if not self.lists_references:
                        raise _RefusalError(404)
                    return _formatted(
                        request,
                        {
                            "success": True,
                            "reference_ids": list(self.references),
                            "message": f"Found {len(self.references)} reference voices",
                        },
                    )
                case "POST", "/v1/tts":
                    self._check_key(request)
                    return await self._speech(request)
                case _, ("/v1/health" | "/v1/references/list" | "/v1/tts"):
                    return web.Response(status=405)
                case _:
                    raise _RefusalError(404)
        except _RefusalError as refusal:
            return web.json_response(refusal.body, status=refusal.status)

    def _check_key(self, request: web.Request) -> None:
        if self.key is None:
            return
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            raise _RefusalError(401)
        if token != self.key:
            raise _RefusalError(401, "Invalid token")

    async def _speech(self, request: web.Request) -> web.StreamResponse:
        body = await _body(request)
        _check(body)
        self._take(request, body)
        audio_format = body.get("format", "wav")
        streaming = body.get("streaming", False)
        if streaming and audio_format != "wav":
            raise _RefusalError(400, "Streaming only supports WAV format")
        if not streaming and audio_format not in _CONTENT_TYPES:
            # The others are not names of its library for sound files.
            raise _RefusalError(500, "Failed to generate speech")
        response = web.StreamResponse(
            headers={
                "Content-Type": _CONTENT_TYPES[audio_format],
                "Content-Disposition": f"attachment; filename=audio.{audio_format}",
            }
        )
        tokens = body.get("max_new_tokens", 1024)
        texts = [_within(text, tokens) for text in _batches(body)]
        send_in_pieces(request, response)
        if not streaming:
            pcm = b"".join([await self._block(text) for text in texts])
            await response.prepare(request)
            await response.write(_file(pcm, audio_format))
            return response
        await response.prepare(request)
        await asyncio.sleep(self.delay)
        for number, text in enumerate(texts):
            if number == self.breaks_after:
                await self._break_off(request)
            await response.write(await self._block(text))
        if self.breaks_after == len(texts):
            await self._break_off(request)
        return response

    async def _work(self, pcm: bytes, rate: int) -> bytes:
        """Take the time of the model, which finishes a text that nobody waits for any more."""
        working = asyncio.create_task(super()._work(pcm, rate))
        self._working.add(working)
        working.add_done_callback(self._working.discard)
        return await asyncio.shield(working)

    async def _break_off(self, request: web.Request) -> None:
        self.broken += 1
        cut_off(request)
        await stall()

    async def _block(self, text: str) -> bytes:
        """A chunk of the text as the codec gives it; every reference sounds the same."""
        speech = speech_request("pcm", text, RATE)
        # It makes something of an empty text, too.
        pcm = await synthesise(text, speech, self.settings) if text else bytes(RATE // 5)
        return await self._work(pcm, RATE)


def _file(pcm: bytes, audio_format: str) -> bytes:
    if audio_format == "wav":
        return wav_header(RATE, len(pcm)) + pcm
    try:
        encoder = encoder_for(speech_request(audio_format, "", RATE))
    except ApiError as error:
        raise _RefusalError(500, error.message) from None
    return encoder.encode(pcm) + encoder.finish()


def _batches(body: dict[str, Any]) -> list[str]:
    """What is spoken in one go: all of a text without speakers.

    What stands before the first speaker is dropped (its `split_text_by_speaker` and
    `group_turns_into_batches`).
    """
    parts = _SPEAKER.split(body["text"])
    if len(parts) == 1:
        return parts
    batches: list[list[str]] = []
    for tag, said in zip(parts[1::2], parts[2::2], strict=True):
        turn = f"{tag}{said}".strip()
        last = batches[-1] if batches else []
        size = sum(len(other.encode()) for other in (*last, turn))
        if not last or len(last) == MAX_SPEAKERS or size > body.get("chunk_length", 200):
            batches.append([turn])
        else:
            last.append(turn)
    return ["\n".join(batch) for batch in batches]


def _within(text: str, tokens: int) -> str:
    """As much of the text as so many tokens are enough for; 0: all."""
    left = tokens / TOKENS_PER_S if tokens else float("inf")
    for place, character in enumerate(text):
        left -= _WIDE_S if unicodedata.east_asian_width(character) in "WF" else _NARROW_S
        if left < 0:
            return text[:place]
    return text


async def _body(request: web.Request) -> dict[str, Any]:
    raw = await request.read()
    try:
        if request.content_type == "application/json":
            body = json.loads(raw)
        elif request.content_type == "application/msgpack":
            body = ormsgpack.unpackb(raw)
        else:
            raise _RefusalError(415)
    except ValueError as error:
        raise _RefusalError(400, str(error)) from None
    if not isinstance(body, dict):
        raise _RefusalError(422, body=[_wrong([], "Input should be a valid dictionary")])
    return body


def _check(body: dict[str, Any]) -> None:
    """Refuse what its schema does; what that does not know is passed over."""
    wrong = []
    if not isinstance(body.get("text"), str):
        wrong.append(_wrong(["text"], "Field required"))
    for name, choices in _CHOICES.items():
        if name in body and body[name] not in choices:
            said = " or ".join(f"'{choice}'" for choice in choices)
            wrong.append(_wrong([name], f"Input should be {said}"))
    for name, (least, most) in _RANGES.items():
        value = body.get(name, least)
        if not isinstance(value, int | float) or not least <= value <= most:
            wrong.append(_wrong([name], f"Input should be from {least} to {most}"))
    for name in _INTEGERS:
        value = body.get(name, 0)
        if not isinstance(value, int) and not (name == "seed" and value is None):
            wrong.append(_wrong([name], "Input should be a valid integer"))
    reference = body.get("reference_id")
    if reference is not None and not isinstance(reference, str):
        wrong.append(_wrong(["reference_id"], "Input should be a valid string"))
    if wrong:
        raise _RefusalError(422, body=wrong)


def _wrong(place: list[str], message: str) -> dict[str, Any]:
    return {"type": "value_error", "loc": place, "msg": message, "input": None, "in": "body"}


def _formatted(request: web.Request, fields: dict[str, Any]) -> web.Response:
    """JSON to those who ask for it, MessagePack to all others."""
    accepted = request.headers.get("Accept", "").lower()
    if "application/json" in accepted and "application/msgpack" not in accepted:
        return web.json_response(fields)
    return web.Response(body=ormsgpack.packb(fields), content_type="application/msgpack")
