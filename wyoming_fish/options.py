"""The server's options, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from .fish.errors import FishError
from .fish.settings import Endpoint, SpeechSettings
from .flags import FLAGS, Address, read_flags

__all__ = ["Options", "endpoint_of"]

# The flags that say how to speak, by their field in SpeechSettings.
SPEECH_FLAGS: Final = ("backend", "voice", "latency", "sample_rate", "speed", "volume")

# Bytes; a key file that is larger is some other file.
KEY_FILE_LIMIT: Final = 4096


@dataclass(frozen=True, slots=True)
class Options:
    """All that can be set from outside, checked."""

    uri: Address
    """Where to listen."""
    endpoint: Endpoint | None
    """None for the demo, whose emulator's address is not known before it runs."""
    speech: SpeechSettings
    """How to speak unless a client asks otherwise."""
    concurrency: int | None
    """Sessions at once; what is asked for beyond that waits in line. None: what Fish allows."""
    warm: int
    """Sockets kept open for the next replies."""
    quiet_time: float
    """Seconds without use after which none is."""
    bridge: float
    """Seconds without audio amid a streamed reply until it gets a little silence; 0: never."""
    fallback_uri: str | None
    """A Wyoming voice that speaks where Fish does not."""
    max_connections: int
    max_per_address: int
    idle_time: float
    """Seconds without asking for anything after which a client is sent away; 0: never."""
    write_timeout: float
    """Seconds in which a client has to read what it is sent."""
    max_text: int
    """Characters of one reply."""
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
        own = values.keys() & {field.name for field in fields(cls)}
        try:
            return cls(
                endpoint=None if values["demo"] else endpoint_of(values),
                speech=SpeechSettings(**{name: values[name] for name in SPEECH_FLAGS}),
                **{name: values[name] for name in own},
            )
        except (FishError, ValueError) as error:
            parser.error(str(error))


def endpoint_of(values: Mapping[str, Any]) -> Endpoint:
    """The Fish Audio server of these flags. Raises FishError, and ValueError for a bad key file."""
    key = _key_in(values["api_key_file"]) if values["api_key_file"] else values["api_key"]
    return Endpoint(key or "", values["base_url"])


def _key_in(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            key = file.read(KEY_FILE_LIMIT).decode().strip()
    except OSError as error:
        raise ValueError(f"the key file cannot be read: {error}") from error
    except UnicodeDecodeError:
        # Without the decoder's own words, which quote the file.
        raise ValueError(f"the key file {path} is no text") from None
    if not key:
        raise ValueError(f"the key file {path} is empty")
    return key
