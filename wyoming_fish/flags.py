"""Every flag: its environment variable, its default, its reading and its line of help."""

from __future__ import annotations

import argparse
import logging
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

from . import __version__
from .address import DEFAULT_URI, URI_VARIABLE, Address
from .fish.settings import FISH_URL, SAMPLE_RATES, Backend, Latency, VoiceIds

__all__ = ["FLAGS", "Flag", "read_flags", "switch"]

# Bytes of a service's name on the local network (RFC 6763, 4.1.1).
INSTANCE_NAME_LIMIT: Final = 63


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise ValueError(f"{value!r} is no number") from None


def _count(least: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        number = _number(value)
        if not number.is_integer() or number < least:
            raise ValueError(f"{value!r} is no number that is whole and from {least} up")
        return int(number)

    return read


def _seconds(least: float) -> Callable[[str], float]:
    def read(value: str) -> float:
        seconds = _number(value)
        if not least <= seconds < float("inf"):
            raise ValueError(f"{value!r} is no number of seconds from {least} up")
        return seconds

    return read


def _voice(value: str) -> VoiceIds:
    ids = tuple(voice_id.strip() for voice_id in value.split(","))
    return ids if len(ids) > 1 else value


def _remote(value: str) -> str:
    if Address.parse(value).scheme == "stdio":
        raise ValueError(f"{value!r} is neither tcp://HOST:PORT nor unix://PATH")
    return value


def _http(value: str) -> Address:
    address = f"127.0.0.1:{value}" if value.isdecimal() else value
    try:
        return Address.parse(f"tcp://{address}")
    except ValueError:
        raise ValueError(f"{value!r} is neither HOST:PORT nor a port of this machine's") from None


def _instance_name(value: str) -> str:
    name = value or f"Wyoming Fish on {socket.gethostname()}"[:INSTANCE_NAME_LIMIT]
    if len(name.encode()) > INSTANCE_NAME_LIMIT or not name.isprintable():
        raise ValueError(f"{name!r} is no name of up to {INSTANCE_NAME_LIMIT} bytes")
    if find_spec("zeroconf") is None:
        raise ValueError("it needs a package more: pip install 'wyoming-fish[zeroconf]'")
    return name


def _log_format(value: str) -> str:
    logging.Formatter(value)
    return value


def switch(value: str) -> bool:
    """What is on or off, by any of its usual names. Raises ValueError."""
    switches = {"0": False, "false": False, "no": False, "off": False}
    switches |= {"1": True, "true": True, "yes": True, "on": True}
    try:
        return switches[value.lower()]
    except KeyError:
        raise ValueError(f"{value!r} is neither 1 nor 0") from None


class Flag(NamedTuple):
    """One option as it is given from outside; a switch needs no value."""

    name: str
    variable: str
    """Empty where there is none."""
    default: str | None
    """As it would be written; None where there is none."""
    help: str
    read: Callable[[str], Any] = str
    """Makes the value of what is written. Raises ValueError."""
    alone: str | None = None
    """What the flag means without a value; None where it needs one."""

    @property
    def field(self) -> str:
        """Its name in Options."""
        return self.name.lstrip("-").replace("-", "_")


FLAGS: Final = (
    Flag(
        "--uri",
        URI_VARIABLE,
        DEFAULT_URI,
        "tcp://HOST:PORT, unix://PATH or stdio://",
        Address.parse,
    ),
    Flag("--api-key", "FISH_API_KEY", None, "the key; the machine's other users can see flags"),
    Flag("--api-key-file", "FISH_API_KEY_FILE", None, "a file that holds the key"),
    Flag("--base-url", "FISH_BASE_URL", FISH_URL, "the address of another Fish Audio server"),
    Flag("--backend", "FISH_BACKEND", Backend.S2_1_PRO, ", ".join(Backend)),
    Flag(
        "--voice",
        "FISH_VOICE",
        None,
        "a voice's id; several, with commas between them, are speakers of one; without one, Fish's "
        "default voice",
        _voice,
    ),
    Flag("--latency", "FISH_LATENCY", Latency.BALANCED, ", ".join(Latency)),
    Flag(
        "--sample-rate",
        "FISH_SAMPLE_RATE",
        "44100",
        f"hertz: {', '.join(map(str, SAMPLE_RATES))}",
        _count(0),
    ),
    Flag("--speed", "FISH_SPEED", "1.0", "0.5 to 2", _number),
    Flag("--volume", "FISH_VOLUME", "0", "decibels, -20 to 20", _number),
    Flag(
        "--text",
        "FISH_TEXT",
        "clean",
        "clean: markdown, emoji, links and thoughts are not read out, SSML is followed; raw: what "
        "comes is sent",
    ),
    Flag("--emoji", "FISH_EMOJI", "drop", "drop, or name: say in English what each one is"),
    Flag("--urls", "FISH_URLS", "host", "host: say of a bare address its host alone; or drop"),
    Flag("--code", "FISH_CODE", "", "a text to say in place of a block of code"),
    Flag("--style", "FISH_STYLE", "", "a cue for all that is said, such as calm or whispering"),
    Flag(
        "--pronunciations",
        "FISH_PRONUNCIATIONS",
        None,
        "a file of lines such as «word: spoken as» and «word: /N IY1 S/»",
    ),
    Flag(
        "--trusted",
        "FISH_TRUSTED",
        "0",
        "let Fish's own tokens, <|speaker:1|> and <|phoneme_start|>, pass from the text",
        switch,
    ),
    Flag(
        "--concurrency",
        "FISH_CONCURRENCY",
        None,
        "sessions at once, at the most (default: 5, or what Fish tells)",
        _count(1),
    ),
    Flag("--warm", "FISH_WARM", "1", "sockets kept open for the next replies; 0: none", _count(0)),
    Flag(
        "--quiet-time",
        "FISH_QUIET_TIME",
        "600",
        "seconds without use until they are closed",
        _seconds(0),
    ),
    Flag(
        "--bridge",
        "FISH_BRIDGE",
        "2.5",
        "seconds without audio until silence is sent; 0: never",
        _seconds(0),
    ),
    Flag(
        "--resume",
        "FISH_RESUME",
        "0",
        "go on where a reply breaks off between two sentences; Fish then tells which words it says",
        switch,
    ),
    Flag(
        "--ignore-unknown-voices",
        "WYOMING_FISH_IGNORE_UNKNOWN_VOICES",
        "0",
        "speak with --voice when a client asks for a voice that is not listed, such as one of "
        "Piper's",
        switch,
    ),
    Flag(
        "--fallback-uri",
        "WYOMING_FISH_FALLBACK_URI",
        None,
        "a Wyoming voice for when Fish cannot speak",
        _remote,
    ),
    Flag("--cache", "WYOMING_FISH_CACHE", None, "a folder to keep announcements in", Path),
    Flag(
        "--cache-size",
        "WYOMING_FISH_CACHE_SIZE",
        "200",
        "megabytes that it may have; what was used the longest ago goes first",
        _count(1),
    ),
    Flag(
        "--http",
        "WYOMING_FISH_HTTP",
        None,
        "HOST:PORT, or a port for this machine alone: a page to watch it, /readyz, /metrics",
        _http,
    ),
    Flag(
        "--zeroconf",
        "WYOMING_FISH_ZEROCONF",
        None,
        "announce it on the local network, by this name or one with the machine's",
        _instance_name,
        alone="",
    ),
    Flag("--max-connections", "WYOMING_FISH_MAX_CONNECTIONS", "200", "clients at once", _count(1)),
    Flag("--max-per-address", "WYOMING_FISH_MAX_PER_ADDRESS", "100", "of one address", _count(1)),
    Flag(
        "--idle-time",
        "WYOMING_FISH_IDLE_TIME",
        "300",
        "seconds that a client may be idle; 0: for ever",
        _seconds(0),
    ),
    Flag(
        "--write-timeout",
        "WYOMING_FISH_WRITE_TIMEOUT",
        "30",
        "seconds for a client to read",
        _seconds(0.1),
    ),
    Flag(
        "--max-text",
        "WYOMING_FISH_MAX_TEXT",
        "200000",
        "characters that a client may have waiting to be spoken",
        _count(1),
    ),
    Flag(
        "--log-format",
        "WYOMING_FISH_LOG_FORMAT",
        "%(asctime)s %(levelname)s %(name)s: %(message)s",
        "as Python's logging takes it",
        _log_format,
    ),
    Flag(
        "--demo",
        "WYOMING_FISH_DEMO",
        "0",
        "speak by an emulator of Fish Audio: no key, no network",
        switch,
    ),
    Flag("--debug", "WYOMING_FISH_DEBUG", "0", "log more, the text that is spoken too", switch),
)


def read_flags(
    program: str,
    description: str,
    flags: Iterable[Flag],
    arguments: Sequence[str] | None,
    environ: Mapping[str, str],
) -> tuple[argparse.ArgumentParser, dict[str, Any]]:
    """Read ``arguments`` (None: the program's own), then ``environ`` for what no flag says.

    Gives the parser, for what is wrong besides, and the values by their field. Prints what is
    wrong with a value and what is allowed, and exits with 2.
    """
    parser = argparse.ArgumentParser(
        prog=program,
        description=description,
        epilog="A flag comes before its environment variable; a blank variable is unset.",
        allow_abbrev=False,
    )
    flags = tuple(flags)
    for flag in flags:
        without_value: dict[str, Any] = {"action": "store_const", "const": "1"}
        with_or_without: dict[str, Any] = {"nargs": "?", "const": flag.alone}
        variable = f" [{flag.variable}]" if flag.variable else ""
        parser.add_argument(
            flag.name,
            help=f"{flag.help}{variable}".replace("%", "%%"),
            **(without_value if flag.read is switch else {}),
            **({} if flag.alone is None else with_or_without),
        )
    parser.add_argument("--version", action="version", version=__version__)
    chosen = vars(parser.parse_args(arguments))
    values: dict[str, Any] = {}
    for flag in flags:
        given, name = chosen[flag.field], flag.name
        if given is None:
            given, name = environ.get(flag.variable, "").strip() or flag.default, flag.variable
        try:
            values[flag.field] = None if given is None else flag.read(given)
        except ValueError as error:
            parser.error(f"{name}: {error}")
    return parser, values
