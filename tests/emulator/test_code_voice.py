import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wyoming_fish.emulator import decode_code_voice
from wyoming_fish.emulator.voices.code import encode_code_voice

TEXT = st.text(min_size=1, max_size=12)
SAMPLES = st.integers(min_value=2, max_value=255)


@given(TEXT, SAMPLES)
def test_text_comes_back(text: str, samples: int) -> None:
    """What was encoded is decoded to the same text, at the length that was promised."""
    pcm = encode_code_voice(text, samples)
    assert len(pcm) == len(text.encode()) * samples * 2
    assert decode_code_voice(pcm, samples) == text


@given(TEXT, SAMPLES, st.data())
def test_a_lost_sample_is_found(text: str, samples: int, data: st.DataObject) -> None:
    """Without any one of its samples the audio is refused."""
    pcm = encode_code_voice(text, samples)
    at = data.draw(st.integers(0, len(pcm) // 2 - 1)) * 2
    with pytest.raises(ValueError, match=r"sample \d+"):
        decode_code_voice(pcm[:at] + pcm[at + 2 :], samples)


@given(TEXT, SAMPLES, st.data())
def test_a_doubled_sample_is_found(text: str, samples: int, data: st.DataObject) -> None:
    """With any one of its samples twice the audio is refused, at that sample."""
    pcm = encode_code_voice(text, samples)
    at = data.draw(st.integers(0, len(pcm) // 2 - 1)) * 2
    with pytest.raises(ValueError, match=rf"sample {at // 2 + 1} "):
        decode_code_voice(pcm[: at + 2] + pcm[at:], samples)


@given(TEXT, SAMPLES, st.data())
def test_a_lost_byte_is_found(text: str, samples: int, data: st.DataObject) -> None:
    """Without any one of its bytes, all after it shifted, the audio is refused."""
    pcm = encode_code_voice(text, samples)
    at = data.draw(st.integers(0, len(pcm) - 1))
    with pytest.raises(ValueError, match=r"sample \d+"):
        decode_code_voice(pcm[:at] + pcm[at + 1 :], samples)


@given(TEXT, SAMPLES)
def test_shifted_audio_is_found(text: str, samples: int) -> None:
    """A byte too many at the start, as a header of odd length leaves it, is refused."""
    with pytest.raises(ValueError, match=r"sample \d+"):
        decode_code_voice(b"\1" + encode_code_voice(text, samples), samples)


@given(TEXT, SAMPLES)
def test_swapped_bytes_are_found(text: str, samples: int) -> None:
    """Big-endian audio is refused."""
    pcm = bytearray(encode_code_voice(text, samples))
    pcm[::2], pcm[1::2] = pcm[1::2], pcm[::2]
    with pytest.raises(ValueError, match=r"sample \d+"):
        decode_code_voice(bytes(pcm), samples)


@given(TEXT, SAMPLES, st.data())
def test_an_altered_sample_is_found(text: str, samples: int, data: st.DataObject) -> None:
    """Any other value of any one sample is refused, whoever changed it."""
    pcm = bytearray(encode_code_voice(text, samples))
    at = data.draw(st.integers(0, len(pcm) - 1))
    value = data.draw(st.integers(0, 255))
    assume(value != pcm[at])
    pcm[at] = value
    with pytest.raises(ValueError, match=r"sample \d+"):
        decode_code_voice(bytes(pcm), samples)


def test_the_first_wrong_sample_is_named() -> None:
    """The error says which sample it is and what should have been there."""
    pcm = bytearray(encode_code_voice("ab", 3))
    pcm[8:10] = b"\xff\x7f"
    with pytest.raises(ValueError, match="sample 4 is ff 7f, not 62 02"):
        decode_code_voice(bytes(pcm), 3)


def test_silence_is_refused_unless_allowed() -> None:
    """Zero samples between two bytes of text pass only where the caller allows them."""
    pcm = bytes(8) + encode_code_voice("a", 4) + bytes(6) + encode_code_voice("b", 4) + bytes(2)
    assert decode_code_voice(pcm, 4, allow_silence=True) == "ab"
    with pytest.raises(ValueError, match="sample 0 is 00 00"):
        decode_code_voice(pcm, 4)


def test_silence_within_a_byte_is_never_allowed() -> None:
    """Zero samples within the run of one byte are an error even if silence is allowed."""
    run = encode_code_voice("a", 4)
    with pytest.raises(ValueError, match="sample 2 is 00 00"):
        decode_code_voice(run[:4] + bytes(4) + run[4:], 4, allow_silence=True)


def test_no_utf8_is_refused() -> None:
    """Runs that are whole but spell no text are refused."""
    with pytest.raises(ValueError, match="not UTF-8"):
        decode_code_voice(encode_code_voice("ä", 2)[:4], 2)


@pytest.mark.parametrize("samples", [0, 1, 256])
def test_runs_that_could_prove_nothing_are_refused(samples: int) -> None:
    """A run needs two samples to be told from its neighbours, and its position fits a byte."""
    with pytest.raises(ValueError, match="2 to 255"):
        encode_code_voice("a", samples)
