"""The command `wyoming-fish-health`: asks the server of this machine what it is.

It is made to be started every half minute: it needs nothing but Python's own modules, and of these
the quick ones. The server logs nothing of it.
"""

from __future__ import annotations

import io
import json
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from typing import IO, Any, Final

from ..printable import printable
from ..uri import DEFAULT_URI, URI_VARIABLE, WILDCARDS, ListenAddress, without_user

__all__ = ["check", "main"]

# Seconds to connect, and again to read the answer, which lies ready: together less than the 5
# seconds after which the Dockerfile's HEALTHCHECK is killed and can say nothing.
TIMEOUT_S: Final = 2.0

# Bytes of the answer: a server with a thousand voices has some 300 kB to say.
MAX_ANSWER_BYTES: Final = 4 * 2**20


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Print that the server is well, or why it is not; the exit status is 0 or 1.

    ``arguments`` may hold its URI; without, the server's own environment variable names it.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    if len(given) > 1 or given[:1] in (["-h"], ["--help"]):
        print(f"Usage: wyoming-fish-health [URI]; without it: {URI_VARIABLE}, {DEFAULT_URI}")
        return 0 if len(given) == 1 else 2
    uri = "".join(given) or environ.get(URI_VARIABLE, "").strip() or DEFAULT_URI
    try:
        address = ListenAddress.parse(uri)
    except ValueError as error:
        # It may be a key that was given by mistake: the error says whether it can be shown.
        print(f"Unhealthy: the URI {printable(str(error))}", file=sys.stderr)
        return 1
    shown = without_user(uri)
    try:
        check(address)
    except OSError as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or error
        print(f"Unhealthy: {shown}: {reason}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"Unhealthy: {shown}: {printable(str(error))}", file=sys.stderr)
        return 1
    print(f"Healthy: {uri}")
    return 0


def check(address: ListenAddress) -> None:
    """Ask the server what it is.

    Raises OSError where it does not answer, ValueError where it answers that it is no voice.
    """
    with _connect(address) as connection:
        connection.sendall(b'{"type": "describe"}\n')
        event_type, data = _read_event(io.BufferedReader(_Answers(connection)))
    # One that serves as many as it may is not ill: to start it anew would cut short what they hear.
    busy = event_type == "error" and data.get("code") == "too-many"
    if not busy and (event_type != "info" or not data.get("tts")):
        raise ValueError(f"what answers there is no voice: {data.get('text', event_type)}")


def _connect(address: ListenAddress) -> socket.socket:
    if address.scheme == "stdio":
        raise ValueError("a server over stdio has one client alone")
    if address.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(address.path)
        except OSError:
            connection.close()
            raise
        return connection
    host = "127.0.0.1" if address.host in WILDCARDS else address.host
    return socket.create_connection((host, address.port), TIMEOUT_S)


class _Answers(io.RawIOBase):
    """What comes by ``connection`` within TIMEOUT_S, however little at a time."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._until = time.monotonic() + TIMEOUT_S

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if (left_s := self._until - time.monotonic()) <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)
        return self._connection.recv_into(buffer)


def _read_event(answers: IO[bytes]) -> tuple[str, dict[str, Any]]:
    """Read one event's type and data. Raises ValueError where it is none."""
    try:
        header = json.loads(answers.readline(MAX_ANSWER_BYTES))
        data = header.get("data") or {}
        if length := header.get("data_length"):
            if length > MAX_ANSWER_BYTES:
                raise ValueError("too long")
            data |= json.loads(answers.read(length))
        return header["type"], dict(data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError("what answers there does not speak Wyoming") from error


if __name__ == "__main__":
    sys.exit(main())
