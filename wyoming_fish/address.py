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
