"""Speech kept on disk, for announcements that are made again and again.

Each is a file of its own in one folder: a checksum, and s16le mono PCM. There is no index that
could be wrong: what was used last is told by the files' times, and any file may be deleted at any
time. Several servers may share the folder.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import re
import stat
import tempfile
import threading
import time
import zlib
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar, Final, NamedTuple, TypeVar

from ... import __version__
from ...fish.errors import BrokenStreamError

__all__ = ["Cache", "CacheError"]

_LOGGER = logging.getLogger(__name__)

_T = TypeVar("_T")

# Bytes of one announcement, three quarters of a minute at 44100 Hz. It is in memory while it is
# made, and all of it is checked before it is heard: what is longer is hardly said twice.
MAX_ENTRY_BYTES: Final = 4 * 2**20

# Bytes that are read at a time, 0.19 s at 44100 Hz. For each listener they are in memory twice,
# as audio and as an event, beside what waits to be sent. It is even: a sample has two bytes.
SLICE_BYTES: Final = 16 * 2**10

# Bytes of all announcements in memory: those that are being made, and those that wait for the disk.
# Two of the largest fit, or eighteen of five seconds. What does not fit is not kept.
MAX_COLLECTED_BYTES: Final = 8 * 2**20

# Files whose checksums are remembered, with 13 KB for each of the largest: to check one again costs
# a look at its time, so that a client which asks for one again and again delays no other.
MAX_REMEMBERED: Final = 64

# Seconds after which it is noted again that a file is used.
TOUCH_INTERVAL_S: Final = 5.0

# Seconds without an answer to anybody after which the disk is not asked for one: Fish is as fast.
READ_TIMEOUT_S: Final = 0.5

# Seconds to wait for the next slice. A pause is better than a reply that breaks off, but a listener
# does not wait for longer.
SLICE_TIMEOUT_S: Final = 5.0

# Seconds to write what is left at the end.
CLOSE_TIMEOUT_S: Final = 2.0

# Bytes of the checksum that a file begins with. It is for what is damaged or was cut off by a power
# failure, not against people: who can write here can write anything.
CHECKSUM: Final = 4

# Nothing in the folder that is named otherwise is touched.
_NAME: Final = re.compile(r"[0-9a-f]{64}(\.\w+\.part)?")

# Seconds after which a file that is not finished never will be: its server died.
STALE_FILE_AGE_S: Final = 600.0


class CacheError(BrokenStreamError):
    """A file changed or disappeared while it was played."""

    default_advice: ClassVar[str] = (
        "Ask again. If it persists, check the disk with the cache folder."
    )


class _File(NamedTuple):
    used: float
    """Seconds since 1970."""
    size: int
    path: str


class _Checked(NamedTuple):
    """A file that was found to be whole."""

    state: tuple[int, int, int]
    """Another one if it is replaced or written to."""
    checksums: list[bytes]
    """Of its slices."""


class Cache:
    """At most ``limit`` bytes of speech in ``folder``, which is made when it is needed.

    ``base_url`` is that of the Fish Audio server that speaks.

    If the disk fails, there is a warning and nothing is kept. Nothing is raised, except CacheError
    for audio that cannot be played to its end. Nothing blocks the loop. Call ``close()`` in the
    end.
    """

    def __init__(self, folder: Path, limit: int, base_url: str) -> None:
        self._base_url = base_url
        self._folder = folder
        self._limit = limit
        # Threads of its own: a disk that stands still must not keep names from being looked up.
        self._threads = ThreadPoolExecutor(2, "cache")
        self._writing = asyncio.Lock()
        self._lock = threading.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._collected_bytes = 0
        self._checked: dict[str, _Checked] = {}
        """In the order in which they were checked."""
        self._answers = 0
        """Of the disk, to anybody."""
        _warn_if_open(folder)

    def key(self, *parts: object) -> str:
        """The name of what is spoken of ``parts``: all that changes the audio, by their ``repr``.

        Another version of this package may clean the text or cut it otherwise.
        """
        return hashlib.sha256(repr((__version__, self._base_url, *parts)).encode()).hexdigest()

    async def get(self, key: str) -> AsyncGenerator[bytes] | None:
        """The PCM that was kept as ``key``, in slices; None if there is none.

        All of it has been checked. The generator keeps neither the audio nor a file open. It raises
        CacheError if the file is not what it was.
        """
        try:
            checksums = await self._ask_disk(lambda: self._check(key), READ_TIMEOUT_S)
        except OSError as error:
            _LOGGER.warning("The cache is not used: %s", error)
            return None
        return self._slices(key, checksums) if checksums else None

    async def _slices(self, key: str, checksums: list[bytes]) -> AsyncGenerator[bytes]:
        for number, checksum in enumerate(checksums):
            yield await self._slice(key, number, checksum)

    async def _slice(self, key: str, number: int, checksum: bytes) -> bytes:
        try:
            pcm = await self._ask_disk(lambda: self._read(key, number), SLICE_TIMEOUT_S)
            if _checksum(pcm) != checksum:
                raise OSError(f"{self._folder / key} has changed")
        except OSError as error:
            _LOGGER.warning("A reply from the cache breaks off: %s", error)
            raise CacheError("The rest of the reply cannot be read from the cache.") from error
        return pcm

    async def tee(self, key: str, speech: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
        """``speech`` as it comes; kept as ``key`` if it comes to its end and there is room."""
        collected: bytearray | None = bytearray()
        try:
            async with contextlib.aclosing(speech):
                async for pcm in speech:
                    if collected is not None and not self._collect(collected, pcm):
                        self._collected_bytes -= len(collected)
                        collected = None
                    yield pcm
            if collected:
                # The listener does not wait for the disk.
                task = asyncio.create_task(self._keep(key, collected))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                # From here on it is counted by the task.
                collected = None
        finally:
            self._collected_bytes -= len(collected or b"")

    def _collect(self, collected: bytearray, pcm: bytes) -> bool:
        """Add ``pcm`` to what is to be kept, if there is room for it."""
        is_small = len(collected) + len(pcm) <= min(MAX_ENTRY_BYTES, self._limit - CHECKSUM)
        if not is_small or self._collected_bytes + len(pcm) > MAX_COLLECTED_BYTES:
            return False
        collected += pcm
        self._collected_bytes += len(pcm)
        return True

    async def close(self) -> None:
        """Finish writing, within CLOSE_TIMEOUT_S."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CLOSE_TIMEOUT_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _keep(self, key: str, pcm: bytearray) -> None:
        try:
            async with self._writing:
                await self._in_thread(lambda: self._write(key, pcm))
        except OSError as error:
            _LOGGER.warning("The cache cannot be written: %s", error)
        finally:
            self._collected_bytes -= len(pcm)

    async def _ask_disk(self, work: Callable[[], _T], timeout_s: float) -> _T:
        """Raises OSError, also if the disk answers nobody for ``timeout_s``.

        If it answers others, there is no more than a queue, which is waited for up to
        SLICE_TIMEOUT_S.
        """
        asked = asyncio.ensure_future(self._in_thread(work))
        give_up_at = asyncio.get_running_loop().time() + SLICE_TIMEOUT_S
        try:
            while True:
                answers = self._answers
                await asyncio.wait((asked,), timeout=timeout_s)
                if asked.done():
                    return asked.result()
                is_late = asyncio.get_running_loop().time() >= give_up_at
                if is_late or answers == self._answers:
                    raise OSError(f"{self._folder} does not answer")
        finally:
            asked.cancel()

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        answer = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        self._answers += 1
        return answer

    def _check(self, key: str) -> list[bytes]:
        """The checksums of the slices of ``key``; none if it is not there.

        Raises OSError if it is not whole.
        """
        path = self._folder / key
        checksums = []
        crc = 0
        try:
            with path.open("rb") as file:
                state = _state(os.fstat(file.fileno()))
                if (checked := self._checked.get(key)) and checked.state == state:
                    return checked.checksums
                checksum = file.read(CHECKSUM)
                while pcm := file.read(SLICE_BYTES):
                    crc = zlib.crc32(pcm, crc)
                    checksums.append(_checksum(pcm))
        except FileNotFoundError:
            return []
        if not checksums or checksum != crc.to_bytes(CHECKSUM, "big"):
            raise OSError(f"{path} is damaged; it is made anew")
        self._remember(key, _Checked(state, checksums))
        return checksums

    def _remember(self, key: str, checked: _Checked) -> None:
        """Keep the checksums of ``key``, and not more than MAX_REMEMBERED."""
        with self._lock:
            self._checked.pop(key, None)
            self._checked[key] = checked
            if len(self._checked) > MAX_REMEMBERED:
                del self._checked[next(iter(self._checked))]

    def _read(self, key: str, number: int) -> bytes:
        path = self._folder / key
        with path.open("rb") as file:
            file.seek(CHECKSUM + number * SLICE_BYTES)
            pcm = file.read(SLICE_BYTES)
            # What is being played is not deleted to make room.
            with contextlib.suppress(OSError):
                self._touch(key, file.fileno())
        return pcm

    def _touch(self, key: str, file: int) -> None:
        """Note that ``key`` is used."""
        with self._lock:
            status = os.fstat(file)
            if abs(time.time() - status.st_mtime) < TOUCH_INTERVAL_S:
                return
            os.utime(file)
            checked = self._checked.get(key)
            if checked is not None and checked.state == _state(status):
                self._checked[key] = checked._replace(state=_state(os.fstat(file)))

    def _write(self, key: str, pcm: bytearray) -> None:
        # What is said in a house is private.
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._make_room(CHECKSUM + len(pcm))
        handle, part = tempfile.mkstemp(".part", f"{key}.", self._folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_checksum(pcm))
                file.write(pcm)
            # Without fsync: what a power failure leaves is known by its checksum.
            Path(part).replace(self._folder / key)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise

    def _make_room(self, size: int) -> None:
        """Delete what was used the longest ago, until there is room for ``size`` bytes."""
        files = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    # Another server may be deleting, too.
                    with contextlib.suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        files.append(_File(status.st_mtime, status.st_size, entry.path))
        total = sum(file.size for file in files)
        now = time.time()
        for file in sorted(files):
            # What another server is about to finish is left to it.
            unfinished = file.path.endswith(".part")
            if file.used < now - STALE_FILE_AGE_S if unfinished else total + size > self._limit:
                Path(file.path).unlink(missing_ok=True)
                total -= file.size


def _warn_if_open(folder: Path) -> None:
    """Log a warning if other users of this machine can look into a folder that is there."""
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
    except OSError:
        return
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        can = "find out what was spoken"
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            can = "replace what is spoken"
        _LOGGER.warning(
            "Other users of this machine can %s: the mode of the cache folder %s is %03o. "
            "Run: chmod 700 %s",
            *(can, folder, mode, folder),
        )


def _state(status: os.stat_result) -> tuple[int, int, int]:
    """What changes if a file is replaced or written to."""
    return status.st_ino, status.st_size, status.st_mtime_ns


def _checksum(pcm: bytes | bytearray) -> bytes:
    return zlib.crc32(pcm).to_bytes(CHECKSUM, "big")
