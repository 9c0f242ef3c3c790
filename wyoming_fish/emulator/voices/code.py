"""The voice `code`: the text itself as samples, so that a test can prove what it received.

Each byte of the UTF-8 text becomes a run of samples. A sample's low byte is the byte of text, its
high byte the position within the run, from 1: a sample that is lost, doubled, altered, or that was
put together from the halves of two, does not fit where it stands. No sample is zero, so silence
between runs can be told from speech.
"""

import re
from functools import cache

LEAST_SAMPLES = 2
MOST_SAMPLES = 255

_WORD = re.compile(r"(\S+)\s*")


def encode_code_voice(text: str, samples_per_byte: int = 120) -> bytes:
    """Give `text` as s16le mono PCM. The rate does not matter."""
    runs = _runs(samples_per_byte)
    return b"".join([runs[byte] for byte in text.encode()])


def locate_code_words(text: str, samples_per_byte: int = 120) -> list[tuple[str, int, int]]:
    """Each word of `text` with its first sample and the one after its last.

    The spaces that follow a word are heard in this voice, and belong to it.
    """
    return [
        (
            match[1],
            len(text[: match.start()].encode()) * samples_per_byte,
            len(text[: match.end()].encode()) * samples_per_byte,
        )
        for match in _WORD.finditer(text)
    ]


def decode_code_voice(
    pcm: bytes, samples_per_byte: int = 120, *, allow_silence: bool = False
) -> str:
    """Give the text that `pcm`, s16le mono, was made of.

    With `allow_silence`, samples of zero between the runs of two bytes of text, before the first
    and after the last are passed over. Raises ValueError with the position of the first wrong
    sample.
    """
    runs = _runs(samples_per_byte)
    length = samples_per_byte * 2
    text = bytearray()
    position = 0
    while position < len(pcm):
        run = pcm[position : position + length]
        if run == runs[run[0]]:
            text.append(run[0])
            position += length
        elif allow_silence and run[:2] == b"\0\0":
            position += 2
        else:
            raise ValueError(_what_is_wrong(run, runs[run[0]], position // 2))
    try:
        return text.decode()
    except UnicodeDecodeError as error:
        sample = error.start * samples_per_byte
        raise ValueError(
            f"the byte {error.start} of the text, about sample {sample}, is not UTF-8"
        ) from error


def _what_is_wrong(run: bytes, expected: bytes, first: int) -> str:
    for offset in range(0, len(run) - 1, 2):
        if run[offset : offset + 2] != expected[offset : offset + 2]:
            found, wanted = (
                run[offset : offset + 2].hex(" "),
                expected[offset : offset + 2].hex(" "),
            )
            return f"sample {first + offset // 2} is {found}, not {wanted}"
    return f"sample {first + len(run) // 2} is missing: the audio ends within a byte of the text"


@cache
def _runs(samples_per_byte: int) -> list[bytes]:
    if not LEAST_SAMPLES <= samples_per_byte <= MOST_SAMPLES:
        raise ValueError(
            f"{samples_per_byte} samples for a byte: {LEAST_SAMPLES} to {MOST_SAMPLES}"
        )
    return [
        b"".join(bytes((byte, position)) for position in range(1, samples_per_byte + 1))
        for byte in range(256)
    ]
