"""Cache: keeps the audio of repeated announcements on the disk.

Each entry is a file in one folder: a checksum, and s16le mono PCM. There is no index: the access
times of the files tell which one was used last, and any file can be deleted at any time. Several
servers can share the folder: none of them replaces a whole file, which another may be playing.
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
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO, ClassVar, Final, NamedTuple, TypeVar

from ... import __version__
from ...fish.errors import BrokenStreamError

__all__ = ["Cache", "CacheError"]

_LOGGER = logging.getLogger(__name__)

_T = TypeVar("_T")

# An announcement of 45 s at 44100 Hz. It is in memory until it is complete, and all of it is
# checked before it is played. Longer texts are rarely spoken twice.
MAX_ENTRY_BYTES: Final = 4 * 2**20

# Bytes that are read at a time, 0.19 s at 44100 Hz. For each listener they are in memory twice,
# as audio and as an event. The number is even: a sample has two bytes.
SLICE_BYTES: Final = 16 * 2**10

# Audio in memory that is incomplete or waits for the disk: two entries of the maximum size, or
# eighteen of five seconds. Other audio is not kept.
MAX_COLLECTED_BYTES: Final = 8 * 2**20

# Files that are known to be whole: to check one again costs a look at its time, so that a client
# which asks for one again and again delays no other.
MAX_REMEMBERED: Final = 1000

# Seconds without an answer to anybody after which the disk is not asked for one: Fish is as fast.
READ_TIMEOUT_S: Final = 0.5

# Seconds to wait for the next slice: a pause is better than an error, but listeners give up later.
SLICE_TIMEOUT_S: Final = 5.0

# Seconds to finish all writes at the end.
CLOSE_TIMEOUT_S: Final = 2.0

# Bytes of the checksum at the start of a file. It detects damage and power failures, not attacks:
# a user who can write here can also write the checksum.
CHECKSUM_BYTES: Final = 4

# Other files in the folder are ignored.
_NAME: Final = re.compile(r"[0-9a-f]{64}(\.\w+\.part)?")

# Seconds after which an incomplete file is deleted: its server has died.
STALE_FILE_AGE_S: Final = 600.0


class CacheError(BrokenStreamError):
    """A file changed or disappeared while it was played."""

    default_advice: ClassVar[str] = (
        "Try again. If the error persists, check the disk with the cache folder."
    )


class _File(NamedTuple):
    used: float
    """The time of its last use: seconds since 1970."""
    size: int
    path: str


class _FileState(NamedTuple):
    """What is another one if a file is replaced or written to."""

    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, file: BinaryIO) -> _FileState:
        """Return the state of an open file."""
        status = os.fstat(file.fileno())
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)


class Cache:
    """At most ``limit`` bytes of audio in ``folder``, which is created when it is needed.

    ``base_url`` is the address of the Fish Audio server.

    If the disk fails, a warning is logged and the audio is not kept. The only error is CacheError,
    for audio that cannot be played to its end. Nothing blocks the event loop. Call ``close()`` in
    the end.
    """

    def __init__(self, folder: Path, limit: int, base_url: str) -> None:
        self._base_url = base_url
        self._folder = folder
        self._limit = limit
        # Threads of its own: a disk that does not answer must not delay name lookups.
        self._threads = ThreadPoolExecutor(2, "cache")
        self._writing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._collected_bytes = 0
        self._checked: dict[str, _FileState] = {}
        """Files that were found to be whole, by key. The oldest first."""
        self._answers = 0
        """Of the disk, to anybody."""
        _warn_if_open(folder)

    def key(self, *parts: object) -> str:
        """Return the key of ``parts``: all values that change the audio, by their ``repr``.

        The version is a part of it, because another version can clean or cut the text differently.
        """
        return hashlib.sha256(repr((__version__, self._base_url, *parts)).encode()).hexdigest()

    async def load(self, key: str) -> AsyncGenerator[bytes] | None:
        """Return the PCM of ``key`` in slices, after a check of the whole file; None if not cached.

        The generator keeps no audio in memory and no file open. It raises CacheError if the file
        changes.
        """
        known = self._checked.get(key)
        try:
            state = await self._access_disk(lambda: self._check(key, known), READ_TIMEOUT_S)
        except OSError as error:
            _LOGGER.warning("Cannot use the cache: %s", error)
            return None
        if state is None:
            return None
        self._checked[key] = state
        if len(self._checked) > MAX_REMEMBERED:
            del self._checked[next(iter(self._checked))]
        return self._slices(key, state)

    async def _slices(self, key: str, state: _FileState) -> AsyncGenerator[bytes]:
        for start in range(CHECKSUM_BYTES, state.size, SLICE_BYTES):
            try:
                pcm = await self._access_disk(
                    partial(self._read, key, start, state), SLICE_TIMEOUT_S
                )
            except OSError as error:
                _LOGGER.warning("Cannot finish a reply from the cache: %s", error)
                raise CacheError("The rest of the reply cannot be read from the cache.") from error
            yield pcm

    async def tee(self, key: str, speech: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
        """Pass ``speech`` on, and store it as ``key`` when it is complete and there is room."""
        collected: bytearray | None = bytearray()
        try:
            async for pcm in speech:
                if collected is not None and not self._collect(collected, pcm):
                    self._collected_bytes -= len(collected)
                    collected = None
                yield pcm
            if collected:
                # The listener does not wait for the disk.
                task = asyncio.create_task(self._store(key, collected))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                # From now on, the task counts it.
                collected = None
        finally:
            self._collected_bytes -= len(collected or b"")

    def _collect(self, collected: bytearray, pcm: bytes) -> bool:
        """Add ``pcm`` to the audio of an entry, if there is room."""
        is_small = len(collected) + len(pcm) <= min(MAX_ENTRY_BYTES, self._limit - CHECKSUM_BYTES)
        if not is_small or self._collected_bytes + len(pcm) > MAX_COLLECTED_BYTES:
            return False
        collected += pcm
        self._collected_bytes += len(pcm)
        return True

    async def close(self) -> None:
        """Finish all writes, within CLOSE_TIMEOUT_S."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=CLOSE_TIMEOUT_S)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _store(self, key: str, pcm: bytearray) -> None:
        try:
            async with self._writing:
                await self._in_thread(lambda: self._write(key, pcm))
        except OSError as error:
            _LOGGER.warning("Cannot write to the cache: %s", error)
        finally:
            self._collected_bytes -= len(pcm)

    async def _access_disk(self, work: Callable[[], _T], timeout_s: float) -> _T:
        """Run ``work`` in a thread.

        Raises OSError, also if the disk answers no call for ``timeout_s``. If it answers other
        calls, this one only waits in the queue, for up to SLICE_TIMEOUT_S.
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

    def _check(self, key: str, known: _FileState | None) -> _FileState | None:
        """Return the state of the file of ``key``, which is whole; None if there is none.

        ``known`` is the state in which it was whole. Raises OSError if the file is damaged.
        """
        path = self._folder / key
        crc = 0
        try:
            with path.open("rb") as file:
                state = _FileState.of(file)
                if state == known:
                    return state
                checksum = file.read(CHECKSUM_BYTES)
                while pcm := file.read(SLICE_BYTES):
                    crc = zlib.crc32(pcm, crc)
        except FileNotFoundError:
            return None
        if state.size <= CHECKSUM_BYTES or checksum != crc.to_bytes(CHECKSUM_BYTES, "big"):
            raise OSError(f"{path} is damaged. It will be created again.")
        return state

    def _read(self, key: str, start: int, state: _FileState) -> bytes:
        """Return one slice of a file in that ``state``. Raises OSError."""
        path = self._folder / key
        with path.open("rb") as file:
            if _FileState.of(file) != state:
                raise OSError(f"{path} has changed")
            file.seek(start)
            pcm = file.read(SLICE_BYTES)
            # What is being played is not deleted to make room.
            with contextlib.suppress(OSError):
                os.utime(file.fileno(), ns=(time.time_ns(), state.modified_ns))
        return pcm

    def _write(self, key: str, pcm: bytearray) -> None:
        """Store an entry, unless there is one: somebody may be playing it, on any server."""
        path = self._folder / key
        try:
            if self._check(key, self._checked.get(key)) is not None:
                return
        except OSError:
            path.unlink(missing_ok=True)
        # Speech is private.
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._evict(CHECKSUM_BYTES + len(pcm))
        handle, part = tempfile.mkstemp(".part", f"{key}.", self._folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(zlib.crc32(pcm).to_bytes(CHECKSUM_BYTES, "big"))
                file.write(pcm)
            # Without fsync: the checksum detects a file that a power failure has damaged.
            _rename_without_replacing(Path(part), path)
        finally:
            Path(part).unlink(missing_ok=True)

    def _evict(self, size: int) -> None:
        """Delete the least recently used entries until there is room for ``size`` bytes."""
        files = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                if _NAME.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                    # Another server can delete files at the same time.
                    with contextlib.suppress(FileNotFoundError):
                        status = entry.stat(follow_symlinks=False)
                        files.append(_File(status.st_atime, status.st_size, entry.path))
        total = sum(file.size for file in files)
        now = time.time()
        for file in sorted(files):
            # Another server can still complete a new file.
            unfinished = file.path.endswith(".part")
            if file.used < now - STALE_FILE_AGE_S if unfinished else total + size > self._limit:
                Path(file.path).unlink(missing_ok=True)
                total -= file.size


def _rename_without_replacing(source: Path, target: Path) -> None:
    """Give a complete file its name.

    A file that another server has just created stays, if the filesystem has hard links.
    """
    try:
        target.hardlink_to(source)
    except FileExistsError:
        return
    except OSError:
        # Some filesystems, such as exFAT, have no hard links.
        source.replace(target)


def _warn_if_open(folder: Path) -> None:
    """Log a warning if other users of this machine have access to an existing folder."""
    try:
        mode = stat.S_IMODE(folder.stat().st_mode)
    except OSError:
        return
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        can = "find out which texts were spoken"
        if mode & (stat.S_IWGRP | stat.S_IWOTH):
            can = "replace the audio"
        _LOGGER.warning(
            "Other users of this machine can %s: the mode of the cache folder %s is %03o. "
            "Run: chmod 700 %s",
            *(can, folder, mode, folder),
        )
