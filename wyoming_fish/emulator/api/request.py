"""What Fish Audio makes of a TTSRequest, which is the same map on the socket and on REST.

Field names, ranges and defaults are the official OpenAPI text's, the messages those measured on
the live service. Fields it does not know are ignored; null is as good as nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ..settings import UnknownBackend
from .account import EmulatedVoice
from .errors import REFERENCE_NOT_FOUND, ApiError

N = TypeVar("N", int, float)

BACKENDS = ("s1", "s2-pro", "s2.1-pro", "s2.1-pro-free", "drama-3", "drama-3-preview")
DEFAULT_BACKEND = "s2.1-pro"
FREE_BACKEND = "s2.1-pro-free"
DRAMA_BACKENDS = ("drama-3", "drama-3-preview")

FORMATS = ("wav", "pcm", "mp3", "opus")
LATENCIES = ("low", "balanced", "normal")
MP3_BITRATES = (64, 128, 192)
OPUS_AUTO = -1000
# In kbit/s, too, as official SDKs before 2.0 send them.
OPUS_BITRATES = (OPUS_AUTO, 24, 32, 48, 64, 24000, 32000, 48000, 64000)
SAMPLE_RATES = {
    "wav": (8000, 16000, 24000, 32000, 44100),
    "pcm": (8000, 16000, 24000, 32000, 44100),
    "mp3": (32000, 44100),
    "opus": (48000,),
}


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """A checked TTSRequest, as far as the emulator acts on it."""

    text: str
    backend: str
    format: str
    latency: str
    sample_rate: int
    """Hz"""
    mp3_bitrate: int
    """kbit/s"""
    speed: float
    volume: float
    """dB"""
    chunk_length: int
    """characters"""
    min_chunk_length: int
    voice: EmulatedVoice | None
    """None: Fish's default voice."""


def backend_of(headers: Mapping[str, str], unknown: UnknownBackend) -> str:
    """The backend that the header `model` gives; without one, the paid default.

    Raises ApiError 400 for an unknown one that is to be refused.
    """
    named = headers.get("model", DEFAULT_BACKEND)
    if named in BACKENDS:
        return named
    if unknown == "refused":
        raise _bad("model: " + _unknown_variant(named, BACKENDS))
    return DEFAULT_BACKEND


def parse_speech_request(
    body: object, backend: str, voices: Iterable[EmulatedVoice]
) -> SpeechRequest:
    """Check a TTSRequest. Raises ApiError 400 with the message that Fish gives."""
    if not isinstance(body, dict):
        raise _bad("invalid type: expected struct TTSRequest")
    fields = {name: value for name, value in body.items() if value is not None}
    if "text" not in fields:
        raise _bad("missing field `text`")
    audio_format = _variant(fields, "format", FORMATS, "mp3")
    latency = _variant(fields, "latency", LATENCIES, "normal")
    default_rate = 48000 if audio_format == "opus" else 44100
    rate = _integer(fields, "sample_rate", default_rate)
    if rate not in SAMPLE_RATES[audio_format]:
        raise _bad(
            f"Invalid sample rate {rate} for format {audio_format}. Supported sample rates: "
            + ", ".join(map(str, SAMPLE_RATES[audio_format]))
        )
    bitrate = _integer(fields, "mp3_bitrate", 128)
    if bitrate not in MP3_BITRATES:
        raise _bad(_unknown_variant(bitrate, MP3_BITRATES))
    opus_bitrate = _integer(fields, "opus_bitrate", OPUS_AUTO)
    if opus_bitrate not in OPUS_BITRATES:
        raise _bad(_unknown_variant(opus_bitrate, OPUS_BITRATES))
    prosody = _typed(fields, "prosody", dict, "a map", {})
    prosody = {name: value for name, value in prosody.items() if value is not None}
    for name in ("temperature", "top_p", "repetition_penalty", "early_stop_threshold"):
        _number(fields, name, 0.0)
    for name in ("normalize", "condition_on_previous_chunks"):
        _typed(fields, name, bool, "a boolean", True)
    _integer(fields, "max_new_tokens", 1024)
    for name in ("references", "features", "pronunciation_dictionary"):
        _typed(fields, name, list, "a sequence", [])
    return SpeechRequest(
        text=_typed(fields, "text", str, "a string", ""),
        backend=backend,
        format=audio_format,
        latency=latency,
        sample_rate=rate,
        mp3_bitrate=bitrate,
        speed=_within("speed", _number(prosody, "speed", 1.0), 0.5, 2.0),
        volume=_within("volume", _number(prosody, "volume", 0.0), -20.0, 20.0),
        chunk_length=_within("chunk_length", _integer(fields, "chunk_length", 300), 100, 300),
        min_chunk_length=_within(
            "min_chunk_length", _integer(fields, "min_chunk_length", 50), 0, 100
        ),
        voice=_voice(fields.get("reference_id"), backend, voices),
    )


def _voice(
    reference: object, backend: str, voices: Iterable[EmulatedVoice]
) -> EmulatedVoice | None:
    if reference is None:
        return None
    if isinstance(reference, list):
        # Several speakers in one request are for the S2 family only (official documentation).
        if backend == "s1" or not reference:
            raise _bad("data did not match any variant of untagged enum MultiSpeakerReference")
        references = reference
    else:
        references = [reference]
    known = {voice.id: voice for voice in voices}
    for name in references:
        if not isinstance(name, str):
            raise _bad("data did not match any variant of untagged enum MultiSpeakerReference")
        if name not in known:
            raise _bad(REFERENCE_NOT_FOUND)
    return known[references[0]]


def _variant(fields: dict[str, Any], name: str, variants: tuple[str, ...], default: str) -> str:
    value: str = _typed(fields, name, str, "a string", default)
    if value not in variants:
        raise _bad(_unknown_variant(value, variants))
    return value


def _integer(fields: dict[str, Any], name: str, default: int) -> int:
    value = fields.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _bad(f"{name}: invalid type: expected an integer")
    return value


def _number(fields: dict[str, Any], name: str, default: float) -> float:
    value = fields.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _bad(f"{name}: invalid type: expected a number")
    return value


def _typed(fields: dict[str, Any], name: str, kind: type, said: str, default: Any) -> Any:
    value = fields.get(name, default)
    if not isinstance(value, kind):
        raise _bad(f"{name}: invalid type: expected {said}")
    return value


def _within(name: str, value: N, least: N, most: N) -> N:
    if not least <= value <= most:
        raise _bad(f"{name} must be in [{least}, {most}]")
    return value


def _unknown_variant(value: object, variants: Iterable[object]) -> str:
    listed = ", ".join(f"`{variant}`" for variant in variants)
    return f"unknown variant `{value}`, expected one of {listed}"


def _bad(message: str) -> ApiError:
    return ApiError(400, message)
