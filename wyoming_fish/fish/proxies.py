"""The proxy on the way to a server: one rule for the websocket, for REST, and for the account."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from .errors import FishConnectionError, ProxyError, SettingsError
from .settings import Endpoint

__all__ = ["Proxy", "proxy_for"]

# What a proxy answers if it does not allow the connection, or wants to know who asks for it.
_FORBIDDEN: Final = 403
_UNAUTHORIZED: Final = 407


@dataclass(frozen=True, slots=True)
class Proxy:
    """An http or https proxy."""

    url: str = field(repr=False)
    """Its address. It may contain a password: it is never shown."""
    name: str
    """Its host and port, to begin a sentence."""

    def refusal(self, status: int, endpoint: Endpoint) -> FishConnectionError:
        """The error for what the proxy answered instead of making a connection."""
        kind = FishConnectionError if status >= 500 else ProxyError
        if status == _UNAUTHORIZED:
            error = kind(f"{self.name} wants a user name and a password ({status}).")
        elif status == _FORBIDDEN:
            error = kind(f"{self.name} does not allow a connection to {endpoint.host} ({status}).")
        else:
            error = kind(f"{self.name} made no connection to {endpoint.host} ({status}).")
        error.status = status
        return error


def proxy_for(base_url: str) -> Proxy | None:
    """The http or https proxy that the environment names for ``base_url``, or None.

    What `http_proxy`, `https_proxy` and `no_proxy` say. aiohttp's own reading of them
    (``trust_env``) would put the passwords of ~/.netrc in the key's place; websockets' own would
    take a SOCKS proxy, which needs a package that is not here and which aiohttp does not know.
    Raises SettingsError, without the address, if it is not valid.
    """
    target = urlsplit(base_url)
    url = getproxies().get(target.scheme, "").strip()
    if url and "://" not in url:
        # As curl reads it.
        url = f"http://{url}"
    if not url.lower().startswith(("http:", "https:")) or proxy_bypass(target.netloc):
        return None
    if _is_loopback(target.hostname or ""):
        # For the proxy that would be its own machine.
        return None
    try:
        return _proxy(url)
    except ValueError:
        raise SettingsError(
            f"The proxy's address in {target.scheme.upper()}_PROXY is not valid. Write "
            "http://USER:PASSWORD@HOST:PORT, with %23 for # and %2F for / in the password."
        ) from None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _proxy(url: str) -> Proxy:
    """Raises ValueError for an address that has more than user, password, host and port."""
    parts = urlsplit(url)
    more = parts.path.strip("/") or parts.query or parts.fragment
    if not parts.hostname or more or not url.isprintable() or " " in url:
        raise ValueError
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if parts.username is not None and parts.password is None:
        # A user alone, such as a token, is common; websockets refuses it.
        url = url.replace(f"{parts.username}@", f"{parts.username}:@", 1)
    return Proxy(url, f"The proxy {host}:{port}")
