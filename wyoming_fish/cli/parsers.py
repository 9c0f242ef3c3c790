"""Parsers of option values: text to value.

Each raises ValueError, whose text continues after the name of the option.
"""

from __future__ import annotations

import logging
import math
import os
import socket
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TypeVar

from ..fish.settings import MAX_PAUSES_S, VoiceIds, voice_id_in
from ..uri import ListenAddress, got

__all__ = [
    "base_url",
    "count",
    "folder",
    "http_address",
    "instance_name",
    "log_format",
    "number",
    "one_of",
    "path",
    "remote",
    "seconds",
    "switch",
    "voice",
]

T = TypeVar("T")

# A service's name on the local network (RFC 6763, 4.1.1).
MAX_INSTANCE_NAME_BYTES: Final = 63

_SWITCHES: Final = {"0": False, "false": False, "no": False, "off": False} | {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
}


def one_of(*values: T) -> Callable[[str], T]:
    """Return a parser of one of these values, in upper or lower case."""
    known = {str(value).lower(): value for value in values}

    def read(text: str) -> T:
        try:
            return known[text.lower()]
        except KeyError:
            raise ValueError(f"must be one of {', '.join(known)}{got(text)}") from None

    return read


def number(least: float, most: float) -> Callable[[str], float]:
    """Return a parser of a number from ``least`` to ``most``."""
    return _number_parser(least, most, f"a number between {least:g} and {most:g}")


def count(least: int) -> Callable[[str], int]:
    """Return a parser of a whole number."""
    read = _number_parser(least, math.inf, f"a whole number of {least} or more", is_whole=True)
    return lambda text: int(read(text))


def seconds(least: float) -> Callable[[str], float]:
    """Return a parser of a number of seconds."""
    return _number_parser(least, math.inf, f"a number of seconds, {least:g} or more")


def _number_parser(
    least: float, most: float, wanted: str, *, is_whole: bool = False
) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        is_valid = least <= value <= most and math.isfinite(value)
        if not is_valid or (is_whole and not value.is_integer()):
            raise ValueError(f"must be {wanted}{got(text)}")
        return value

    return read


def longest_pause(text: str) -> float:
    """Parse the bound of a pause in seconds; 0 is none."""
    least, most = MAX_PAUSES_S
    wanted = f"0, or a number of seconds between {least:g} and {most:g}"
    value = _number_parser(0, most, wanted)(text)
    if 0 < value < least:
        raise ValueError(f"must be {wanted}{got(text)}")
    return value


def switch(text: str) -> bool:
    """Parse on or off, by any of the usual names."""
    try:
        return _SWITCHES[text.lower()]
    except KeyError:
        raise ValueError(
            f"must be 1 or 0 (or true or false, yes or no, on or off){got(text)}"
        ) from None


def voice(text: str) -> VoiceIds:
    """Parse a voice ID or the address of a voice's page; several, separated by commas."""
    ids = tuple(voice_id_in(part) or part.strip() for part in text.split(","))
    for voice_id in ids:
        if "/" in voice_id:
            raise ValueError(
                f"must be a voice ID, or the address of a voice's page such as "
                f"https://fish.audio/m/ID{got(voice_id)}"
            )
    return ids if len(ids) > 1 else ids[0]


def base_url(text: str) -> str:
    """Parse the address of a server. ``Endpoint`` checks the rest of it."""
    if not text.lower().startswith(("http://", "https://")):
        raise ValueError(f"must begin with http:// or https://{got(text)}")
    return text


def remote(text: str) -> str:
    """Parse the address of another Wyoming server."""
    try:
        if ListenAddress.parse(text).scheme != "stdio":
            return text
    except ValueError:
        pass
    raise ValueError(
        f"must be tcp://HOST:PORT or unix://PATH, with a port from 1 to 65535{got(text)}"
    )


def http_address(text: str) -> ListenAddress:
    """Parse the address of the status page; a port alone is for this machine only."""
    address = text.removeprefix("http://").rstrip("/")
    try:
        return ListenAddress.parse(
            f"tcp://127.0.0.1:{text}" if text.isdecimal() else f"tcp://{address}"
        )
    except ValueError:
        raise ValueError(
            "must be PORT, or HOST:PORT with an address of this machine and a port from 1 to 65535"
            f"{got(text)}"
        ) from None


def instance_name(text: str) -> str | None:
    """Parse the name on the local network. Nothing, or "yes", is a name with the machine's name."""
    if _SWITCHES.get(text.lower()) is False:
        return None
    given = "" if text.lower() in _SWITCHES else text
    name = given or f"Wyoming Fish on {socket.gethostname()}"[:MAX_INSTANCE_NAME_BYTES]
    if len(name.encode()) > MAX_INSTANCE_NAME_BYTES or not name.isprintable():
        raise ValueError(f"must be a name of at most {MAX_INSTANCE_NAME_BYTES} bytes{got(name)}")
    if find_spec("zeroconf") is None:
        raise ValueError(
            "needs another package. In the environment of the server, run: "
            "pip install 'wyoming-fish[zeroconf]'"
        )
    return name


def log_format(text: str) -> str:
    """Parse a format of Python's logging, by a trial."""
    record = logging.LogRecord("wyoming_fish", logging.INFO, __file__, 1, "Ready", (), None)
    try:
        logging.Formatter(text).format(record)
    except (ValueError, TypeError):
        raise ValueError(
            f"must be a format of Python's logging, such as %(levelname)s: %(message)s{got(text)}"
        ) from None
    return text


def path(text: str) -> Path:
    """Parse the path of a file; ~ is the home folder."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"cannot be read: {error}{got(text)}") from None


def folder(text: str) -> Path:
    """Parse the path of a folder that this user can write to, or can create."""
    wanted = path(text)
    places = (wanted, *wanted.absolute().parents)
    try:
        existing = next(place for place in places if place.exists())
        is_usable = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    except OSError:
        existing, is_usable = wanted, False
    if not is_usable:
        raise ValueError(f"must be a folder that this user can write to ({existing} is not)")
    return wanted
