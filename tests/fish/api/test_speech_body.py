"""The body of an answer of OpenAI's `POST /v1/audio/speech`, cut anywhere."""

from __future__ import annotations

import base64
import json

import pytest

from wyoming_fish.emulator.api.formats import wav_header
from wyoming_fish.fish.api.self_hosted.speech_body import (
    MAX_EVENT_BYTES,
    MAX_SILENT_PARTS,
    SpeechBody,
)
from wyoming_fish.fish.errors import FishError


def _decoded(data: bytes, size: int, *, has_events: bool = False) -> tuple[bytes, int]:
    body = SpeechBody(24000, has_events=has_events)
    pcm = b"".join([body.feed(data[at : at + size]) for at in range(0, len(data), size)])
    return pcm + body.end(), body.rate


def _event(audio: bytes) -> bytes:
    return b"data: " + json.dumps({"audio": base64.b64encode(audio).decode()}).encode() + b"\n\n"


PCM = bytes(range(1, 201))
LIST = b"LIST" + (10).to_bytes(4, "little") + b"a comment."


def _header(kind: int, *, further: int | None = None) -> bytes:
    """The header of a WAV file of so many samples as PCM has, whose format has this number."""
    header = wav_header(16000, len(PCM))
    fields = kind.to_bytes(2, "little") + header[22:36]
    if further is not None:
        fields += bytes([22, 0, 16, 0, 4, 0, 0, 0]) + further.to_bytes(2, "little") + bytes(14)
    return header[:16] + len(fields).to_bytes(4, "little") + fields + header[36:]


@pytest.mark.parametrize("size", [1, 2, 7, 45, 1000])
@pytest.mark.parametrize(
    ("data", "rate"),
    [
        (PCM, 24000),
        (wav_header(16000, len(PCM)) + PCM, 16000),
        (wav_header(16000, 0xFFFFFFFF - 36) + PCM, 16000),
        (wav_header(16000, 0) + PCM, 16000),
        ((wav_header(16000, 100) + PCM[:100]) + (wav_header(16000, 100) + PCM[100:]), 16000),
        (wav_header(16000, len(PCM)) + PCM + LIST, 16000),
        (_header(0xFFFE, further=1) + PCM, 16000),
    ],
)
def test_headers_are_no_samples(data: bytes, rate: int, size: int) -> None:
    """WAV of known and unknown size, file after file, or bare samples: cut anywhere, the same."""
    assert _decoded(data, size) == (PCM, rate)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_events_cut_anywhere(size: int) -> None:
    """The lines of an event may have any end, and comments stand between them."""
    delta = {"type": "speech.audio.delta", "audio": base64.b64encode(PCM).decode()}
    lines = f": ping\r\n\r\nevent: speech.audio.delta\r\ndata: {json.dumps(delta)}\r\n\r\n"
    done = 'data:{"type": "speech.audio.done"}\n\n'
    assert _decoded((lines + done).encode(), size, has_events=True)[0] == PCM


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (wav_header(16000, 400) + PCM, "broke off"),
        (wav_header(16000, 100)[:30], "broke off"),
        (wav_header(16000, 8)[:22] + b"\2" + wav_header(16000, 8)[23:] + PCM, "2 channels"),
        (b"RIFF\0\0\0\0WAVEJUNK\xff\xff\xff\x7f" + PCM, "RIFF header without an end"),
        (wav_header(0, 2) + b"ab", "0 Hz"),
        (_header(3) + PCM, r"WAV of format 3, and not of 1 \(PCM\)"),
        (_header(7) + PCM, "WAV of format 7"),
        (_header(0xFFFE, further=3) + PCM, "WAV of format 3"),
        (_header(0xFFFE) + PCM, "WAV of format 0"),
        (wav_header(16000, 2) + b"ab" + (b"LIST" + bytes(4)) * 3000, "hardly any audio"),
        (
            wav_header(16000, 2) + b"ab" + wav_header(44100, 2) + b"ab",
            "changed the sample rate",
        ),
    ],
)
@pytest.mark.parametrize("size", [10, 2**20])
def test_bad_files(data: bytes, said: str, size: int) -> None:
    """What is not the whole of such a file is an error, and not noise."""
    with pytest.raises(FishError, match=said):
        _decoded(data, size)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"data: {}\n\n", "broke off"),
        (b"data: [1]\n\n", "not a message"),
        (b"data: x\n\n", "not JSON"),
        (b'data: {"audio": "*"}\n\n', "not base64"),
        (b'data: {"audio": 5}\n\n', "not base64"),
        (b'data: {"audio": {"data": "YWI=", "sample_rate": 0}}\n\n', "0 Hz"),
        (b'data: {"error": {"message": "out of memory"}}\n\n', "out of memory"),
        (b'data: {"error": [5]}\n\n', "no reason given"),
        (b": ping\n" * (MAX_SILENT_PARTS + 1), "hardly any audio"),
        (b'data: {"audio": "YWI="}\n\n' * (2 * MAX_SILENT_PARTS), "hardly any audio"),
        (b"\n" * (MAX_SILENT_PARTS + 1), "hardly any audio"),
        (_event(wav_header(16000, 2) + b"ab" + b"data\1\0\0\0x" * 3000), "hardly any audio"),
        (b"data: " + b"x" * (MAX_EVENT_BYTES + 1), "too large"),
        (b"data: \n" + (b"data: " + b"x" * 2**19 + b"\n") * 4, "too large"),
        ("data: 🐟".encode() + b"x" * 2**17 + b"\n\n", "not audio"),
        (rb"data: \ud83d\udc1f" + b"x" * 2**17 + b"\n\n", "not audio"),
        (b"data: [" + b"[" * 70_000 + b"\n\n", "too many values"),
    ],
)
def test_bad_events(data: bytes, said: str) -> None:
    """What is not an event of speech is an error, within bounds."""
    with pytest.raises(FishError, match=said):
        _decoded(data, 2**16, has_events=True)


def test_many_small_parts_of_a_long_speech() -> None:
    """A file for each hundredth of a second, or an event, is speech for as long as it goes on."""
    pcm = PCM * 2
    files = (wav_header(16000, len(pcm)) + pcm) * MAX_SILENT_PARTS
    assert _decoded(files, 4096) == (pcm * MAX_SILENT_PARTS, 16000)
    events = _event(pcm) * MAX_SILENT_PARTS + b"data: [DONE]\n\n"
    assert _decoded(events, 4096, has_events=True) == (pcm * MAX_SILENT_PARTS, 24000)
