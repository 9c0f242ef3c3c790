"""Where a server listens, as Wyoming writes it.

It imports little: the health check, which needs it, is started every half minute.
"""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlsplit

__all__ = ["DEFAULT_URI", "URI_VARIABLE", "WILDCARDS", "Address"]

URI_VARIABLE: Final = "WYOMING_FISH_URI"
DEFAULT_URI: Final = "tcp://0.0.0.0:10210"

# «Every address of this machine», and it has some of each kind: either means both.
WILDCARDS: Final = ("0.0.0.0", "::")  # noqa: S104


class Address(NamedTuple):
    """Where to listen."""

    scheme: str
    """tcp (host and port), unix (path) or stdio."""
    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, uri: str) -> Address:
        """Read a Wyoming URI. Raises ValueError, whose text goes on from an option's name."""
        try:
            parts = urlsplit(uri)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            # A port out of range, or an open bracket.
            parts, host, port = urlsplit(""), "", None
        match parts.scheme:
            # A number alone is a second port, as Docker publishes them.
            case "tcp" if host and port is not None and not host.isdecimal() and "/" not in host:
                return cls("tcp", host=host, port=port)
            case "unix" if parts.netloc + parts.path:
                return cls("unix", path=parts.netloc + parts.path)
            case "stdio":
                return cls("stdio")
        raise ValueError(
            f"must be tcp://HOST:PORT, unix://PATH, or stdio://, with an IPv6 address in brackets "
            f"(got {uri!r})"
        )
