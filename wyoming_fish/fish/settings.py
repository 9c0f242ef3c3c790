"""Settings: the address of a server, and how it speaks.

Every value is checked when it is made. What Fish would refuse is refused here with the values
that it takes; what Fish would silently read as something else (an unknown backend is billed as
its paid default) is refused too.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from .addresses import check_url, host_of, in_ascii
from .error_mapping import error_from_status
from .errors import FishError, KeyMissingError, SettingsError

__all__ = [
    "FISH_URL",
    "HOME_ASSISTANT_CODES",
    "LANGUAGES",
    "MAX_PAUSES_S",
    "SAMPLE_RATES",
    "SENTENCE_PAUSES_S",
    "SPEEDS",
    "TIMESTAMP_BACKENDS",
    "TIMESTAMP_ONLY_BACKENDS",
    "USD_PER_MILLION_BYTES",
    "VOICE_ID",
    "VOLUMES",
    "Backend",
    "Endpoint",
    "Latency",
    "SpeechSettings",
    "VoiceIds",
    "is_cloud_url",
    "is_voice_id",
    "voice_id_in",
]

FISH_URL: Final = "https://api.fish.audio"

# They have no API.
_WEBSITES: Final = ("fish.audio", "www.fish.audio", "docs.fish.audio")

# Fish answers 400 to 22050 and 48000 for PCM (documentation, and seen by users).
SAMPLE_RATES: Final = (8000, 16000, 24000, 32000, 44100)

# The least and the greatest: a factor, and decibels.
SPEEDS: Final = (0.5, 2.0)
VOLUMES: Final = (-20.0, 20.0)
# Seconds of a pause: listeners take a longer silence for the end of the reply.
SENTENCE_PAUSES_S: Final = (0.0, 5.0)

# Seconds: the least and the greatest bound for a pause. Silence within a word, before a "t", takes
# up to 0.2 s.
MAX_PAUSES_S: Final = (0.3, 10.0)

VoiceIds: TypeAlias = str | tuple[str, ...] | None
"""A voice's id (Fish's `reference_id`), those of several speakers, or Fish's default voice."""

# A voice's id as Fish writes it: 32 hexadecimal digits.
VOICE_ID: Final = re.compile(r"[0-9a-f]{32}")
# Those of a self-hosted server are names of files.
MAX_VOICE_ID_CHARS: Final = 256
_VOICE_ID_IN: Final = re.compile(rf"(?<![0-9a-z]){VOICE_ID.pattern}(?![0-9a-z])", re.IGNORECASE)


class Backend(StrEnum):
    """Fish's speech models, by the value of its `model` header."""

    S2_1_PRO = "s2.1-pro"
    S2_1_PRO_FREE = "s2.1-pro-free"
    S2_PRO = "s2-pro"
    S1 = "s1"
    DRAMA_3 = "drama-3"
    DRAMA_3_PREVIEW = "drama-3-preview"


# Backends that exist only on the websocket with timestamps. On the plain one and on REST, another
# backend speaks, which is billed, and nothing says so (one user).
TIMESTAMP_ONLY_BACKENDS: Final = frozenset((Backend.DRAMA_3_PREVIEW,))
# Backends that use the websocket with timestamps unless an option says otherwise. Drama 3 may also
# exist only there. For the others it is not known whether timestamps cost time.
TIMESTAMP_BACKENDS: Final = TIMESTAMP_ONLY_BACKENDS | {Backend.DRAMA_3}

# US dollars for a million bytes of text (UTF-8). Fish Audio does not publish the price of Drama 3.
USD_PER_MILLION_BYTES: Final = {
    Backend.S2_1_PRO: 15,
    Backend.S2_1_PRO_FREE: 0,
    Backend.S2_PRO: 15,
    Backend.S1: 15,
}


class Latency(StrEnum):
    """How long Fish may wait for the sake of quality.

    Without one Fish takes `normal`, which users measured at 0.65 to 2.5 s to the first audio
    against 0.4 to 0.5 s with the other two.
    """

    LOW = "low"
    BALANCED = "balanced"
    NORMAL = "normal"


# fmt: off
_S1_LANGUAGES: Final = (
    "en", "zh", "ja", "de", "fr", "es", "ko", "ar", "ru", "nl", "it", "pl", "pt",
)
_S2_LANGUAGES: Final = (
    "en", "zh", "ja", "ko", "es", "pt", "ar", "ru", "fr", "de", "sv", "it", "tr", "no", "nl",
    "cy", "eu", "ca", "da", "gl", "ta", "hu", "fi", "pl", "et", "hi", "la", "ur", "th", "vi",
    "jw", "bn", "yo", "cs", "sw", "he", "ms", "uk", "id", "kk", "bg", "lv", "my", "tl", "sk",
    "ne", "fa", "af", "el", "bo", "hr", "ro", "sn", "mi", "yi", "am", "be", "km", "is", "az",
    "sd", "br", "sq", "ps", "mn", "ht", "ml", "sr", "sa", "te", "ka", "bs", "pa", "lt", "kn",
    "si", "hy", "mr", "as", "gu", "fo",
)
# fmt: on

LANGUAGES: Final[dict[Backend, tuple[str, ...]]] = {
    backend: _S1_LANGUAGES if backend is Backend.S1 else _S2_LANGUAGES for backend in Backend
}
"""The languages that each backend speaks, best first, by Fish's own codes (its model cards)."""

HOME_ASSISTANT_CODES: Final = {"no": "nb", "jw": "jv"}
"""Where Fish's codes are not those that Home Assistant knows: Fish's, and Home Assistant's."""


def is_cloud_url(url: str) -> bool:
    """Whether ``url`` is an address of Fish Audio's own service. It need not be valid."""
    try:
        return host_of(url) == host_of(FISH_URL)
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A Fish Audio server and the key to it.

    ``base_url`` is its http or https address; a path in it is kept, but for `/v1` at its end.
    ``api_key`` may be empty only for a self-hosted server. Raises SettingsError for an address or a
    key that is not valid, and KeyMissingError for Fish Audio's own service without a key.
    """

    api_key: str = field(repr=False)
    base_url: str = FISH_URL

    def __post_init__(self) -> None:
        check_url(self.base_url)
        base_url = in_ascii(self.base_url)
        if not self.is_cloud:
            # Clients of OpenAI's API are given it with the version.
            base_url = base_url.rstrip("/").removesuffix("/v1")
        object.__setattr__(self, "base_url", base_url)
        if self.is_cloud and not self.base_url.lower().startswith("https:"):
            raise SettingsError(
                f"http:// would send the API key unencrypted. Use {FISH_URL} as the base URL."
            )
        path = urlsplit(self.base_url).path
        if (self.is_cloud and path.strip("/")) or host_of(self.base_url) in _WEBSITES:
            raise SettingsError(f"The base URL of Fish Audio is {FISH_URL}, without a path.")
        if not self.api_key and self.is_cloud:
            missing = KeyMissingError("Fish Audio needs an API key.")
            missing.is_cloud = True
            raise missing
        # A line end in a header would be an injection, and a key copied with one is common.
        key = self.api_key
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise SettingsError(
                "The API key has a space, a line break, or another character that is not valid. "
                "Copy it again."
            )

    @property
    def is_cloud(self) -> bool:
        """Whether this is Fish Audio's own service."""
        return is_cloud_url(self.base_url)

    @property
    def host(self) -> str:
        """The host and port."""
        parts = urlsplit(self.base_url)
        host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
        return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"

    @property
    def name(self) -> str:
        """What the server is called in a message, to begin a sentence."""
        return "Fish Audio" if self.is_cloud else f"The server {self.host}"

    def refusal(self, status: int, body: bytes = b"") -> FishError:
        """The error for an HTTP answer of this server. It never quotes the key."""
        return error_from_status(status, body, is_cloud=self.is_cloud, secret=self.api_key)

    def url(self, path: str) -> str:
        """The address of ``path`` (which begins with a slash)."""
        return self.base_url.rstrip("/") + path

    @property
    def live_url(self) -> str:
        """The websocket's address: http becomes ws, https becomes wss."""
        parts = urlsplit(self.url("/v1/tts/live"))
        return parts._replace(scheme=parts.scheme.replace("http", "ws")).geturl()

    @property
    def headers(self) -> dict[str, str]:
        """The headers that carry the key."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}


@dataclass(frozen=True, slots=True)
class SpeechSettings:
    """How to speak. None leaves a value to Fish. Raises SettingsError for a value out of range."""

    backend: Backend = Backend.S2_1_PRO
    """The model. Fixed for each socket."""

    voice: VoiceIds = None
    """Of several speakers the first speaks, until a `<|speaker:N|>` (counted from 0) in the text
    says who does. S1 has no such text."""

    latency: Latency = Latency.BALANCED

    sample_rate: int = 44100
    """Hertz of the s16le mono PCM that comes back, one of SAMPLE_RATES. 44100 is Fish's own."""

    speed: float = 1.0
    """A factor, within SPEEDS."""

    volume: float = 0.0
    """Decibels, within VOLUMES."""

    temperature: float | None = None
    """0 to 1."""

    top_p: float | None = None
    """0 to 1."""

    chunk_length: int = 300
    """Characters, 100 to 300, after which Fish speaks without being told. The most, since it is
    told: what is sent to it is cut where it is best cut, and meant to be spoken in one go."""

    min_chunk_length: int = 100
    """Characters, 0 to 100, below which Fish does not cut. The most, for the same reason."""

    max_pause_s: float | None = None
    """Seconds to which silence is cut, within MAX_PAUSES_S; 0: not. None: by the backend."""

    normalize: bool = True
    """Whether Fish reads out numbers and dates (English and Chinese only)."""

    sentence_pause_s: float = 0.0
    """Seconds of silence that are added between two sentences, within SENTENCE_PAUSES_S.

    Only a session's end tells where a sentence ends in the audio. So with a pause, each sentence
    has a session, or a request, of its own."""

    def __post_init__(self) -> None:
        # Plain strings are taken too, as flags and stored configurations hold them.
        _choice("backend", self.backend, tuple(Backend))
        object.__setattr__(self, "backend", Backend(self.backend))
        _choice("latency", self.latency, tuple(Latency))
        object.__setattr__(self, "latency", Latency(self.latency))
        _choice("sample rate", self.sample_rate, SAMPLE_RATES)
        _range("speed", self.speed, *SPEEDS)
        _range("volume", self.volume, *VOLUMES)
        _range("temperature", self.temperature, 0, 1)
        _range("top_p", self.top_p, 0, 1)
        _range("chunk length", self.chunk_length, 100, 300)
        _range("sentence pause", self.sentence_pause_s, *SENTENCE_PAUSES_S)
        _range("least chunk length", self.min_chunk_length, 0, 100)
        if self.max_pause_s:
            _range("longest pause", self.max_pause_s, *MAX_PAUSES_S)
        if self.voice is not None:
            _check_voice(self.voice, self.backend)

    def request(self) -> dict[str, Any]:
        """Fish's TTSRequest with an empty text, as a session's `start` carries it."""
        request: dict[str, Any] = {
            "text": "",
            "format": "pcm",
            "sample_rate": self.sample_rate,
            "latency": self.latency.value,
            "chunk_length": self.chunk_length,
            "min_chunk_length": self.min_chunk_length,
            "normalize": self.normalize,
        }
        optional = {
            "reference_id": self.voice,
            "temperature": self.temperature,
            "top_p": self.top_p,
        }
        request |= {name: value for name, value in optional.items() if value is not None}
        if (self.speed, self.volume) != (1.0, 0.0):
            request["prosody"] = {"speed": self.speed, "volume": self.volume}
        return request


def voice_id_in(text: str) -> str | None:
    """The voice ID in ``text``, which is one or the address of a voice's page; None: neither."""
    match = _VOICE_ID_IN.search(text)
    return match[0].lower() if match else None


def is_voice_id(text: str) -> bool:
    """Whether a server can have a voice of that ID, and it can be shown as it is."""
    return bool(text.strip()) and len(text) <= MAX_VOICE_ID_CHARS and text.isprintable()


def _choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise SettingsError(
            f'The {name} "{value}" is not one of: {", ".join(str(item) for item in allowed)}.'
        )


def _check_voice(voice: str | tuple[str, ...], backend: Backend) -> None:
    ids = (voice,) if isinstance(voice, str) else voice
    if not ids or not all(map(is_voice_id, ids)):
        raise SettingsError(
            f"The voice ID is empty, longer than {MAX_VOICE_ID_CHARS} characters, or cannot be "
            "printed."
        )
    if isinstance(voice, tuple) and backend is Backend.S1:
        # Fish answers 400 to a list, whatever is in it.
        raise SettingsError(
            "The backend s1 supports only one voice. For several speakers, select another backend."
        )


def _range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not (math.isfinite(value) and low <= value <= high):
        raise SettingsError(
            f"The {name} {value} is not valid: it must be between {low} and {high}."
        )
