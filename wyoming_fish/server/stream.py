"""Byte stream to one client, with limits for all buffers and waits."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
from collections import deque
from collections.abc import Callable
from typing import Final

from wyoming.event import Event

from .events import EventError, EventParser
from .memory_budget import MemoryShare

__all__ = ["LINGER_TIMEOUT_S", "ClientLostError", "ClientStalledError", "WyomingStream"]

# Bytes that are read at a time, into a buffer that all connections share.
READ_BYTES: Final = 16 * 1024

# Bytes of input that can wait while the server is busy for this client.
MAX_INPUT_BYTES: Final = 16 * 1024

# Bytes of output that can wait in this process.
MAX_OUTPUT_BYTES: Final = 32 * 1024

# Seconds in which an event must arrive completely, so that a slow client does not use memory for
# long. The largest event needs 100 KB a second.
EVENT_TIMEOUT_S: Final = 10.0

# Bytes of the kernel's send buffer; Linux doubles them. Linux reports room only when a
# third of the buffer is free, and grows it to megabytes: a client that plays as it reads takes
# minutes to read a third of those.
SEND_BUFFER_BYTES: Final = 64 * 1024

# Checks of a client's progress within its write timeout.
STALL_CHECKS: Final = 10

# Seconds to wait until a client closes its side: a client that reads only after it has written its
# text can still be writing, as fast as a language model.
LINGER_TIMEOUT_S: Final = 10.0

# Bytes that are read and dropped meanwhile: more than a client can write before an error reaches
# it, and a tenth of a second of work.
MAX_LINGER_BYTES: Final = 64 * 2**20

# Shared by all transports: each passes its bytes on before another one reads.
_SHARED_INPUT: Final = memoryview(bytearray(READ_BYTES))


class ClientLostError(Exception):
    """The client has disconnected."""


class ClientStalledError(ClientLostError):
    """The client does not read."""


class WyomingStream(asyncio.BufferedProtocol):
    """Both directions of one client's connection: a protocol of asyncio.

    ``on_connected`` is called with the stream when it is connected. ``memory`` is charged for
    incomplete events. A client must read some of its data within ``write_timeout_s``.
    """

    def __init__(
        self,
        on_connected: Callable[[WyomingStream], None],
        memory: MemoryShare,
        *,
        write_timeout_s: float = 30.0,
    ) -> None:
        self.memory = memory
        """The client's share of the memory budget."""
        self._on_connected = on_connected
        self._write_timeout_s = write_timeout_s
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport
        self._incoming: asyncio.ReadTransport
        self._socket: socket.socket | None = None
        self._parser = EventParser()
        self._charged = 0
        """Bytes of an incomplete event that ``memory`` is charged for."""
        self._event_due: float | None = None
        """The event loop's time at which the incomplete event must be complete."""
        self._changed: asyncio.Future[None] | None = None
        """Done when input, its end or the end of the connection has arrived."""
        self._room: asyncio.Future[None] | None = None
        """Done when the output has room; None while it has room."""
        self._output = deque[memoryview]()
        """Events that wait for room in the output. The first can be a part of one."""
        self._written = 0
        """Bytes that were passed to the transport."""
        self._paused = False
        self._ended = False
        """Whether the client has ended its direction."""
        self._to_drop: int | None = None
        """Bytes of input that are still dropped before the close; None while input is parsed."""
        self._failure: Exception | None = None
        """Why the connection was lost."""
        self._lost = self._loop.create_future()
        """Done when the connection is closed."""

    # Called by the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start. Standard input and output are two transports; the input is first."""
        if isinstance(transport, asyncio.ReadTransport):
            self._incoming = transport
        if not isinstance(transport, asyncio.WriteTransport):
            return
        self._transport = transport
        transport.set_write_buffer_limits(MAX_OUTPUT_BYTES)
        self._socket = transport.get_extra_info("socket")
        if self._socket is not None:
            # If the client has already disconnected, the next read fails.
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._on_connected(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer that the transport reads into."""
        return _SHARED_INPUT

    def buffer_updated(self, nbytes: int) -> None:
        """Process bytes in the buffer."""
        self.data_received(_SHARED_INPUT[:nbytes])

    def data_received(self, data: bytes | memoryview) -> None:
        """Process input."""
        if self._to_drop is not None:
            self._to_drop -= len(data)
            if self._to_drop <= 0:
                self._ended = True
        else:
            self._parser.feed(data)
            if self._changed is None and self._parser.held > MAX_INPUT_BYTES and not self._paused:
                self._paused = True
                self._incoming.pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        """Keep the connection open: the client still reads."""
        self._ended = True
        self._wake_reader()
        return True

    def pause_writing(self) -> None:
        """The output has no room."""
        self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        """The output has room."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake all waits."""
        self._failure, self._ended = exc, True
        self._output.clear()
        self._wake_reader()
        self.resume_writing()
        self._charge(0)
        if not self._lost.done():
            self._lost.set_result(None)

    # Called by the connection.

    @property
    def host(self) -> str:
        """The address of the client. All clients of a unix socket or stdio have the same one."""
        peer = self._transport.get_extra_info("peername")
        return str(peer[0]) if isinstance(peer, tuple) else "this machine"

    async def read(self) -> Event | None:
        """Return the next event, or None when the client has ended its direction.

        An event's payload is dropped. Raises EventError, BudgetExceededError and ClientLostError.
        """
        while True:
            if self._failure is not None:
                raise ClientLostError(str(self._failure)) from self._failure
            if (event := self._parser.next_event()) is not None:
                self._charge(0)
                self._event_due = None
                return event
            has_incomplete_event = self._parser.has_incomplete_event
            if self._ended:
                if has_incomplete_event:
                    raise EventError("the connection ended within an event")
                return None
            if has_incomplete_event:
                self._charge(self._parser.held)
                await self._wait_for_rest()
            else:
                await self._wait_for_input()

    async def write(self, event: bytes) -> None:
        """Send an encoded event; wait while the client has too much unread.

        Events are sent in the order of these calls, also of several tasks. Raises ClientLostError;
        ClientStalledError if the client reads nothing for the write timeout.
        """
        if self._transport.is_closing():
            raise ClientLostError("the connection is closed") from self._failure
        self.write_last(event)
        end = self._written + sum(map(len, self._output))
        while True:
            await self._wait_for_room()
            if self._written >= end:
                return
            self._send_output()

    def write_last(self, event: bytes) -> None:
        """Send an encoded event before the close, without a wait; ``close`` sends the rest."""
        if not self._transport.is_closing():
            self._output.append(memoryview(event))
            self._send_output()

    def has_hung_up(self) -> bool:
        """Return whether a client that has ended its direction has also closed the connection.

        TCP knows that only after something has been sent.
        """
        if self._transport.is_closing():
            return True
        if self._socket is None:
            return False
        poll = select.poll()
        # No event is asked for: a hang-up and an error are always reported.
        poll.register(self._socket.fileno(), 0)
        return bool(poll.poll(0))

    async def close(self, linger_s: float = LINGER_TIMEOUT_S) -> None:
        """Send the rest, then close the connection so that the client can read all of it.

        A close with unread input resets the connection, and a reset discards data that the client
        has not read. So input is read and dropped until the client closes its side, for at most
        ``linger_s`` and MAX_LINGER_BYTES. Cancel it to close immediately.
        """
        self._parser, self._to_drop = EventParser(), MAX_LINGER_BYTES
        self._charge(0)
        try:
            self._resume_reading()
            while self._output:
                await self._wait_for_room()
                self._send_output()
            # Now, room means that all output is sent.
            self._transport.set_write_buffer_limits(0)
            await self._wait_for_room()
            self._transport.write_eof()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(linger_s):
                    while not self._ended:
                        await self._wait_for_input()
        except (ClientLostError, OSError):
            pass
        finally:
            self.abort()
            await asyncio.wait((self._lost,))

    def abort(self) -> None:
        """End the connection now; data that is not sent is lost."""
        self._transport.abort()

    async def _wait_for_rest(self) -> None:
        """Wait for more of an incomplete event. Raises EventError after EVENT_TIMEOUT_S."""
        if self._event_due is None:
            self._event_due = self._loop.time() + EVENT_TIMEOUT_S
        try:
            async with asyncio.timeout_at(self._event_due):
                await self._wait_for_input()
        except TimeoutError as error:
            raise EventError(
                f"the event was not complete within {EVENT_TIMEOUT_S:.0f} s"
            ) from error

    async def _wait_for_input(self) -> None:
        self._changed = self._loop.create_future()
        try:
            self._resume_reading()
            await self._changed
        finally:
            self._changed = None

    def _wake_reader(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)

    def _resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self._incoming.resume_reading()

    def _charge(self, count: int) -> None:
        """Charge ``memory`` for ``count`` bytes of an incomplete event, instead of before."""
        if count > self._charged:
            self.memory.take(count - self._charged)
        elif count < self._charged:
            self.memory.give_back(self._charged - count)
        self._charged = count

    def _send_output(self) -> None:
        """Pass output to the transport as far as it has room, in parts so that it keeps little."""
        while self._output and self._room is None:
            event = self._output[0]
            part, self._output[0] = event[:MAX_OUTPUT_BYTES], event[MAX_OUTPUT_BYTES:]
            if not self._output[0]:
                self._output.popleft()
            self._written += len(part)
            self._transport.write(part)

    async def _wait_for_room(self) -> None:
        """Wait for room, as long as the client reads. Raises as ``write`` does."""
        if (room := self._room) is not None:
            taken, give_up_at = self._taken(), self._loop.time() + self._write_timeout_s
            # Only for this future: another task can have filled the room again.
            while not room.done():
                await asyncio.wait((room,), timeout=self._write_timeout_s / STALL_CHECKS)
                if self._taken() > taken:
                    taken, give_up_at = self._taken(), self._loop.time() + self._write_timeout_s
                elif not room.done() and self._loop.time() >= give_up_at:
                    raise ClientStalledError(
                        f"it has read nothing for {self._write_timeout_s:.0f} s"
                    )
        if self._transport.is_closing():
            raise ClientLostError("the connection is closed") from self._failure

    def _taken(self) -> int:
        """Bytes that the kernel has accepted. It accepts more only when the client reads."""
        return self._written - self._transport.get_write_buffer_size()
