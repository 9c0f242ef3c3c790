"""The addresses that are served, and how long."""

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
from ..server.requests.log import ReplyRecord
from ..uri import WILDCARDS, ListenAddress
from .connections import ACCEPT_BATCH, Connections, cut_off
from .context import ServerContext
from .metrics import Metrics
from .readiness import Readiness
from .request_checks import check_request, content_policy
from .speaking import MAX_BODY_BYTES, Speaking

__all__ = ["StatusServer"]

_LOGGER = logging.getLogger(__name__)

# Bytes of the list of voices that are written at a time. A client that does not read costs a few of
# these.
PIECE_BYTES: Final = 32 * 1024

# Seconds that a client may take to read the list of voices. Until then an old list may be kept
# beside the current one.
MAX_LISTING_S: Final = 120.0

# Seconds that a request which is no speech has to end when the server stops.
CLOSE_TIMEOUT_S: Final = 0.5

# The page's files and their types.
_FILES: Final = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}


class StatusServer:
    """Serves by HTTP at ``address`` within ``async with``.

    Raises OSError where the address cannot be had.
    """

    def __init__(self, context: ServerContext, address: ListenAddress) -> None:
        self.url = ""
        """Where it is, once it is there."""
        self._context = context
        self._address = address
        self._readiness = Readiness(context)
        self._metrics = Metrics(context, self._readiness)
        self._listed: tuple[Voice, ...] = ()
        self._listing = _listing(self._listed)
        """These voices, encoded."""
        policy = content_policy(context.fish.endpoint.base_url)
        self._headers = {
            "Content-Security-Policy": policy,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
            "Server": "wyoming-fish",
            # So one connection has one request, and nothing to bound between two.
            "Connection": "close",
        }
        self._connections = Connections(self._headers, context.options.write_timeout)
        self._speaking = Speaking(context, self._readiness, self._connections)
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
        app.router.add_get("/metrics", self._numbers)
        app.router.add_get("/api/state", self._state)
        app.router.add_get("/api/voices", self._voices)
        app.router.add_post("/api/speak", self._speaking.answer)
        app.on_response_prepare.append(self._prepare)
        return web.AppRunner(
            app,
            # So that who leaves is not spoken to any more.
            handler_cancellation=True,
            shutdown_timeout=CLOSE_TIMEOUT_S,
        )

    async def __aenter__(self) -> Self:
        host, port = self._address.host, self._address.port
        await self._runner.setup()
        assert self._runner.server is not None  # noqa: S101 - it is set up
        accept = partial(self._connections.accept, self._runner.server)
        try:
            # Without a host it is every address of the machine, of each kind that it has.
            self._listener = await asyncio.get_running_loop().create_server(
                accept, None if host in WILDCARDS else host, port, backlog=ACCEPT_BATCH
            )
        except BaseException:
            await self._runner.cleanup()
            raise
        port = self._listener.sockets[0].getsockname()[1]
        urls = [f"http://{own.url_host}:{port}/" for own in self._address.to_open()]
        self.url = urls[0]
        _LOGGER.info("The page is at %s", " and, from other machines, at ".join(urls))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listener is not None:
            self._listener.close()
        await self._runner.cleanup()
        # Those of clients that have not taken their answers.
        self._connections.abort()
        await self._readiness.close()

    def drain(self) -> set[asyncio.Task[Any]]:
        """Let nobody begin to speak, and give the tasks of those who do."""
        self._readiness.stopping = True
        return self._speaking.tasks

    @web.middleware
    async def _begin(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._connections.begin(request)
        # One client's requests, however many, take turns with the work on others' texts.
        cpu_owner.set(owner_at(request.remote or ""))
        await cpu_turn()
        return await handler(request)

    async def _prepare(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(self._headers)
        response.force_close()

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(text=f"Wyoming Fish {__version__} runs.\n")

    async def _ready(self, request: web.Request) -> web.Response:
        state = await self._readiness.look()
        return web.Response(status=200 if state.ready else 503, text=f"{state.says}\n")

    async def _numbers(self, request: web.Request) -> web.Response:
        text = self._metrics.text(await self._readiness.look())
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _state(self, request: web.Request) -> web.Response:
        state, credit = await self._readiness.look(), self._readiness.credit
        context, fish = self._context, self._context.fish.status
        return web.json_response(
            {
                "version": __version__,
                "ready": state.ready,
                "says": state.says,
                "credit": None if credit is None else str(credit),
                "backend": context.options.speech.backend,
                "sample_rate": context.options.speech.sample_rate,
                "clients": context.request_log.clients,
                "sessions": fish.sessions,
                "limit": fish.limit,
                "waiting": fish.waiting,
                "idle_sockets": fish.idle,
                "voices": len(context.catalog.voices),
                "replies": [
                    _record_to_json(record) for record in reversed(context.request_log.replies)
                ],
            }
        )

    async def _voices(self, request: web.Request) -> web.StreamResponse:
        """List the voices, in pieces: a client that does not read keeps no whole list."""
        if self._listed is not self._context.catalog.voices:
            self._listed = self._context.catalog.voices
            self._listing = _listing(self._listed)
        body = self._listing
        response = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
        response.content_length = len(body)
        try:
            async with asyncio.timeout(MAX_LISTING_S):
                await response.prepare(request)
                if request.method != "HEAD":
                    for start in range(0, len(body), PIECE_BYTES):
                        await self._connections.write(
                            request, response, body[start : start + PIECE_BYTES]
                        )
        except (ConnectionError, TimeoutError) as error:
            cut_off(request, error)
        return response


def _file(name: str, content_type: str) -> Handler:
    """Serve a file of the page's."""
    body = (files(__package__) / "page" / name).read_bytes()

    async def serve(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type, charset="utf-8")

    return serve


def _listing(voices: Iterable[Voice]) -> bytes:
    """The voices for the page."""
    told = [
        {
            "id": voice.id,
            "title": voice.title,
            "languages": voice.languages,
            "sample": voice.sample,
        }
        for voice in voices
    ]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _record_to_json(record: ReplyRecord) -> dict[str, Any]:
    """A reply for the page: its times in seconds from its first text."""

    def after(moment: float | None) -> float | None:
        began = record.text_began
        return None if moment is None or began is None else round(moment - began, 3)

    return {
        "at": record.at,
        "outcome": record.outcome,
        "spoken_by": record.spoken_by,
        "characters": record.characters,
        "text_ended": after(record.text_ended),
        "sent": after(record.sent),
        "heard": after(record.heard),
        "ended": after(record.ended),
        "audio": round(record.audio, 3),
        "retries": record.retries,
    }
