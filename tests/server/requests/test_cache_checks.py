"""How often a kept announcement is read to find out whether it is whole, and who waits for it."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from wyoming_fish.server.requests.cache import MAX_ENTRY_BYTES, SLICE_BYTES, Cache

LIMIT = 100 * 2**20


@pytest_asyncio.fixture
async def cache(tmp_path: Path) -> AsyncIterator[Cache]:
    """One that keeps the longest announcement as ``key``."""

    async def speech() -> AsyncIterator[bytes]:
        yield bytes(MAX_ENTRY_BYTES)

    first = Cache(tmp_path, LIMIT, "http://fish")
    async for _ in first.tee("key", speech()):
        pass
    await first.close()
    cache = Cache(tmp_path, LIMIT, "http://fish")
    yield cache
    await cache.close()


async def _read_bytes(cache: Cache) -> int:
    """What is read of the disk to find out whether there is one."""

    def counted() -> int:
        return int(Path("/proc/self/io").read_text().split()[1])

    before = counted()
    assert await cache.load("key") is not None
    return counted() - before


async def test_a_second_check_reads_nothing(cache: Cache, tmp_path: Path) -> None:
    """Nor does one after the file was played, which notes the time of its use."""
    assert await _read_bytes(cache) > MAX_ENTRY_BYTES
    assert await _read_bytes(cache) < SLICE_BYTES
    status = (tmp_path / "key").stat()
    os.utime(tmp_path / "key", ns=(status.st_atime_ns - 10**10, status.st_mtime_ns))
    slices = await cache.load("key")
    assert slices is not None
    await anext(slices)
    await slices.aclose()
    assert (tmp_path / "key").stat().st_atime_ns >= status.st_atime_ns
    assert await _read_bytes(cache) < SLICE_BYTES


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_a_file_that_changes_is_checked_again(
    cache: Cache, tmp_path: Path, *, is_replaced: bool
) -> None:
    """Whether it is written to or another one takes its place."""
    assert await cache.load("key") is not None
    file = tmp_path / "key"
    damaged = bytes(3) + b"x" + file.read_bytes()[4:]
    status = file.stat()
    if is_replaced:
        other = tmp_path / "other"
        other.write_bytes(damaged)
        os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
        other.replace(file)
    else:
        file.write_bytes(damaged)
    assert await cache.load("key") is None


async def test_a_queue_is_no_failure(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While the disk answers others, one that waits for its turn gets its announcement."""
    monkeypatch.setattr("wyoming_fish.server.requests.cache.READ_TIMEOUT_S", 0.1)
    keys = [f"key{number}" for number in range(200)]
    for key in keys:
        (tmp_path / key).hardlink_to(tmp_path / "key")
    found = await asyncio.gather(*map(cache.load, keys))
    assert None not in found
    assert caplog.text == ""
