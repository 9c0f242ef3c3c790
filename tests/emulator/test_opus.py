"""Opus in Ogg, decoded again by libopus."""

import ctypes
import ctypes.util
from array import array
from typing import Any, NamedTuple

import pytest

from tests.emulator.client import emulated, live

TEXT = "Several words of some length. "
RATE = 48000

pytestmark = pytest.mark.skipif(
    ctypes.util.find_library("opus") is None, reason="libopus is not installed."
)


class Page(NamedTuple):
    flags: int
    position: int
    serial: int
    number: int
    packet: bytes


def pages_of(data: bytes) -> list[Page]:
    """The pages of a stream, each with one packet."""
    pages = []
    while data:
        assert data[:5] == b"OggS\0"
        flags, count = data[5], data[26]
        position, serial, number = (
            int.from_bytes(data[begin:end], "little")
            for begin, end in ((6, 14), (14, 18), (18, 22))
        )
        end = 27 + count + sum(data[27 : 27 + count])
        pages.append(Page(flags, position, serial, number, data[27 + count : end]))
        data = data[end:]
    return pages


def decoded(packets: list[bytes]) -> "array[int]":
    """The samples of all packets."""
    library: Any = ctypes.CDLL(ctypes.util.find_library("opus"))
    library.opus_decoder_create.restype = ctypes.c_void_p
    decoder = ctypes.c_void_p(library.opus_decoder_create(RATE, 1, None))
    samples = array("h")
    for packet in packets:
        pcm = (ctypes.c_short * 960)()
        assert library.opus_decode(decoder, packet, len(packet), pcm, 960, 0) == 960
        samples.extend(pcm)
    library.opus_decoder_destroy(decoder)
    return samples


@pytest.mark.parametrize("bitrate", [None, 24000, 64])
async def test_opus_is_one_stream(bitrate: int | None) -> None:
    """A session in Opus is one Ogg stream that is as long and as loud as the speech."""
    async with emulated(voice="tone") as emulator, live(emulator) as socket:
        wanted = array("h", await socket.say(TEXT, TEXT, format="pcm", sample_rate=44100))
        await socket.start(format="opus", opus_bitrate=bitrate)
        for _ in range(2):
            await socket.text(TEXT)
            await socket.flush()
        await socket.stop()
        heard, finish = await socket.rest()
    assert finish["reason"] == "stop"
    head, tags, *pages = pages_of(b"".join(heard))
    assert (head.packet[:10], tags.packet[:8]) == (b"OpusHead\1\1", b"OpusTags")
    assert [page.number for page in (head, tags, *pages)] == list(range(len(pages) + 2))
    assert [page.flags for page in (head, tags, *pages)] == [2, *[0] * len(pages), 4]
    assert len({page.serial for page in (head, tags, *pages)}) == 1
    skipped = int.from_bytes(head.packet[10:12], "little")
    seconds = len(wanted) / 44100
    assert (pages[-1].position - skipped) / RATE == pytest.approx(seconds, abs=0.001)
    samples = decoded([page.packet for page in pages])[skipped : pages[-1].position]
    loud = sum(map(abs, samples)) / sum(map(abs, wanted)) * 44100 / RATE
    assert loud == pytest.approx(1, abs=0.1)


async def test_nothing_said_is_nothing_encoded() -> None:
    """An empty session has no audio, not even a header."""
    async with emulated() as emulator, live(emulator) as socket:
        assert await socket.say(format="opus") == b""
