"""Status server: its endpoints, and the time limits of its answers."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterable
from functools import partial
from importlib.resources import files
from typing import Any, Final, Self

from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import CONTENT_TYPE_LATEST

from .. import __version__
from ..fish import Voice
from ..fish.cpu_turns import cpu_owner, cpu_turn
from ..fish.owner import owner_at
from ..server.context import ServerContext
from ..server.listener import listening_at
from ..server.requests.log import ReplyRecord
from ..uri import WILDCARDS, ListenAddress
from .connections import ACCEPT_BATCH, Connections, cut_off
from .metrics import Metrics
from .readiness import Readiness
from .request_checks import check_request, content_policy
from .speech_api import MAX_BODY_BYTES, SpeechApi

__all__ = ["StatusServer"]

_LOGGER = logging.getLogger(__name__)

# Bytes of the list of voices that are written at a time. A client that does not read keeps a few of
# these in memory.
CHUNK_BYTES: Final = 32 * 1024

# Seconds that a client may take to read the list of voices. Until then an old list can be in memory
# beside the current one.
VOICES_TIMEOUT_S: Final = 120.0

# Seconds that requests other than speech have to end when the server stops.
CLOSE_TIMEOUT_S: Final = 0.5

# The files of the page and their types.
_FILES: Final = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}


class StatusServer:
    """HTTP server of the status page at ``address``, within ``async with``.

    ``is_demo``: whether Fish Audio is emulated, which the page then says.

    Raises ListenError if it cannot listen there.
    """

    def __init__(
        self, context: ServerContext, address: ListenAddress, *, is_demo: bool = False
    ) -> None:
        self.url = ""
        """The URL of the page for this machine; empty until the server listens."""
        self._context = context
        self._is_demo = is_demo
        self._address = address
        self._readiness = Readiness(context)
        self._metrics = Metrics(context, self._readiness)
        self._listed: tuple[Voice, ...] = ()
        self._listing = _listing(self._listed)
        """These voices as JSON."""
        policy = content_policy(context.fish.endpoint.base_url)
        self._headers = {
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
            "Server": "wyoming-fish",
            # One request for each connection: there is no idle time between two requests.
            "Connection": "close",
        }
        self._connections = Connections(self._headers, context.options.write_timeout_s)
        self._speech_api = SpeechApi(context, self._readiness, self._connections)
        self._listener: asyncio.Server | None = None
        self._runner = self._new_runner()

    def _new_runner(self) -> web.AppRunner:
        app = web.Application(
            middlewares=[self._begin, check_request(self._address.host)],
            client_max_size=MAX_BODY_BYTES,
        )
        for path, (name, content_type) in _FILES.items():
            app.router.add_get(path, _file(name, content_type))
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._metrics_text)
        app.router.add_get("/api/state", self._state)
        app.router.add_get("/api/voices", self._voices)
        app.router.add_post("/api/speak", self._speech_api.answer)
        app.on_response_prepare.append(self._prepare)
        return web.AppRunner(
            app,
            # A client that disconnects ends its reply.
            handler_cancellation=True,
            shutdown_timeout=CLOSE_TIMEOUT_S,
        )

    async def __aenter__(self) -> Self:
        host, port = self._address.host, self._address.port
        await self._runner.setup()
        assert self._runner.server is not None  # noqa: S101 - it is set up
        accept = partial(self._connections.accept, self._runner.server)
        try:
            with listening_at(self._address):
                # None means all addresses of the machine, IPv4 and IPv6.
                self._listener = await asyncio.get_running_loop().create_server(
                    accept, None if host in WILDCARDS else host, port, backlog=ACCEPT_BATCH
                )
        except BaseException:
            await self._runner.cleanup()
            raise
        port = self._listener.sockets[0].getsockname()[1]
        urls = [f"http://{own.url_host}:{port}/" for own in self._address.to_open()]
        self.url = urls[0]
        _LOGGER.info("Serving the page at %s", " and, from other machines, at ".join(urls))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listener is not None:
            self._listener.close()
        await self._runner.cleanup()
        # Connections of clients that have not read their answers.
        self._connections.abort()
        await self._readiness.close()

    def drain(self) -> set[asyncio.Task[Any]]:
        """Accept no more text; return the tasks that still speak."""
        self._readiness.stopping = True
        return self._speech_api.tasks

    @web.middleware
    async def _begin(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._connections.begin(request)
        # All requests of one client share one turn of the CPU with other clients' texts.
        cpu_owner.set(owner_at(request.remote or ""))
        await cpu_turn()
        return await handler(request)

    async def _prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(self._headers)
        response.force_close()

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(text=f"Wyoming Fish {__version__} runs.\n")

    async def _ready(self, request: web.Request) -> web.Response:
        state = await self._readiness.check()
        return web.Response(status=200 if state.ready else 503, text=f"{state.message}\n")

    async def _metrics_text(self, request: web.Request) -> web.Response:
        text = self._metrics.text(await self._readiness.check())
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _state(self, request: web.Request) -> web.Response:
        state, credit = await self._readiness.check(), self._readiness.credit
        context, fish = self._context, self._context.fish.status
        return web.json_response(
            {
                "version": __version__,
                "demo": self._is_demo,
                "ready": state.ready,
                "message": state.message,
                "warning": str(context.fish.measurements.slow_line or ""),
                "credit_dollars": None if credit is None else str(credit),
                "backend": context.options.speech.backend,
                "sample_rate_hz": context.options.speech.sample_rate,
                "clients": context.request_log.clients,
                "sessions": fish.sessions,
                "sessions_limit": fish.limit,
                "replies_waiting": fish.waiting,
                "connections_idle": fish.idle,
                "voices": len(context.catalog.voices),
                "replies": [
                    _record_to_json(record) for record in reversed(context.request_log.replies)
                ],
            }
        )

    async def _voices(self, request: web.Request) -> web.StreamResponse:
        """Send the voices in chunks, so that a client that does not read keeps no whole list."""
        if self._listed is not self._context.catalog.voices:
            self._listed = self._context.catalog.voices
            self._listing = _listing(self._listed)
        body = self._listing
        response = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
        response.content_length = len(body)
        try:
            async with asyncio.timeout(VOICES_TIMEOUT_S):
                await response.prepare(request)
                if request.method != "HEAD":
                    for start in range(0, len(body), CHUNK_BYTES):
                        await self._connections.write(
                            request, response, body[start : start + CHUNK_BYTES]
                        )
        except (ConnectionError, TimeoutError) as error:
            cut_off(request, error)
        return response


def _file(name: str, content_type: str) -> Handler:
    """Return a handler that serves a file of the page."""
    body = (files(__package__) / "page" / name).read_bytes()

    async def serve(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type, charset="utf-8")

    return serve


def _listing(voices: Iterable[Voice]) -> bytes:
    """The voices as JSON, for the page."""
    items = [
        {
            "id": voice.id,
            "title": voice.title,
            "languages": voice.languages,
            "sample_url": voice.sample,
        }
        for voice in voices
    ]
    return json.dumps(items, ensure_ascii=False, separators=(",", ":")).encode()


def _record_to_json(record: ReplyRecord) -> dict[str, Any]:
    """A reply for the page. Its times are seconds from its first text."""

    def after(moment: float | None) -> float | None:
        began = record.text_began
        return None if moment is None or began is None else round(moment - began, 3)

    return {
        "requested_at": record.at,
        "outcome": record.outcome,
        "spoken_by": record.spoken_by,
        "characters": record.characters,
        "text_ended_s": after(record.text_ended),
        "first_send_s": after(record.sent),
        "first_audio_s": after(record.heard),
        "ended_s": after(record.ended),
        "audio_s": round(record.audio, 3),
        "retries": record.retries,
    }
