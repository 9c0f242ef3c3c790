"""What the emulated servers that people run at home have in common."""

import asyncio
from abc import ABC, abstractmethod
from typing import Any, Self

from aiohttp import web

from .api.access import may_leave
from .api.request import SpeechRequest
from .server import SHUTDOWN_TIMEOUT
from .settings import EmulatorSettings, VoiceName
from .voices import check_voice

__all__ = ["HomeServer", "speech_request"]


class HomeServer(ABC):
    """A server that listens within `async with`. It has no websocket."""

    def __init__(self, voice: VoiceName, host: str) -> None:
        self.settings = EmulatorSettings(voice=voice)
        self.host = host
        self.port = 0
        """The port; 0 before it listens selects a free one."""
        self.pace = 0.0
        """Seconds that the model works on a second of speech."""
        self.delay = 0.0
        """Seconds before it begins."""
        self.asked: list[str] = []
        """The paths of all requests but websockets."""
        self.upgrades = 0
        """Websockets that were asked for, and refused."""
        self.requests: list[dict[str, Any]] = []
        """The bodies of the speech that was asked for."""
        self.headers: list[dict[str, str]] = []
        """The headers that came with them, names in lower case."""
        self._runner: web.AppRunner | None = None
        self._model = asyncio.Lock()

    @property
    def url(self) -> str:
        """Its address, without a slash at its end."""
        return f"http://{self.host}:{self.port}"

    async def __aenter__(self) -> Self:
        check_voice(self.settings)
        app = web.Application(middlewares=[may_leave])
        app.router.add_route("*", "/{path:.*}", self._receive)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_TIMEOUT
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        if "upgrade" in request.headers.get("Connection", "").lower():
            # The application closes the socket before it is open, which uvicorn answers so.
            self.upgrades += 1
            return web.Response(status=403)
        self.asked.append(request.path)
        return await self._answer(request)

    @abstractmethod
    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request that is not for a websocket."""

    def _take(self, request: web.Request, body: dict[str, Any]) -> None:
        """Remember a request for speech."""
        self.requests.append(body)
        self.headers.append({name.lower(): value for name, value in request.headers.items()})

    async def _work(self, pcm: bytes, rate: int) -> bytes:
        """Take the time that the model takes for the speech, one request after the other."""
        async with self._model:
            await asyncio.sleep(self.pace * len(pcm) / 2 / rate)
        return pcm


def speech_request(audio_format: str, text: str, rate: int) -> SpeechRequest:
    """A request in the form that the voices understand."""
    return SpeechRequest(
        text=text,
        backend="s2-pro",
        format=audio_format,
        latency="normal",
        sample_rate=rate,
        mp3_bitrate=128,
        speed=1.0,
        volume=0.0,
        chunk_length=200,
        min_chunk_length=0,
        voice=None,
    )
