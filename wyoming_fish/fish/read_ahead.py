"""Read-ahead buffers: audio that a slow listener has not taken yet, so that its session can end."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from .errors import SlowListenerError
from .written import wait

__all__ = ["ReadAhead", "ReadAheads"]

# Seconds of audio that one reply reads ahead of its listener: all that a session has to speak once
# no more text is sent. That is 30 s (`MAX_AHEAD_S`) and a piece of 18 s (`LONGEST_PIECE_S`), as
# expected, and the slowest voices take 2.5 times as long.
MAX_READ_AHEAD_S: Final = 120.0

# Bytes that all replies together read ahead: nine listeners in real time, each half a minute ahead.
MAX_TOTAL_BYTES: Final = 24 * 2**20

# Seconds between two checks whether others wait, while a listener takes nothing.
CHECK_S: Final = 0.25


class ReadAheads:
    """The buffers of all replies that share one account."""

    def __init__(self) -> None:
        self.buffers: set[ReadAhead] = set()

    def shrink(self) -> None:
        """If all are too large together, end the largest of the owner that has most in them.

        So a client that asks for much and listens to little is in the way of itself alone.
        """
        if sum(buffer.size for buffer in self.buffers) <= MAX_TOTAL_BYTES:
            return
        sizes: Counter[str] = Counter()
        for buffer in self.buffers:
            sizes[buffer.owner] += buffer.size
        max(self.buffers, key=lambda buffer: (sizes[buffer.owner], buffer.size)).overflow()


class ReadAhead:
    """One session's audio on its way to its listener.

    Its writer waits until the listener has taken all but the last frame. While ``is_hurried``, it
    only waits if the listener is MAX_READ_AHEAD_S behind. ``rate`` is the sample rate of the s16le
    mono PCM.
    """

    def __init__(
        self, all_buffers: ReadAheads, owner: str, rate: int, is_hurried: Callable[[], bool]
    ) -> None:
        self.owner = owner
        self.size = 0
        """Bytes in it."""
        self._all = all_buffers
        self._max_size = int(MAX_READ_AHEAD_S * rate * 2)
        self._is_hurried = is_hurried
        self._audio: deque[bytes] = deque()
        self._is_over = False
        self._overflowed = False
        self._written = asyncio.Event()
        self._taken = asyncio.Event()
        all_buffers.buffers.add(self)

    async def write(self, pcm: bytes) -> bool:
        """Add audio, and wait for room for more. Return false if none is wanted any more."""
        self._audio.append(pcm)
        self.size += len(pcm)
        if len(self._audio) > 1:
            self._all.shrink()
        self._written.set()
        while len(self._audio) > 1 and (not self._is_hurried() or self.size > self._max_size):
            self._taken.clear()
            await wait(self._taken, asyncio.get_running_loop().time() + CHECK_S)
        return not self._overflowed

    def end(self) -> None:
        """No more audio comes."""
        self._is_over = True
        self._written.set()

    async def read(self) -> bytes:
        """The next audio; nothing at the end. Raises SlowListenerError."""
        while not self._audio and not self._is_over and not self._overflowed:
            self._written.clear()
            await self._written.wait()
        if self._overflowed:
            raise SlowListenerError(
                "The audio was taken too slowly while other replies waited for a session."
            )
        pcm = self._audio.popleft() if self._audio else b""
        self.size -= len(pcm)
        self._taken.set()
        return pcm

    def overflow(self) -> None:
        """Drop it all: its listener gets an error."""
        self._overflowed = True
        self._audio.clear()
        self.size = 0
        self._written.set()
        self._taken.set()

    def close(self) -> None:
        """Take it out of the account's buffers."""
        self._all.buffers.discard(self)
