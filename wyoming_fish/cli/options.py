"""The server's options, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from ..fish import FishError, Pronunciation, TextSettings, parse_pronunciations, proxy_for
from ..fish.settings import VOICE_ID, Endpoint, SpeechSettings
from ..fish.text.cues import Cues
from ..uri import ListenAddress, got
from .command_line import read_flags
from .flags import FLAGS

__all__ = ["Options", "endpoint_of", "speech_of"]

# The keys of the flags that are fields of SpeechSettings.
SPEECH_FLAGS: Final = (
    *("backend", "voice", "latency", "sample_rate", "speed", "volume"),
    "max_pause",
)

# The fields of TextSettings, and the keys of their flags.
TEXT_FLAGS: Final = {
    "mode": "text_mode",
    "cues": "cues",
    "emoji": "emoji",
    "urls": "urls",
    "code": "code_replacement",
    "style": "style",
    "trusted": "allow_control_tokens",
}

# A larger file is not a key file.
MAX_KEY_FILE_BYTES: Final = 4096
# The maximum number of pronunciations of the maximum length takes about half of this.
MAX_PRONUNCIATIONS_BYTES: Final = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Options:
    """All options of the server, with valid values. The fields have the names of the flags."""

    uri: ListenAddress
    endpoint: Endpoint | None
    """None for the demo: the address of its emulator is not known before it runs."""
    speech: SpeechSettings
    """The settings of a reply, unless its client requests others."""
    text_settings: TextSettings
    concurrency: int | None
    """Sessions at the same time; more replies wait. None: the account's limit."""
    ready_connections: int
    """Connections that are kept open for the next replies."""
    pool_idle_timeout_s: float
    """Time without a reply after which these are closed."""
    keepalive_interval_s: float
    """Time without audio in a streamed reply after which silence is sent; 0: never."""
    resume: bool
    """Whether replies use the endpoint with timestamps, so that one that breaks off resumes."""
    ignore_unknown_voices: bool
    """Whether a request for an unknown voice is spoken by the configured one."""
    fallback_uri: str | None
    """The Wyoming voice that speaks if Fish Audio fails."""
    cache_dir: Path | None
    cache_size_mb: int
    zeroconf: str | None
    """The name to announce on the local network. None: not announced."""
    http: ListenAddress | None
    """The address of the status page and the metrics. None: not served."""
    max_connections: int
    max_connections_per_address: int
    max_characters_per_hour: int
    """Of text that is sent to Fish Audio; 0: no limit."""
    max_characters_per_hour_per_address: int
    client_idle_timeout_s: float
    """Time without a request after which a client is disconnected; 0: never."""
    write_timeout_s: float
    """Time in which a client must read some of what it is sent."""
    max_pending_characters: int
    """Of text that one client may have waiting to be spoken."""
    debug: bool
    log_format: str

    @classmethod
    def parse(
        cls, arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ
    ) -> Options:
        """Read the flags, then the environment for the other options.

        If a value is not valid, prints the error and exits with 2.
        """
        parser, values = read_flags(
            "wyoming-fish",
            "Speak with Fish Audio's voices over the Wyoming protocol.",
            FLAGS,
            arguments,
            environ,
        )
        fallback_uri = values["fallback_uri"]
        if fallback_uri and values["uri"].is_reached_by(ListenAddress.parse(fallback_uri)):
            parser.error(
                "--fallback-uri is this server's own address. Set it to another Wyoming voice, "
                "such as Piper's tcp://HOST:10200."
            )
        names = {field.name for field in fields(cls)}
        try:
            endpoint = None if values["demo"] else endpoint_of(values)
            speech = speech_of(values, endpoint)
            return cls(
                endpoint=endpoint,
                speech=speech,
                text_settings=_text_settings(values, speech),
                **{flag.field: values[flag.key] for flag in FLAGS if flag.field in names},
            )
        except (FishError, ValueError) as error:
            parser.error(str(error))


def endpoint_of(values: Mapping[str, Any]) -> Endpoint:
    """Return the Fish Audio server. Raises FishError; ValueError if the key file is not valid."""
    key = _key_in(values["api_key_file"]) if values["api_key_file"] else values["api_key"]
    endpoint = Endpoint(key or "", values["base_url"])
    # If the address of a proxy is not valid, the start fails, and not each reply.
    proxy_for(endpoint.base_url)
    return endpoint


def speech_of(values: Mapping[str, Any], endpoint: Endpoint | None) -> SpeechSettings:
    """Return the speech settings. Raises FishError; ValueError if a voice is not valid."""
    speech = SpeechSettings(
        **{flag.field: values[flag.key] for flag in FLAGS if flag.key in SPEECH_FLAGS}
    )
    voices = (speech.voice,) if isinstance(speech.voice, str) else speech.voice or ()
    for voice in voices:
        # A self-hosted server has voices of any name.
        if endpoint is not None and endpoint.is_cloud and not VOICE_ID.fullmatch(voice):
            raise ValueError(
                f"--voice must be a voice ID{got(voice)}. The ID is the last part of the address "
                "of the voice's page, https://fish.audio/m/ID. You can also set this address."
            )
    return speech


def _text_settings(values: Mapping[str, Any], speech: SpeechSettings) -> TextSettings:
    path = values["pronunciations"]
    settings = TextSettings(
        pronunciations=_pronunciations_in(path) if path else (),
        **{field: values[key] for field, key in TEXT_FLAGS.items()},
    )
    if settings.style and not Cues(speech.backend).named(settings.style):
        raise ValueError(
            f"--style must be a style of the backend {speech.backend}{got(settings.style)}"
        )
    return settings


def _pronunciations_in(path: Path) -> tuple[Pronunciation, ...]:
    text = _read(path, "pronunciations file", MAX_PRONUNCIATIONS_BYTES)
    if len(text) >= MAX_PRONUNCIATIONS_BYTES:
        raise ValueError(f"The pronunciations file {path} is larger than 4 MB. Make it smaller.")
    return parse_pronunciations(text)


def _key_in(path: Path) -> str:
    key = _read(path, "key file", MAX_KEY_FILE_BYTES).strip().strip("\"'")
    if not key:
        raise ValueError(f"The key file {path} is empty. Write the API key into it.")
    return key


def _read(path: Path, name: str, limit: int) -> str:
    """Return the first ``limit`` bytes of the file, as text. Raises ValueError."""
    # A path that does not exist can be the key itself, given instead of its file.
    shown = f"{name} {path}" if os.path.lexists(path) else name
    try:
        with path.open("rb") as file:
            return file.read(limit).decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"Cannot read the {shown}: {reason}. Check the path.") from error
    except UnicodeDecodeError:
        # Without the decoder's message, which quotes the file.
        raise ValueError(f"The {shown} is not a text file. Save it as UTF-8.") from None
