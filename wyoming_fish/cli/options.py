"""The options of the command `wyoming-fish`, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from ..fish import (
    FishError,
    Pronunciation,
    TextSettings,
    has_style,
    parse_pronunciations,
    proxy_for,
)
from ..fish.settings import VOICE_ID, Endpoint, SpeechSettings
from ..server.options import ServerOptions
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(ServerOptions):
    """All options of the command `wyoming-fish`. `wyoming-fish --help` describes each of them."""

    endpoint: Endpoint | None
    """None for the demo: the address of its emulator is not known before it runs."""
    zeroconf: str | None
    """The name to announce on the local network. None: not announced."""
    http: ListenAddress | None
    """The address of the status page and the metrics. None: not served."""
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
        **{flag.field: values[flag.key] for flag in FLAGS if flag.key in SPEECH_FLAGS},
        # The check speaks two sentences, and does not have this flag.
        sentence_pause_s=values.get("sentence_pause", 0.0),
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
    if not has_style(speech.backend, settings.style):
        raise ValueError(
            f"--style must be a style of the backend {speech.backend}{got(settings.style)}"
        )
    return settings


def _pronunciations_in(path: Path) -> tuple[Pronunciation, ...]:
    text = _read(path, "--pronunciations", MAX_PRONUNCIATIONS_BYTES)
    if len(text) >= MAX_PRONUNCIATIONS_BYTES:
        raise ValueError(f"--pronunciations: the file {path} is larger than 4 MB. Make it smaller.")
    return parse_pronunciations(text)


def _key_in(path: Path) -> str:
    key = _read(path, "--api-key-file", MAX_KEY_FILE_BYTES).strip().strip("\"'")
    if not key:
        raise ValueError(f"--api-key-file: the file {path} is empty. Write the API key into it.")
    return key


def _read(path: Path, option: str, limit: int) -> str:
    """Return the first ``limit`` bytes of the file of an option, as text. Raises ValueError."""
    # A path that does not exist can be the key itself, given instead of its file.
    shown = f" {path}" if os.path.lexists(path) else got(str(path))
    try:
        with path.open("rb") as file:
            return file.read(limit).decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(
            f"{option}: cannot read the file{shown}: {reason}. Check the path."
        ) from error
    except UnicodeDecodeError:
        # Without the decoder's message, which quotes the file.
        raise ValueError(
            f"{option}: the file{shown} is not a text file. Save it as UTF-8."
        ) from None
