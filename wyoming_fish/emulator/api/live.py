"""The live socket, `/v1/tts/live`: its upgrade, and the sessions that follow one another on it.

Binary frames, each one MessagePack map. In: start, text, flush, stop. Out: audio, finish, error.
`/v1/tts/live/with-timestamp` is the same with more fields in its audio events.
"""

import asyncio
from contextlib import aclosing
from typing import Any

import ormsgpack
from aiohttp import WSCloseCode, WSMsgType, web

from ..settings import Fault, FaultPoint
from ..state import EmulatorState, Outcome, SessionRecord
from .access import (
    check_credit,
    check_key,
    check_socket_limit,
    cut_off,
    headers_without_key,
    stall,
)
from .errors import CONCURRENCY_SOCKET, REFERENCE_NOT_FOUND, ApiError, status_error
from .request import backend_of, parse_speech_request
from .session import Session

LARGEST_MESSAGE = 32 * 1024 * 1024
"""Bytes in one frame: what Fish documents for its compatible sockets."""
CLOSE_TIMEOUT = 1.0
"""Seconds in which a client has to answer a close frame."""


async def live(
    request: web.Request, state: EmulatorState, *, timestamps: bool = False
) -> web.StreamResponse:
    """Answer the upgrade and serve the socket until it ends."""
    await asyncio.sleep(state.settings.handshake)
    try:
        if timestamps and not state.settings.timestamps:
            raise status_error(404)
        fault = state.strike("upgrade")
        if fault is not None:
            await _refuse_upgrade(fault, request)
        check_key(request, state)
        backend = backend_of(request.headers, state.settings.unknown_backend)
        if state.settings.no_credit_at == "upgrade":
            check_credit(backend, state)
        check_socket_limit(state)
    except ApiError as error:
        return web.json_response(error.body, status=error.status, headers=error.headers)
    websocket = web.WebSocketResponse(
        timeout=CLOSE_TIMEOUT, max_msg_size=LARGEST_MESSAGE, compress=False
    )
    await websocket.prepare(request)
    socket = LiveSocket(request, websocket, backend, state, timestamps=timestamps)
    try:
        await socket.serve()
    finally:
        socket.left()
    return websocket


async def _refuse_upgrade(fault: Fault, request: web.Request) -> None:
    if isinstance(fault.kind, int):
        raise status_error(fault.kind)
    if fault.kind == "drop":
        cut_off(request)
    await stall()


class LiveSocket:
    """One client's socket."""

    def __init__(
        self,
        request: web.Request,
        websocket: web.WebSocketResponse,
        backend: str,
        state: EmulatorState,
        *,
        timestamps: bool,
    ) -> None:
        self._request = request
        self._websocket = websocket
        self._backend = backend
        self._timestamps = timestamps
        self._state = state
        self._headers = headers_without_key(request)
        self._index = state.socket_opened()
        self._session: Session | None = None
        self._speakers: set[asyncio.Task[None]] = set()
        self._idle: asyncio.Timeout | None = None
        self._spoilt = False
        """A session ended with an error: Fish's guidance is not to start again on its socket."""
        self._over = False
        """Nothing more is read."""

    async def serve(self) -> None:
        """Read what the client sends until the socket ends; sessions speak meanwhile."""
        async with asyncio.TaskGroup() as speakers:
            try:
                async with asyncio.timeout(None) as self._idle:
                    self._watch_idleness()
                    await self._read(speakers)
            except TimeoutError:
                self._over = True
                await self._websocket.close()
            except ConnectionError:
                pass  # the client left while it was being answered
            finally:
                self._over = True
                for speaker in self._speakers:
                    speaker.cancel()

    def left(self) -> None:
        """Free what the socket held."""
        if self._session is not None:
            self._state.end_session(self._session.record, "left")
        self._state.socket_closed()

    async def _read(self, speakers: asyncio.TaskGroup) -> None:
        async for message in self._websocket:
            # Fish passes over text frames (official AsyncAPI text).
            if message.type is not WSMsgType.BINARY or self._over:
                continue
            try:
                event = _unpack(message.data)
                name = event.get("event")
                if name == "start":
                    await self._start(event.get("request"), speakers)
                elif name in ("text", "flush", "stop"):
                    await self._go_on(name, event.get("text"))
                else:
                    raise ApiError(400, f"unknown event `{name}`")
            except ApiError as error:
                await self._refuse(error.message)

    async def _start(self, body: Any, speakers: asyncio.TaskGroup) -> None:
        if self._session is not None:
            raise ApiError(400, "start: a session is open on this socket")
        if self._spoilt:
            raise ApiError(400, "start: the last session failed, connect again")
        settings = self._state.settings
        record = SessionRecord(
            backend=self._backend,
            request=body if isinstance(body, dict) else {},
            headers=self._headers,
            socket=self._index,
            timestamps=self._timestamps,
            events=["start"],
        )
        try:
            if settings.no_credit_at == "start":
                check_credit(self._backend, self._state)
            session = self._open(record, body)
        except ApiError:
            self._state.refuse_session(record)
            raise
        if not self._state.open_session(record):
            await self._refuse(CONCURRENCY_SOCKET, max_concurrency=settings.concurrency)
            return
        self._session = session
        self._watch_idleness()
        if await self._struck(session, "start"):
            return
        session.speaker = speakers.create_task(self._speak(session))
        self._speakers.add(session.speaker)
        session.speaker.add_done_callback(self._speakers.discard)

    def _open(self, record: SessionRecord, body: Any) -> Session:
        settings = self._state.settings
        try:
            request = parse_speech_request(body, self._backend, settings.voices)
        except ApiError as error:
            unknown = settings.unknown_voice
            if error.message != REFERENCE_NOT_FOUND or unknown == "error":
                raise
            request = parse_speech_request(
                {**body, "reference_id": None}, self._backend, settings.voices
            )
            session = Session(record, request, self._state)
            session.silent = unknown == "silent"
            session.voice_is_missing = unknown == "finish-error"
            return session
        return Session(record, request, self._state)

    async def _go_on(self, name: str, text: object) -> None:
        session = self._session
        if session is None:
            raise ApiError(400, f"{name}: no session is open, send start first")
        record = session.record
        if record.stopped:
            raise ApiError(400, f"{name}: the session was stopped")
        if name == "text":
            if not isinstance(text, str):
                raise ApiError(400, "text: invalid type: expected a string")
            record.texts.append(text)
        elif name == "flush":
            record.flushes += 1
        else:
            record.stopped = True
        record.events.append(name)
        self._state.changed()
        if session.stalled:
            return
        if name == "flush":
            session.flush()
        elif name == "stop":
            session.stop()
        elif not await self._struck(session, "text", len(record.texts) - 1):
            session.add(record.texts[-1])

    async def _speak(self, session: Session) -> None:
        record = session.record
        try:
            async with aclosing(session.audio()) as events:
                async for event in events:
                    if session.voice_is_missing:
                        self._spoilt = True
                        await self._finish(session, "finish-error", message=REFERENCE_NOT_FOUND)
                        return
                    if not session.silent and await self._struck(
                        session, "audio", record.audio_events
                    ):
                        return
                    if not session.silent:
                        record.audio_events += 1
                        await self._send(event="audio", **event, time=session.elapsed)
                        self._state.changed()
            if not await self._struck(session, "finish"):
                await self._finish(session, "finish")
        except ConnectionError:
            pass  # the client left: the reader hears of it too

    async def _struck(self, session: Session, point: FaultPoint, index: int = 0) -> bool:
        """Whether a fault struck that ends the session or all that it sends."""
        fault = self._state.strike(point, index)
        if fault is None:
            return False
        if fault.kind == "silent":
            session.silent = True
            return False
        session.halt()
        if fault.kind == "stall":
            session.stalled = True
        elif fault.kind == "finish-early":
            await self._finish(session, "finish-early")
        elif fault.kind == "finish-error":
            self._spoilt = True
            await self._finish(session, "finish-error", message="Internal server error")
        elif fault.kind == "error":
            await self._refuse("Internal server error")
        elif fault.kind == "close":
            self._end(session, "close")
            self._over = True
            await self._websocket.close(code=WSCloseCode.INTERNAL_ERROR)
        else:
            self._end(session, "drop")
            self._over = True
            cut_off(self._request)
        return True

    async def _finish(self, session: Session, outcome: Outcome, **more: str) -> None:
        # The slot is free before the client hears so, that it may start again at once.
        self._end(session, outcome)
        after = self._state.settings.after_finish
        self._over = after != "keep"
        reason = "error" if outcome == "finish-error" else "stop"
        await self._send(event="finish", reason=reason, time=session.elapsed, **more)
        if self._state.settings.log_events:
            await self._send(event="log", message="session finished")
        if after == "close":
            await self._websocket.close()
        elif after == "drop":
            cut_off(self._request)

    async def _refuse(self, message: str, **more: int) -> None:
        if self._session is not None:
            self._session.halt()
            self._end(self._session, "error")
        self._over = True
        self._state.remember_error(message)
        await self._send(event="error", error=message, **more)
        await self._websocket.close()

    def _end(self, session: Session, outcome: Outcome) -> None:
        self._session = None
        self._state.end_session(session.record, outcome)
        self._watch_idleness()

    def _watch_idleness(self) -> None:
        timeout = self._state.settings.idle_timeout
        if self._idle is None or self._over:
            return
        if timeout is None or self._session is not None:
            self._idle.reschedule(None)
        else:
            self._idle.reschedule(asyncio.get_running_loop().time() + timeout)

    async def _send(self, **event: Any) -> None:
        await self._websocket.send_bytes(ormsgpack.packb(event))


def _unpack(data: bytes) -> dict[str, Any]:
    try:
        event = ormsgpack.unpackb(data)
    except ValueError as error:
        raise ApiError(400, f"invalid MessagePack: {error}") from error
    if not isinstance(event, dict):
        raise ApiError(400, "invalid type: expected a map")
    return event
