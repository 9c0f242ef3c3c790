"""Websocket connection that parses what a server sends in turns, and gives up a flood of frames.

An event loop reads up to 256 KB at once. In the smallest frames that is 131,072 of them, and
websockets parses all of them in one call, for up to a second, before its queue stops the reading.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.frames import CloseCode

from ..cpu_turns import cpu_turn
from .watchdog import PartLimit

__all__ = ["MAX_SILENT_FRAMES", "FrameConnection"]

# Bytes that are parsed in one step: 512 of the smallest frames, which take 3 ms.
STEP_BYTES: Final = 1024
# Bytes within a frame that is larger than the step before. A step costs 2 us by itself.
LARGEST_STEP_BYTES: Final = 4096

# Frames that are parsed without a turn. So audio, which has few, does not wait behind long texts.
FRAMES_AT_ONCE: Final = 64

# Frames of any kind without audio, and for each second of audio. Fish Audio sends a frame for some
# 50 ms to half a second of audio; the shortest known are 20 ms.
MAX_SILENT_FRAMES: Final = 2000

# Bytes that a server may leave unread. It is sent a piece of text at a time; an endless row of
# pings would be answered without end.
MAX_UNREAD_BYTES: Final = 2**20

# What websockets itself closes a connection with, because of what it was sent.
_BROKEN: Final = (CloseCode.PROTOCOL_ERROR, CloseCode.INVALID_DATA, CloseCode.MESSAGE_TOO_BIG)


class FrameConnection(ClientConnection):
    """A connection whose server can neither hold up the event loop nor fill the memory.

    The transport is paused while received data waits to be parsed. Data waits for its turn of the
    processor, and for room in the queue of frames.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.limit = PartLimit(MAX_SILENT_FRAMES)
        """What the server may still send without audio."""
        self.upgrade_time = 0.0
        """Seconds that the upgrade took."""
        self._unparsed = bytearray()
        self._parsing: asyncio.Task[None] | None = None
        """Parses the rest of the data."""
        self._has_room = asyncio.Event()
        """Whether the queue of frames has room."""
        self._has_room.set()
        self._has_ended = False
        """Whether the server has ended its direction while there was data to parse."""

    @property
    def is_broken(self) -> bool:
        """Whether the server has sent a message that cannot be read."""
        sent = self.protocol.close_sent
        return sent is not None and sent.code in _BROKEN

    async def handshake(self, *arguments: Any, **more: Any) -> None:
        """Upgrade the connection, which is there by now, TLS included."""
        began = self.loop.time()
        await super().handshake(*arguments, **more)
        self.upgrade_time = self.loop.time() - began

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(transport)
        self.recv_messages.pause = self._pause
        self.recv_messages.resume = self._resume

    def data_received(self, data: bytes) -> None:
        """Parse data: audio at once, a row of small frames in turns."""
        self._unparsed += data
        if self._is_parsing:
            return
        self._parse()
        if self._unparsed:
            self._stop_reading()
            self._parsing = self.loop.create_task(self._parse_rest())

    def eof_received(self) -> None:
        """End what is received, after all data before it."""
        if self._unparsed:
            self._has_ended = True
        else:
            super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the connection, after all data before it: at most what the limit of frames allows."""
        if self._parsing is not None:
            self._parsing.cancel()
        while self._unparsed:
            self._parse_step(STEP_BYTES)
        if self._has_ended:
            super().eof_received()
        super().connection_lost(exc)

    def process_event(self, event: Any) -> None:
        """Take the answer to the upgrade, or a frame."""
        self.limit.take()
        super().process_event(event)

    @property
    def _is_parsing(self) -> bool:
        return self._parsing is not None and not self._parsing.done()

    def _parse(self) -> None:
        """Parse data in steps until one has many frames, the queue is full, or nothing is left."""
        begin, step = self.limit.taken, STEP_BYTES
        while self._unparsed and self._has_room.is_set():
            before = self.limit.taken
            self._parse_step(step)
            if self.limit.taken - begin > FRAMES_AT_ONCE:
                break
            # Within a large frame.
            step = min(2 * step, LARGEST_STEP_BYTES) if self.limit.taken == before else STEP_BYTES

    def _parse_step(self, length: int) -> None:
        step = bytes(self._unparsed[:length])
        del self._unparsed[:length]
        super().data_received(step)
        is_unread = self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES
        if self.limit.is_exceeded or self.is_broken or is_unread:
            self._unparsed.clear()
            self.transport.abort()

    async def _parse_rest(self) -> None:
        while self._unparsed:
            await self._has_room.wait()
            await cpu_turn()
            self._parse()
        self._read_on()

    def _pause(self) -> None:
        self._has_room.clear()
        self._stop_reading()

    def _resume(self) -> None:
        self._has_room.set()
        if not self._is_parsing:
            self._read_on()

    # A TLS transport that is closed cannot be paused or resumed any more. One that is closed a
    # second time, as websockets does to end its direction, cannot be aborted before Python 3.11.3.

    def send_data(self) -> None:
        """Send what is to be sent, unless the transport is being closed."""
        if not self.transport.is_closing():
            super().send_data()

    def _stop_reading(self) -> None:
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def _read_on(self) -> None:
        if self._has_room.is_set() and not self.transport.is_closing():
            self.transport.resume_reading()
