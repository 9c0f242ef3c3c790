"""Read-ahead buffers: audio that a listener has not taken yet, so that its session can end."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, Final

from .. import clock
from ..errors import SlowListenerError
from ..owner import Owner
from .keepalive import KeepAlive

__all__ = ["ReadAhead", "ReadAheads", "read_ahead"]

# Seconds of audio that a listener can have in hand before its session serves another reply; the
# session then speaks what it was sent, 30 s (`MAX_AHEAD_S`) and a chunk of 18 s
# (`MAX_CHUNK_S`) at most, as expected.
ENOUGH_IN_HAND_S: Final = 15.0
MAX_IN_HAND_S: Final = ENOUGH_IN_HAND_S + 60.0
# Seconds of audio left at which the reply asks for its next session.
RUNS_LOW_S: Final = 10.0

# Seconds by which a listener may be behind a player in real time: one whose network stalls.
MAX_LATE_S: Final = 10.0

# Bytes that all replies together read ahead: five listeners, each three quarters of a minute ahead.
MAX_TOTAL_BYTES: Final = 20 * 2**20

# Seconds between two checks whether other replies wait for a session. The first to wait may begin
# this much later, half of what Fish needs for its first audio, and a check costs some microseconds.
SLOT_CHECK_S: Final = 0.25


class ReadAheads:
    """The buffers of all replies that share one account."""

    def __init__(self) -> None:
        self.buffers: set[ReadAhead] = set()

    @property
    def are_full(self) -> bool:
        """Whether they hold as much as they may together."""
        return sum(buffer.size for buffer in self.buffers) >= MAX_TOTAL_BYTES

    def shrink(self) -> None:
        """End the largest late one of the network that holds the most, if it has any.

        Late are those whose listeners are slower than the audio plays. So no network can have the
        replies of another one ended.
        """
        held = Counter[str]()
        for buffer in self.buffers:
            held[buffer.network] += buffer.size
        network = max(held, key=lambda each: held[each], default="")
        slow = [
            buffer
            for buffer in self.buffers
            if buffer.network == network and buffer.late_s() > MAX_LATE_S
        ]
        if slow:
            max(slow, key=lambda buffer: buffer.size).overflow()


class ReadAhead:
    """One reply's audio on its way to its listener.

    Its writer waits until the listener has taken all but the last frame. While ``is_hurried``, it
    only waits if the listener has enough in hand, or all buffers are full. Then a listener that
    does not even take the audio as fast as it plays is ended. ``rate`` is the sample rate of the
    s16le mono PCM, ``owner`` the party that listens.
    """

    def __init__(
        self, all_buffers: ReadAheads, owner: Owner, rate: int, is_hurried: Callable[[], bool]
    ) -> None:
        self.network = owner.network
        self.size = 0
        """Bytes in it."""
        self._all = all_buffers
        self._bytes_per_s = rate * 2
        self._written_s = self._taken_s = 0.0
        """Seconds of audio that came, and that the listener has taken."""
        self._played_s = 0.0
        self._played_at = clock.now()
        """Seconds that a player in real time has played by the loop's time after it."""
        self._is_hurried = is_hurried
        self._audio: deque[bytes] = deque()
        self._is_over = False
        self._overflowed = False
        self._written = asyncio.Event()
        self._taken = asyncio.Event()
        all_buffers.buffers.add(self)

    def late_s(self) -> float:
        """Return the seconds by which the listener is behind a player in real time."""
        now = clock.now()
        self._played_s = min(self._written_s, self._played_s + now - self._played_at)
        self._played_at = now
        return self._played_s - self._taken_s

    @property
    def in_hand_s(self) -> float:
        """Seconds of audio in it."""
        return self.size / self._bytes_per_s

    async def write(self, pcm: bytes, *, is_ending: bool) -> None:
        """Add audio, and wait for room for more. Raises SlowListenerError.

        ``is_ending`` is whether its session has only to speak what it was sent.
        """
        self._check()
        self._audio.append(pcm)
        self.size += len(pcm)
        # What came before has played until now.
        self.late_s()
        self._written_s += len(pcm) / self._bytes_per_s
        self._written.set()
        max_s = MAX_IN_HAND_S if is_ending else ENOUGH_IN_HAND_S
        while len(self._audio) > 1:
            if self._is_hurried():
                if self.in_hand_s <= max_s and not self._all.are_full:
                    break
                self._all.shrink()
            self._taken.clear()
            await clock.wait(self._taken, clock.now() + SLOT_CHECK_S)
            self._check()

    async def runs_low(self) -> None:
        """Wait until the listener has taken all but RUNS_LOW_S of it. Raises SlowListenerError."""
        while self.in_hand_s > RUNS_LOW_S:
            self._taken.clear()
            await self._taken.wait()
        self._check()

    def end(self) -> None:
        """No more audio comes."""
        self._is_over = True
        self._written.set()

    async def read(self, until: float | None = None) -> bytes | None:
        """The next audio; empty at the end, None if there is none by the loop's time ``until``.

        Raises SlowListenerError.
        """
        while not self._audio and not self._is_over and not self._overflowed:
            if until is not None and clock.now() >= until:
                return None
            self._written.clear()
            await clock.wait(self._written, until)
        self._check()
        pcm = self._audio.popleft() if self._audio else b""
        self.size -= len(pcm)
        self._taken_s += len(pcm) / self._bytes_per_s
        self._taken.set()
        return pcm

    def overflow(self) -> None:
        """Drop it all: its listener gets an error."""
        self._overflowed = True
        self._audio.clear()
        self.size = 0
        self._written.set()
        self._taken.set()

    def _check(self) -> None:
        if self._overflowed:
            raise SlowListenerError(
                "The player read the audio too slowly while other replies waited for a session."
            )

    def close(self) -> None:
        """Take it out of the account's buffers."""
        self._all.buffers.discard(self)


async def read_ahead(
    read_aheads: ReadAheads,
    owner: Owner,
    rate: int,
    is_hurried: Callable[[], bool],
    write: Callable[[ReadAhead], Coroutine[Any, Any, None]],
    keepalive: KeepAlive | None = None,
) -> AsyncGenerator[bytes]:
    """Give the audio that a task writes by ``write``, with the silence of ``keepalive``.

    Raises what ``write`` raises, after the audio before it. Leaving cancels the task, and waits for
    it.
    """
    audio = ReadAhead(read_aheads, owner, rate, is_hurried)
    writing = asyncio.create_task(write(audio))
    writing.add_done_callback(lambda _: audio.end())
    # Its error is raised below, unless nobody listens any more.
    writing.add_done_callback(lambda task: task.cancelled() or task.exception())
    try:
        while (pcm := await audio.read(keepalive.deadline() if keepalive else None)) != b"":
            is_speech = pcm is not None
            if pcm is None and keepalive:
                pcm = keepalive.silence()
            if pcm:
                yield pcm
                if keepalive:
                    keepalive.on_given(pcm, is_speech=is_speech)
        writing.result()
    finally:
        audio.close()
        writing.cancel()
        await asyncio.wait((writing,))
        # A cancelled task keeps its error, whose frames refer to the task, until somebody takes it.
        if writing.cancelled():
            with contextlib.suppress(asyncio.CancelledError):
                writing.result()
