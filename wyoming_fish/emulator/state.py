"""What the emulator remembers of what happened to it, and what is open now."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Self

from multidict import MultiMapping

from .settings import EmulatorSettings, Fault, FaultPoint

Outcome = Literal[
    "finish",
    "finish-early",
    "finish-error",
    "error",
    "close",
    "drop",
    "left",
    "refused",
]

KEPT = 10_000
"""Sessions and requests remembered: an emulator that serves a demonstration may run for weeks."""


@dataclass(slots=True, eq=False)
class SessionRecord:
    """One session, from its `start` on; or one speech request on REST."""

    backend: str
    """The one that speaks: what an unknown `model` header fell back to."""
    request: dict[str, Any]
    """The TTSRequest as it came."""
    headers: dict[str, str]
    """Of the upgrade or request, names in lower case, without the key."""
    socket: int | None
    """The socket's index, from 0 in the order of their upgrades. None: REST."""
    timestamps: bool = False
    """Whether it is on the socket with timestamps."""
    texts: list[str] = field(default_factory=list)
    """The text of each text event."""
    flushes: int = 0
    stopped: bool = False
    """Whether the client sent `stop`."""
    outcome: Outcome | None = None
    """None while it is open. `refused`: never opened, since the request was bad or the account's
    concurrency used up; `error`: broken off with an `error` event; `left`: the client went, or
    the emulator ended; the others are what a Fault did."""
    spoken: list[str] = field(default_factory=list)
    """Chunks of text given to the model so far."""
    events: list[str] = field(default_factory=list)
    """Names of the events received, in order."""
    audio_events: int = 0
    """Audio events sent; on REST, pieces of the body."""


class RecordedRequest(NamedTuple):
    """A REST request."""

    method: str
    path: str
    query: MultiMapping[str]
    body: Any
    """What JSON or MessagePack held; None without a body."""


class EmulatorState:
    """The emulated service's memory. All of it may be read, and the lists cleared, at will."""

    def __init__(self, settings: EmulatorSettings) -> None:
        self.settings = settings
        self.sockets_opened = 0
        """Websockets ever accepted."""
        self.sockets_open = 0
        self.sessions_open = 0
        """Sessions and speech requests that are open now."""
        self._socket_sessions_open = 0
        self.sessions: list[SessionRecord] = []
        self.requests: list[RecordedRequest] = []
        self.struck: list[Fault] = []
        """Each fault, each time that it struck."""
        self.errors: list[str] = []
        """Text of each `error` event sent."""
        self._strikes: dict[Fault, int] = {}
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    async def wait_for(self, predicate: Callable[[Self], bool]) -> None:
        """Return as soon as `predicate(self)` is true. It is called again after each change.

        A predicate that looks at a session that is not there yet (IndexError) is not true yet.
        """

        def holds() -> bool:
            try:
                return predicate(self)
            except IndexError:
                return False

        if holds():
            return
        waiting = (holds, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        try:
            await waiting[1]
        finally:
            self._waiting.remove(waiting)

    def changed(self) -> None:
        """Wake those who wait for what is true now."""
        for predicate, future in self._waiting:
            if future.done():
                continue
            try:
                if predicate():
                    future.set_result(None)
            except Exception as error:  # noqa: BLE001 - the waiting test's own: it gets it
                future.set_exception(error)

    @property
    def slots_taken(self) -> int:
        """How much of the account's concurrency is in use."""
        if not self.settings.idle_sockets_count:
            return self.sessions_open
        return self.sessions_open + self.sockets_open - self._socket_sessions_open

    def socket_opened(self) -> int:
        """Count a websocket and give its index."""
        self.sockets_opened += 1
        self.sockets_open += 1
        self.changed()
        return self.sockets_opened - 1

    def socket_closed(self) -> None:
        """Count it no more among the open ones."""
        self.sockets_open -= 1
        self.changed()

    def remember_request(self, request: RecordedRequest) -> None:
        """Keep a REST request."""
        del self.requests[:-KEPT]
        self.requests.append(request)
        self.changed()

    def remember_error(self, text: str) -> None:
        """Keep the text of an `error` event."""
        del self.errors[:-KEPT]
        self.errors.append(text)
        self.changed()

    def open_session(self, record: SessionRecord) -> bool:
        """Remember a session and take a slot for it; False, and refused, where none is free."""
        on_socket = record.socket is not None
        # A socket that counts while it is idle has its slot already.
        own = on_socket and self.settings.idle_sockets_count
        if self.slots_taken - own >= self.settings.concurrency:
            self.refuse_session(record)
            return False
        self._remember_session(record)
        self.sessions_open += 1
        self._socket_sessions_open += on_socket
        self.changed()
        return True

    def refuse_session(self, record: SessionRecord) -> None:
        """Remember a session that never was."""
        record.outcome = "refused"
        self._remember_session(record)
        self.changed()

    def speaking(self, record: SessionRecord, text: str) -> None:
        """Remember that the model was given a chunk of text."""
        record.spoken.append(text)
        self.changed()

    def end_session(self, record: SessionRecord, outcome: Outcome) -> None:
        """Free the session's slot. What ended first counts: a second end changes nothing."""
        if record.outcome is None:
            record.outcome = outcome
            self.sessions_open -= 1
            self._socket_sessions_open -= record.socket is not None
            self.changed()

    def strike(self, point: FaultPoint, index: int = 0) -> Fault | None:
        """The fault that strikes here, counted; None as a rule."""
        for fault in self.settings.faults:
            if fault.point != point or fault.at != index:
                continue
            strikes = self._strikes.get(fault, 0)
            if fault.times is None or strikes < fault.times:
                self._strikes[fault] = strikes + 1
                del self.struck[:-KEPT]
                self.struck.append(fault)
                self.changed()
                return fault
        return None

    def _remember_session(self, record: SessionRecord) -> None:
        del self.sessions[:-KEPT]
        self.sessions.append(record)
