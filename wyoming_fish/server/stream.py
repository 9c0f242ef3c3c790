"""Byte stream to one client: bounded buffers, and no wait without an end."""

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

# Bytes of input that may wait while the server does something else for this client.
MAX_INPUT_BYTES: Final = 16 * 1024

# Bytes of output that may wait in this process.
MAX_OUTPUT_BYTES: Final = 32 * 1024

# Seconds in which an event that has begun must have come whole: what is kept of one is bounded in
# time too, however slowly its bytes come. The largest event needs 100 KB a second.
EVENT_TIMEOUT_S: Final = 10.0

# Bytes of the kernel's buffer for what is sent; Linux doubles them. Linux reports room only when a
# third of the buffer is free, and grows it to megabytes: a client that plays as it reads takes
# minutes to read a third of those.
SEND_BUFFER_BYTES: Final = 64 * 1024

# How often the progress of a client is checked within its write timeout.
STALL_CHECKS: Final = 10

# Seconds to wait until a client closes its side: a client that reads only after it has written its
# text may still be writing, as fast as a language model.
LINGER_TIMEOUT_S: Final = 10.0

# Bytes that are read and dropped meanwhile: more than a client can write before an error reaches
# it, and a tenth of a second of work.
MAX_LINGER_BYTES: Final = 64 * 2**20

# A transport reads into it and hands over what it has read before another one reads.
_SHARED_INPUT: Final = memoryview(bytearray(READ_BYTES))


class ClientLostError(Exception):
    """The client has left: nothing reaches it any more."""


class ClientStalledError(ClientLostError):
    """The client does not read what it is sent."""


class WyomingStream(asyncio.BufferedProtocol):
    """One client's two directions, as the protocol of a transport.

    ``on_connected`` is called with it when it is connected. ``memory`` is charged for events that
    have come in part. ``write_timeout`` is the seconds in which a client must take some of what it
    is sent.
    """

    def __init__(
        self,
        on_connected: Callable[[WyomingStream], None],
        memory: MemoryShare,
        *,
        write_timeout: float = 30.0,
    ) -> None:
        self.memory = memory
        """The client's share."""
        self._on_connected = on_connected
        self._write_timeout = write_timeout
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.WriteTransport
        self._incoming: asyncio.ReadTransport
        self._socket: socket.socket | None = None
        self._parser = EventParser()
        self._charged = 0
        """Bytes of an event that has come in part, as they are counted in ``memory``."""
        self._event_due: float | None = None
        """When the event that has begun must be whole, by the loop's time."""
        self._changed: asyncio.Future[None] | None = None
        """Done when input, its end or the end of the connection has come."""
        self._room: asyncio.Future[None] | None = None
        """Done when the output has room; None while it has."""
        self._output = deque[memoryview]()
        """Events for which the output has no room; the first may be a part of one."""
        self._written = 0
        """Bytes that the transport was given."""
        self._paused = False
        self._ended = False
        """Whether the client has ended its direction."""
        self._to_drop: int | None = None
        """Bytes of input that are still dropped before closing; None while they are parsed."""
        self._failure: Exception | None = None
        """Why the connection was lost."""
        self._lost = self._loop.create_future()
        """Done when the connection is closed."""

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin. Standard input and output are two transports, of which the input comes first."""
        if isinstance(transport, asyncio.ReadTransport):
            self._incoming = transport
        if not isinstance(transport, asyncio.WriteTransport):
            return
        self._transport = transport
        transport.set_write_buffer_limits(MAX_OUTPUT_BYTES)
        self._socket = transport.get_extra_info("socket")
        if self._socket is not None:
            # A client that has already left is noticed when it is read.
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._on_connected(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the buffer that the transport reads into."""
        return _SHARED_INPUT

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        self.data_received(_SHARED_INPUT[:nbytes])

    def data_received(self, data: bytes | memoryview) -> None:
        """Take input."""
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
        """There is too much output."""
        self._room = self._loop.create_future()

    def resume_writing(self) -> None:
        """There is room for output."""
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whatever waits."""
        self._failure, self._ended = exc, True
        self._output.clear()
        self._wake_reader()
        self.resume_writing()
        self._charge(0)
        if not self._lost.done():
            self._lost.set_result(None)

    # What a connection calls.

    @property
    def host(self) -> str:
        """The address of the client; those of a unix socket, or of stdio, share one."""
        peer = self._transport.get_extra_info("peername")
        return str(peer[0]) if isinstance(peer, tuple) else "this machine"

    async def read(self) -> Event | None:
        """Return the next event, or None when the client has ended its direction.

        An event's payload is dropped. Raises WireError, BudgetExceededError and ClientLostError.
        """
        while True:
            if self._failure is not None:
                raise ClientLostError(str(self._failure)) from self._failure
            if (event := self._parser.next_event()) is not None:
                self._charge(0)
                self._event_due = None
                return event
            is_amid_event = self._parser.is_amid_event
            if self._ended:
                if is_amid_event:
                    raise EventError("the connection ended amid an event")
                return None
            if is_amid_event:
                self._charge(self._parser.held)
                await self._wait_for_rest()
            else:
                await self._wait_for_news()

    async def write(self, event: bytes) -> None:
        """Send an encoded event, and wait while the client has too much unread.

        Events go out whole, in the order of these calls, however many tasks write. Raises
        ClientLostError; ClientStalledError if the client takes nothing for the write timeout.
        """
        if self._transport.is_closing():
            raise ClientLostError("the connection is closed") from self._failure
        end = self._add_output(event)
        while True:
            await self._wait_for_room()
            if self._written >= end:
                return
            self._send_output()

    def write_last(self, event: bytes) -> None:
        """Send an encoded event before closing, without waiting; ``close`` sends what is left."""
        if not self._transport.is_closing():
            self._add_output(event)

    def has_hung_up(self) -> bool:
        """Return whether the client receives nothing more, after it has ended its direction.

        TCP knows only once something has been sent after that.
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
        """Send what is left, then end the connection so that the client can read all of it.

        To close while input is unread resets the connection, and a reset destroys what the client
        has not read yet. So input is read and dropped until the client closes its side too, for at
        most ``linger_s`` seconds and MAX_LINGER_BYTES. Cancel it to close immediately.
        """
        self._parser, self._to_drop = EventParser(), MAX_LINGER_BYTES
        self._charge(0)
        try:
            self._resume_reading()
            while self._output:
                await self._wait_for_room()
                self._send_output()
            # With this, room means that nothing is left.
            self._transport.set_write_buffer_limits(0)
            await self._wait_for_room()
            self._transport.write_eof()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(linger_s):
                    while not self._ended:
                        await self._wait_for_news()
        except (ClientLostError, OSError):
            pass
        finally:
            self.abort()
            await asyncio.wait((self._lost,))

    def abort(self) -> None:
        """End the connection now; what is not sent yet is lost."""
        self._transport.abort()

    async def _wait_for_rest(self) -> None:
        """Wait for more of an event that has begun. Raises WireError if its time is over."""
        if self._event_due is None:
            self._event_due = self._loop.time() + EVENT_TIMEOUT_S
        try:
            async with asyncio.timeout_at(self._event_due):
                await self._wait_for_news()
        except TimeoutError as error:
            raise EventError(
                f"the event did not come whole within {EVENT_TIMEOUT_S:.0f} s"
            ) from error

    async def _wait_for_news(self) -> None:
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
        """Count ``count`` bytes of an event that has come in part, instead of those before."""
        if count > self._charged:
            self.memory.take(count - self._charged)
        elif count < self._charged:
            self.memory.give_back(self._charged - count)
        self._charged = count

    def _add_output(self, event: bytes) -> int:
        """Send an event as far as there is room; return what ``_written`` is after all of it."""
        self._output.append(memoryview(event))
        end = self._written + sum(map(len, self._output))
        self._send_output()
        return end

    def _send_output(self) -> None:
        """Give the transport as much as it has room for, in parts so that it keeps little."""
        while self._output and self._room is None:
            event = self._output[0]
            part, self._output[0] = event[:MAX_OUTPUT_BYTES], event[MAX_OUTPUT_BYTES:]
            if not self._output[0]:
                self._output.popleft()
            self._written += len(part)
            self._transport.write(part)

    async def _wait_for_room(self) -> None:
        """Wait as long as the client takes something. Raises as ``write`` does."""
        if (room := self._room) is not None:
            taken, give_up_at = self._taken(), self._loop.time() + self._write_timeout
            # Not until there is no such future: another task may have filled the room since.
            while not room.done():
                await asyncio.wait((room,), timeout=self._write_timeout / STALL_CHECKS)
                if self._taken() > taken:
                    taken, give_up_at = self._taken(), self._loop.time() + self._write_timeout
                elif not room.done() and self._loop.time() >= give_up_at:
                    raise ClientStalledError(
                        f"the client has read nothing for {self._write_timeout:.0f} s"
                    )
        if self._transport.is_closing():
            raise ClientLostError("the connection is closed") from self._failure

    def _taken(self) -> int:
        """Bytes that the kernel has taken: it takes more only as the client reads."""
        return self._written - self._transport.get_write_buffer_size()
