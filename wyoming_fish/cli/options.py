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
from .flags import FLAGS, read_flags

__all__ = ["Options", "endpoint_of", "speech_of"]

# The flags that say how to speak, by their field in SpeechSettings.
SPEECH_FLAGS: Final = ("backend", "voice", "latency", "sample_rate", "speed", "volume")

# Those that say what is made of the text, by their field in TextSettings.
TEXT_FLAGS: Final = ("emoji", "urls", "code", "style", "trusted")

# Bytes; a key file that is larger is some other file.
MAX_KEY_FILE_BYTES: Final = 4096
# The same of the pronunciations: as many and as long as they may be take about half of it.
MAX_PRONUNCIATIONS_BYTES: Final = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Options:
    """All that can be set from outside, checked."""

    uri: ListenAddress
    """Where to listen."""
    endpoint: Endpoint | None
    """None for the demo, whose emulator's address is not known before it runs."""
    speech: SpeechSettings
    """How to speak unless a client asks otherwise."""
    text_settings: TextSettings
    """What is made of the text before it is spoken."""
    concurrency: int | None
    """Sessions at once; what is asked for beyond that waits in line. None: what Fish allows."""
    warm: int
    """Sockets kept open for the next replies."""
    quiet_time: float
    """Seconds without use after which none is."""
    bridge: float
    """Seconds without audio amid a streamed reply until it gets a little silence; 0: never."""
    resume: bool
    """Whether replies go by the socket with timestamps, so that one that breaks off goes on."""
    ignore_unknown_voices: bool
    """Whether a client that asks for an unknown voice gets the configured one and no error."""
    fallback_uri: str | None
    """A Wyoming voice that speaks where Fish does not."""
    cache: Path | None
    """A folder in which announcements are kept. None: they are spoken anew each time."""
    cache_size: int
    """Megabytes that it may have."""
    zeroconf: str | None
    """The name to announce it by on the local network. None: it is not announced."""
    http: ListenAddress | None
    """Where the server's health, its metrics and its page are served by HTTP; None: nowhere."""
    max_connections: int
    max_per_address: int
    max_characters_per_hour: int
    """Of text that Fish is sent; 0: no limit."""
    max_characters_per_hour_per_address: int
    idle_time: float
    """Seconds without asking for anything after which a client is sent away; 0: never."""
    write_timeout: float
    """Seconds in which a client has to read what it is sent."""
    max_text: int
    """Characters that a client may have waiting to be spoken."""
    debug: bool
    log_format: str

    @classmethod
    def parse(
        cls, arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ
    ) -> Options:
        """Read the flags, then the environment for what no flag says.

        Prints what is wrong with a value and what is allowed, and exits with 2.
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
                "--fallback-uri is this server's own address: give it that of another Wyoming "
                "voice, such as Piper's tcp://HOST:10200"
            )
        own = values.keys() & {field.name for field in fields(cls)}
        try:
            endpoint = None if values["demo"] else endpoint_of(values)
            speech = speech_of(values, endpoint)
            return cls(
                endpoint=endpoint,
                speech=speech,
                text_settings=_text_settings(values, speech),
                **{name: values[name] for name in own},
            )
        except (FishError, ValueError) as error:
            parser.error(str(error))


def endpoint_of(values: Mapping[str, Any]) -> Endpoint:
    """The Fish Audio server of these flags. Raises FishError, and ValueError for a bad key file."""
    key = _key_in(values["api_key_file"]) if values["api_key_file"] else values["api_key"]
    endpoint = Endpoint(key or "", values["base_url"])
    # A proxy's address that is not valid is told now, and not by each reply.
    proxy_for(endpoint.base_url)
    return endpoint


def speech_of(values: Mapping[str, Any], endpoint: Endpoint | None) -> SpeechSettings:
    """How to speak, by these flags. Raises FishError, and ValueError for what is not a voice."""
    speech = SpeechSettings(**{name: values[name] for name in SPEECH_FLAGS})
    voices = (speech.voice,) if isinstance(speech.voice, str) else speech.voice or ()
    for voice in voices:
        # A self-hosted server has voices of any name.
        if endpoint is not None and endpoint.is_cloud and not VOICE_ID.fullmatch(voice):
            raise ValueError(
                f"--voice must be a voice ID{got(voice)}. It is the last part of the address "
                "of the voice's page, https://fish.audio/m/ID, which can be given too."
            )
    return speech


def _text_settings(values: Mapping[str, Any], speech: SpeechSettings) -> TextSettings:
    path = values["pronunciations"]
    settings = TextSettings(
        mode=values["text"],
        pronunciations=_pronunciations_in(path) if path else (),
        **{name: values[name] for name in TEXT_FLAGS},
    )
    if settings.style and not Cues(speech.backend).named(settings.style):
        raise ValueError(
            f"--style: the backend {speech.backend} has no style of that name{got(settings.style)}"
        )
    return settings


def _pronunciations_in(path: Path) -> tuple[Pronunciation, ...]:
    text = _read(path, "file of pronunciations", MAX_PRONUNCIATIONS_BYTES)
    if len(text) >= MAX_PRONUNCIATIONS_BYTES:
        raise ValueError(f"The file of pronunciations {path} is too large.")
    return parse_pronunciations(text)


def _key_in(path: Path) -> str:
    key = _read(path, "key file", MAX_KEY_FILE_BYTES).strip().strip("\"'")
    if not key:
        raise ValueError(f"The key file {path} is empty.")
    return key


def _read(path: Path, name: str, limit: int) -> str:
    """The first ``limit`` bytes of the file, which is called ``name``. Raises ValueError."""
    # What is not there can be the key itself, given in the place of its file.
    shown = f"{name} {path}" if os.path.lexists(path) else name
    try:
        with path.open("rb") as file:
            return file.read(limit).decode("utf-8-sig")
    except OSError as error:
        reason = error.strerror or error
        raise ValueError(f"The {shown} cannot be read: {reason}.") from error
    except UnicodeDecodeError:
        # Without the decoder's own words, which quote the file.
        raise ValueError(f"The {shown} is not a text file") from None
