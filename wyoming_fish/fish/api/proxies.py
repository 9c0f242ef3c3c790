"""The proxy on the way to a server: one rule for the websocket, for REST, and for the account."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from ..errors import FishConnectionError, ProxyAddressError, ProxyError
from ..settings import Endpoint
from ..untrusted import hide

__all__ = ["Proxy", "proxy_for"]

# What a proxy answers if it does not allow the connection, or wants to know who asks for it.
_FORBIDDEN: Final = 403
_UNAUTHORIZED: Final = 407

# A name, an IPv4 or an IPv6 address. Else a piece of a password could be taken for the host.
_HOST: Final = re.compile(r"[A-Za-z0-9_.-]+|[0-9A-Fa-f:.]+")


@dataclass(frozen=True, slots=True)
class Proxy:
    """An http or https proxy."""

    url: str = field(repr=False)
    """Its address. It may contain a password: it is never shown."""
    name: str
    """Its host and port, to begin a sentence."""

    def without_login(self, body: bytes) -> bytes:
        """An answer that came through it without TLS, without the login that it was sent."""
        parts, text = urlsplit(self.url), body.decode(errors="replace")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        if password:
            for secret in (password, b64encode(f"{user}:{password}".encode()).decode()):
                text = hide(text, secret)
        return text.encode()

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
    Raises ProxyAddressError, without the address, if it is not valid.
    """
    target = urlsplit(base_url)
    url = getproxies().get(target.scheme, "").strip()
    if url and "://" not in url:
        # As curl reads it.
        url = f"http://{url}"
    if not url or url.lower().startswith("socks") or proxy_bypass(target.netloc):
        return None
    if _is_loopback(target.hostname or ""):
        # For the proxy that would be its own machine.
        return None
    try:
        return _parse_proxy(url)
    except ValueError:
        raise ProxyAddressError(
            f"The proxy's address in {target.scheme.upper()}_PROXY is not valid."
        ) from None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _parse_proxy(url: str) -> Proxy:
    """Raises ValueError for an address that has more than user, password, host and port.

    Also for a user or a password that HTTP Basic authentication cannot send: a colon ends the user,
    and aiohttp sends both as Latin-1.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").encode("idna").decode()
    more = parts.path.strip("/") or parts.query or parts.fragment
    is_whole = parts.scheme in ("http", "https") and _HOST.fullmatch(host) and parts.port != 0
    if more or not is_whole or not url.isprintable():
        raise ValueError
    port = parts.port or (443 if parts.scheme == "https" else 80)
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    login = ""
    if parts.username is not None:
        # A user without a password, such as a token, is common, but websockets refuses it. The
        # login is escaped again, so that both libraries read it alike and none of their errors
        # quotes it.
        user, password = unquote(parts.username), unquote(parts.password or "")
        if ":" in user:
            raise ValueError
        # It raises UnicodeEncodeError, which is a ValueError.
        (user + password).encode("latin-1")
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@"
    return Proxy(f"{parts.scheme}://{login}{place}", f"The proxy {place}")
