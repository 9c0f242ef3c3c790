"""The server's options: each a flag, an environment variable, a default and a check."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from . import __version__
from .fish.errors import FishError
from .fish.settings import FISH_URL, SAMPLE_RATES, Backend, Endpoint, Latency, SpeechSettings

__all__ = ["Address", "Options"]

DEFAULT_URI: Final = "tcp://0.0.0.0:10210"

LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"

# Bytes; a key file that is larger is some other file.
KEY_FILE_LIMIT: Final = 4096


class Address(NamedTuple):
    """Where to listen."""

    scheme: str
    """tcp (host and port), unix (path) or stdio."""
    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, uri: str) -> Address:
        """Read a Wyoming URI. Raises ValueError."""
        parts = urlsplit(uri)
        match parts.scheme:
            case "tcp" if parts.hostname and parts.port is not None:
                return cls("tcp", host=parts.hostname, port=parts.port)
            case "unix" if parts.netloc + parts.path:
                return cls("unix", path=parts.netloc + parts.path)
            case "stdio":
                return cls("stdio")
        raise ValueError(f"{uri!r} is none of tcp://HOST:PORT, unix://PATH and stdio://")


@dataclass(frozen=True, slots=True)
class Options:
    """All that can be set from outside, checked."""

    address: Address
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
    fallback_uri: str
    """A Wyoming voice that speaks where Fish does not; empty: none."""
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
        parser = argparse.ArgumentParser(
            prog="wyoming-fish",
            description="Speak with Fish Audio's voices over the Wyoming protocol.",
            epilog="A flag comes before its environment variable; a blank variable is unset.",
            allow_abbrev=False,
        )
        _add_options(parser, environ)
        chosen = parser.parse_args(arguments)
        try:
            return cls(
                address=Address.parse(chosen.uri),
                endpoint=None if chosen.demo else Endpoint(_key(chosen), chosen.base_url),
                speech=SpeechSettings(
                    backend=chosen.backend,
                    voice=chosen.voice,
                    latency=chosen.latency,
                    sample_rate=int(_number(int, "--sample-rate", chosen.sample_rate)),
                    speed=_number(float, "--speed", chosen.speed),
                    volume=_number(float, "--volume", chosen.volume),
                ),
                concurrency=_count("--concurrency", chosen.concurrency)
                if chosen.concurrency
                else None,
                warm=_count("--warm", chosen.warm, least=0),
                quiet_time=_seconds("--quiet-time", chosen.quiet_time),
                bridge=_seconds("--bridge", chosen.bridge),
                fallback_uri=_fallback(chosen.fallback_uri),
                max_connections=_count("--max-connections", chosen.max_connections),
                max_per_address=_count("--max-per-address", chosen.max_per_address),
                idle_time=_seconds("--idle-time", chosen.idle_time),
                write_timeout=_seconds("--write-timeout", chosen.write_timeout, least=0.1),
                max_text=_count("--max-text", chosen.max_text),
                debug=chosen.debug,
                log_format=_log_format(chosen.log_format),
            )
        except (FishError, ValueError) as error:
            parser.error(str(error))


def _add_options(parser: argparse.ArgumentParser, environ: Mapping[str, str]) -> None:
    def option(flag: str, variable: str, default: str | None, text: str, **more: Any) -> None:
        value = environ.get(variable, "").strip() or default
        parser.add_argument(flag, default=value, help=f"{text} [{variable}]", **more)

    rates = ", ".join(map(str, SAMPLE_RATES))
    option("--uri", "WYOMING_FISH_URI", DEFAULT_URI, "tcp://HOST:PORT, unix://PATH or stdio://")
    option("--api-key", "FISH_API_KEY", None, "the key; the machine's other users can see flags")
    option("--api-key-file", "FISH_API_KEY_FILE", None, "a file that holds the key")
    option("--base-url", "FISH_BASE_URL", FISH_URL, "the address of another Fish Audio server")
    option("--backend", "FISH_BACKEND", Backend.S2_1_PRO, ", ".join(Backend))
    option("--voice", "FISH_VOICE", None, "a voice's id; without one, Fish's default voice")
    option("--latency", "FISH_LATENCY", Latency.BALANCED, ", ".join(Latency))
    option("--sample-rate", "FISH_SAMPLE_RATE", "44100", f"hertz: {rates}")
    option("--speed", "FISH_SPEED", "1.0", "0.5 to 2")
    option("--volume", "FISH_VOLUME", "0", "decibels, -20 to 20")
    option(
        "--concurrency",
        "FISH_CONCURRENCY",
        None,
        "sessions at once, at the most (default: 5, or what Fish tells)",
    )
    option("--warm", "FISH_WARM", "1", "sockets kept open for the next replies; 0: none")
    option("--quiet-time", "FISH_QUIET_TIME", "600", "seconds without use until they are closed")
    option(
        "--bridge", "FISH_BRIDGE", "2.5", "seconds without audio until silence is sent; 0: never"
    )
    option("--fallback-uri", "WYOMING_FISH_FALLBACK_URI", "", "a voice for when Fish cannot speak")
    option("--max-connections", "WYOMING_FISH_MAX_CONNECTIONS", "200", "clients at once")
    option("--max-per-address", "WYOMING_FISH_MAX_PER_ADDRESS", "100", "of one address")
    option("--idle-time", "WYOMING_FISH_IDLE_TIME", "300", "seconds that a client may be idle")
    option("--write-timeout", "WYOMING_FISH_WRITE_TIMEOUT", "30", "seconds for a client to read")
    option("--max-text", "WYOMING_FISH_MAX_TEXT", "200000", "characters of one reply")
    option("--log-format", "WYOMING_FISH_LOG_FORMAT", LOG_FORMAT, "as Python's logging takes it")
    for flag, variable, text in (
        ("--demo", "WYOMING_FISH_DEMO", "speak by an emulator of Fish Audio: no key, no network"),
        ("--debug", "WYOMING_FISH_DEBUG", "log more, the text that is spoken too"),
    ):
        value = environ.get(variable, "").strip().lower()
        if value not in ("", "0", "1", "false", "true", "no", "yes", "off", "on"):
            parser.error(f"{variable} is {value!r}: it takes 1 or 0")
        default = value in ("1", "true", "yes", "on")
        parser.add_argument(flag, action="store_true", default=default, help=f"{text} [{variable}]")
    parser.add_argument("--version", action="version", version=__version__)


def _number(kind: type[int | float], flag: str, value: str) -> float:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"{flag} is {value!r}, which is no number") from None


def _count(flag: str, value: str, *, least: int = 1) -> int:
    number = _number(int, flag, value)
    if number < least:
        raise ValueError(f"{flag} is {value!r}: it takes a whole number from {least} up")
    return int(number)


def _seconds(flag: str, value: str, *, least: float = 0) -> float:
    seconds = _number(float, flag, value)
    if not least <= seconds < float("inf"):
        raise ValueError(f"{flag} is {value!r}: it takes seconds from {least} up")
    return seconds


def _fallback(value: str) -> str:
    if value and Address.parse(value).scheme == "stdio":
        raise ValueError("--fallback-uri is tcp://HOST:PORT or unix://PATH")
    return value


def _key(chosen: argparse.Namespace) -> str:
    if chosen.api_key_file is None:
        return str(chosen.api_key or "")
    try:
        with Path(chosen.api_key_file).open("rb") as file:
            key = file.read(KEY_FILE_LIMIT).decode().strip()
    except OSError as error:
        raise ValueError(f"the key file cannot be read: {error}") from error
    except UnicodeDecodeError:
        # Without the decoder's own words, which quote the file.
        raise ValueError(f"the key file {chosen.api_key_file} is no text") from None
    if not key:
        raise ValueError(f"the key file {chosen.api_key_file} is empty")
    return key


def _log_format(value: str) -> str:
    try:
        logging.Formatter(value)
    except ValueError as error:
        raise ValueError(f"--log-format: {error}") from error
    return value
