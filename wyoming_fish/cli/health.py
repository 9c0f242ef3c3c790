"""The command `wyoming-fish-health`: checks that a server answers.

Health checks start it every half minute, so it imports only Python's own modules, and only fast
ones. The server does not log it.
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

from .. import __version__
from ..printable import printable
from ..uri import DEFAULT_URI, URI_VARIABLE, WILDCARDS, ListenAddress, without_user

__all__ = ["check", "main"]

# Seconds to connect, and again to read the answer. In total, this is less than the 5 seconds of the
# Dockerfile's HEALTHCHECK, which is then killed without a message.
TIMEOUT_S: Final = 2.0

ADVICE: Final = "Check that the server runs, and its address."

# Bytes of the answer: a server with a thousand voices sends about 300 kB.
MAX_ANSWER_BYTES: Final = 4 * 2**20


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Print whether the server is healthy; the exit status is 0 or 1.

    ``arguments`` can have its URI. The default is the environment variable of the server.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    if len(given) > 1 or given[:1] in (["-h"], ["--help"]):
        print(f"Usage: wyoming-fish-health [URI] (default: {URI_VARIABLE}, or {DEFAULT_URI})")
        return 0 if len(given) == 1 else 2
    if given == ["--version"]:
        print(__version__)
        return 0
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
        print(f"Unhealthy: {shown}: {reason}. {ADVICE}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"Unhealthy: {shown}: {printable(str(error))}", file=sys.stderr)
        return 1
    print(f"Healthy: {uri}")
    return 0


def check(address: ListenAddress) -> None:
    """Request the Info of the server.

    Raises OSError if it does not answer, ValueError if the answer is not that of a voice.
    """
    with _connect(address) as connection:
        connection.sendall(b'{"type": "describe"}\n')
        event_type, data = _read_event(io.BufferedReader(_Answers(connection)))
    # A server at its limit of connections is healthy: a restart would end the replies in progress.
    busy = event_type == "error" and data.get("code") == "too-many-connections"
    if not busy and (event_type != "info" or not data.get("tts")):
        raise ValueError(f"the server is not a Wyoming voice: {data.get('text', event_type)}")


def _connect(address: ListenAddress) -> socket.socket:
    if address.scheme == "stdio":
        raise ValueError("a server over stdio has only one client and cannot be checked")
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
    """The bytes that arrive at ``connection`` within TIMEOUT_S in total."""

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
    """Read an event, and return its type and data. Raises ValueError if it is not valid."""
    try:
        header = json.loads(answers.readline(MAX_ANSWER_BYTES))
        data = header.get("data") or {}
        if length := header.get("data_length"):
            if length > MAX_ANSWER_BYTES:
                raise ValueError("too long")
            data |= json.loads(answers.read(length))
        return header["type"], dict(data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(
            "the server does not speak Wyoming. Check the host and the port."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
