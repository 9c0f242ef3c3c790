"""Where a server listens, as Wyoming writes it.

It imports little: the health check, which needs it, is started every half minute.
"""

from __future__ import annotations

import socket
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from .printable import printable

__all__ = [
    "DEFAULT_URI",
    "URI_VARIABLE",
    "WILDCARDS",
    "ListenAddress",
    "got",
    "own_address",
    "without_user",
]

URI_VARIABLE: Final = "WYOMING_FISH_URI"
DEFAULT_URI: Final = "tcp://0.0.0.0:10210"

# Both mean all addresses of this machine, IPv4 and IPv6.
WILDCARDS: Final = ("0.0.0.0", "::")  # noqa: S104

# Characters of a value that is not valid and yet quoted: all keys, and most passwords, are longer.
MAX_QUOTED_CHARS: Final = 12

# Addresses far away, to which nothing is sent (RFC 5737, RFC 3849): the route there is the route to
# the rest of the network.
_FAR_AWAY: Final = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


class ListenAddress(NamedTuple):
    """Where to listen."""

    scheme: str
    """tcp (host and port), unix (path) or stdio."""
    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, uri: str) -> ListenAddress:
        """Read a Wyoming URI. Raises ValueError, whose text goes on from an option's name."""
        try:
            parts = urlsplit(uri)
            host, port = parts.hostname or "", parts.port
            user = parts.username is not None
        except ValueError:
            # A port out of range, or an open bracket.
            parts, host, port, user = urlsplit(""), "", None, False
        match parts.scheme:
            # A number alone is a second port, as Docker publishes them.
            case "tcp" if host and port is not None and not host.isdecimal() and not user:
                return cls("tcp", host=host, port=port)
            case "unix" if parts.netloc + parts.path:
                return cls("unix", path=parts.netloc + parts.path)
            case "stdio":
                return cls("stdio")
        raise ValueError(
            "must be tcp://HOST:PORT, unix://PATH, or stdio://, with a port from 1 to 65535 and an "
            f"IPv6 address in brackets{got(uri)}"
        )

    @property
    def url_host(self) -> str:
        """The host as it is written in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def to_open(self) -> tuple[ListenAddress, ...]:
        """Return the addresses that can be opened of one to listen at: this machine's first.

        A wildcard cannot be opened: it stands for localhost, and for this machine on its network.
        """
        if self.scheme != "tcp" or self.host not in WILDCARDS:
            return (self,)
        network = own_address(socket.AF_INET) or own_address(socket.AF_INET6)
        return tuple(self._replace(host=host) for host in ("127.0.0.1", network) if host)

    def is_reached_by(self, other: ListenAddress) -> bool:
        """Whether ``other`` leads to a server that listens here, as far as no name is looked up."""
        if other in self.to_open():
            return True
        is_everywhere = self.scheme == other.scheme == "tcp" and self.host in WILDCARDS
        return (
            is_everywhere
            and self.port == other.port
            and other.host in ("localhost", "::1", *WILDCARDS)
        )


def without_user(uri: str) -> str:
    """Return ``uri`` without user name and password, which nobody else is to read.

    A password may contain any other mark, so that all before the last @ is left out.
    """
    head, separator, rest = uri.partition("://")
    return f"{head}{separator}{rest.rpartition('@')[2]}" if separator else uri.rpartition("@")[2]


def got(value: str) -> str:
    """Return how a message quotes a value that is not valid: only if it is too short for a key.

    A key or an address with a password can be given to the wrong option.
    """
    return f' (got "{printable(without_user(value))}")' if len(value) <= MAX_QUOTED_CHARS else ""


def own_address(family: socket.AddressFamily) -> str | None:
    """Return this machine's address on the route to the rest of the network, if there is one."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((_FAR_AWAY[family], 9))
        except OSError:
            return None
        return str(probe.getsockname()[0])
