"""The server: one Fish Audio account on an address of this machine."""

from typing import Self

from aiohttp import web

from .api.access import add_headers, may_leave
from .api.live import live
from .api.rest import add_routes
from .settings import EmulatorSettings
from .state import EmulatorState
from .voices import check_voice

LARGEST_BODY = 32 * 1024 * 1024
"""Bytes of a REST request: what Fish documents for its compatible endpoints."""
SHUTDOWN_TIMEOUT = 0.05
"""Seconds that open sockets and requests are left when the emulator ends. They are then cut off:
the client of an emulator that ends is to see what it would of a service that went away."""


class Emulator(EmulatorState):
    """A Fish Audio that listens within `async with`.

    Port 0 takes a free one. Raises OSError where the address is taken, RuntimeError where the
    settings name a voice whose packages are not installed.
    """

    def __init__(
        self, settings: EmulatorSettings | None = None, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        super().__init__(settings or EmulatorSettings())
        self.host = host
        self.port = port
        """Once it listens, the port it listens on."""
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """The base address of the API, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    async def __aenter__(self) -> Self:
        check_voice(self.settings)
        app = web.Application(client_max_size=LARGEST_BODY, middlewares=[may_leave])

        async def answer_upgrade(request: web.Request) -> web.StreamResponse:
            return await live(request, self)

        async def answer_with_timestamps(request: web.Request) -> web.StreamResponse:
            return await live(request, self, timestamps=True)

        async def prepare(request: web.Request, response: web.StreamResponse) -> None:
            add_headers(self, response)

        app.router.add_get("/v1/tts/live", answer_upgrade)
        app.router.add_get("/v1/tts/live/with-timestamp", answer_with_timestamps)
        add_routes(app, self)
        app.on_response_prepare.append(prepare)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            # So that a client that leaves frees what it held at once, also while nothing is sent.
            handler_cancellation=True,
            shutdown_timeout=SHUTDOWN_TIMEOUT,
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.host, self.port).start()
        except BaseException:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
