"""A server with OpenAI's `POST /v1/audio/speech` on localhost, as people run at home.

In four styles: SGLang-Omni of today (`sglang`: PCM only if it streams, the rate in a header) and
before June 2026 (`sglang-events`: each event has a WAV file), vLLM-Omni (`vllm`: a WAV of unknown
size, or OpenAI's events), and one that knows only OpenAI's first form of it (`whole`).
"""

import asyncio
import base64
import json
from typing import Any, Final, Literal, TypeAlias

from aiohttp import web

from .api.access import cut_off, send_in_pieces, stall
from .api.formats import wav_header
from .home_server import HomeServer, speech_request
from .settings import VoiceName
from .voices import synthesise

__all__ = ["OpenAiSpeechEmulator", "SpeechStyle"]

SpeechStyle: TypeAlias = Literal["sglang", "sglang-events", "vllm", "vllm-events", "whole"]

# Seconds of speech that are sent as soon as they are made.
PART_S: Final = 0.25

# The fields of OpenAI's first version of the API.
FIRST_FIELDS: Final = {"model", "input", "voice", "response_format", "speed"}

STREAMING_SIZE: Final = 0xFFFFFFFF - 36


class _OpenAiRefusalError(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class OpenAiSpeechEmulator(HomeServer):
    """Such a server, which listens within `async with`."""

    def __init__(
        self,
        style: SpeechStyle = "sglang",
        voice: VoiceName = "code",
        *,
        rate: int = 24000,
        voices: tuple[Any, ...] | None = ("default", "anna"),
        key: str | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        super().__init__(voice, host)
        self.style = style
        self.rate = rate
        """Hertz, of the model."""
        self.voices = voices
        """None: it does not list them."""
        self.model: str | None = "fishaudio/s2-pro"
        """None: it does not list it."""
        self.other_models: list[dict[str, str]] = []
        """Models that do not speak. It lists them before its own."""
        self.key = key
        self.breaks_after: int | None = None
        """Parts of the speech after which an answer breaks off."""
        self.fails_after: int | None = None
        """Events after which one tells an error."""

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            self._check_key(request)
            match request.method, request.path:
                case "GET", "/health":
                    return web.json_response({"status": "healthy", "running": True})
                case "GET", "/v1/models" if self.model is not None:
                    model = {"id": self.model, "object": "model", "owned_by": "home"}
                    return web.json_response(
                        {"object": "list", "data": [*self.other_models, model]}
                    )
                case "GET", "/v1/audio/voices" if self.voices is not None:
                    return web.json_response({"voices": self.voices, "uploaded_voices": []})
                case "POST", "/v1/audio/speech":
                    return await self._speech(request)
                case _, ("/v1/audio/speech" | "/v1/models"):
                    return web.json_response({"detail": "Method Not Allowed"}, status=405)
                case _:
                    return web.json_response({"detail": "Not Found"}, status=404)
        except _OpenAiRefusalError as refusal:
            error = {"message": str(refusal), "type": "error", "code": refusal.status}
            return web.json_response({"error": error}, status=refusal.status)

    def _check_key(self, request: web.Request) -> None:
        is_right = request.headers.get("Authorization") == f"Bearer {self.key}"
        if self.key is not None and request.path.startswith("/v1") and not is_right:
            raise _OpenAiRefusalError(401, "Invalid API key")

    async def _speech(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self._check(body)
        self._take(request, body)
        await asyncio.sleep(self.delay)
        speech = speech_request("pcm", body["input"], self.rate)
        pcm = await synthesise(body["input"], speech, self.settings)
        if self.style == "whole" or not body.get("stream"):
            content = await self._work(pcm, self.rate)
            if body["response_format"] == "wav":
                content = wav_header(self.rate, len(content)) + content
            return web.Response(body=content, content_type=f"audio/{body['response_format']}")
        return await self._stream(request, pcm)

    def _check(self, body: dict[str, Any]) -> None:
        """Refuse what such a server does."""
        if not isinstance(body.get("input"), str) or not body["input"].strip():
            raise _OpenAiRefusalError(400, "Input text cannot be empty")
        if body.get("model", self.model) != self.model:
            raise _OpenAiRefusalError(404, f"The model `{body['model']}` does not exist.")
        known = self.voices or ()
        if "voice" in body and known and body["voice"] not in map(_name_of, known):
            raise _OpenAiRefusalError(400, f"Invalid voice '{body['voice']}'")
        if self.style == "whole" and not body.keys() <= FIRST_FIELDS:
            raise _OpenAiRefusalError(422, "Extra inputs are not permitted")
        if self.style == "sglang" and body.get("stream") and body["response_format"] != "pcm":
            raise _OpenAiRefusalError(400, "stream=true requires response_format='pcm'")
        if self.style.startswith("vllm") and body.get("stream") and body.get("speed", 1.0) != 1.0:
            raise _OpenAiRefusalError(400, "Streaming requires speed=1.0")

    async def _stream(self, request: web.Request, pcm: bytes) -> web.StreamResponse:
        """Send the speech as it is made."""
        types = {"sglang": "audio/pcm", "vllm": "audio/wav"}
        response = web.StreamResponse(
            headers={"Content-Type": types.get(self.style, "text/event-stream")}
        )
        if self.style == "sglang":
            response.headers["X-Sample-Rate"] = str(self.rate)
        send_in_pieces(request, response)
        await response.prepare(request)
        size = 2 * round(PART_S * self.rate)
        for number, at in enumerate(range(0, len(pcm), size)):
            part = await self._work(pcm[at : at + size], self.rate)
            if number == self.breaks_after:
                cut_off(request)
                await stall()
            if number == self.fails_after:
                await response.write(_event({"error": {"message": "The model failed"}}))
                return response
            await response.write(self._part(number, part))
        if self.style == "sglang-events":
            await response.write(_event({"audio": None, "finish_reason": "stop"}))
            await response.write(b"data: [DONE]\n\n")
        elif self.style == "vllm-events":
            await response.write(_event({"type": "speech.audio.done", "usage": {}}))
        return response

    def _part(self, number: int, pcm: bytes) -> bytes:
        """One part of the speech, as it stands in the answer."""
        unknown = wav_header(self.rate, STREAMING_SIZE) if number == 0 else b""
        match self.style:
            case "vllm":
                return unknown + pcm
            case "vllm-events":
                audio = base64.b64encode(unknown + pcm).decode()
                return _event({"type": "speech.audio.delta", "audio": audio})
            case "sglang-events":
                data = base64.b64encode(wav_header(self.rate, len(pcm)) + pcm).decode()
                audio_of = {"data": data, "format": "wav", "sample_rate": self.rate}
                return _event({"object": "audio.speech.chunk", "audio": audio_of})
            case _:
                return pcm


def _event(message: dict[str, Any]) -> bytes:
    name = f"event: {message['type']}\n" if "type" in message else ""
    return f"{name}data: {json.dumps(message)}\n\n".encode()


def _name_of(voice: object) -> object:
    return voice["id"] if isinstance(voice, dict) else voice
