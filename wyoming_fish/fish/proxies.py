"""The proxy on the way to Fish Audio: one rule for the websocket, for REST and for the account."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

__all__ = ["proxy_for"]


def proxy_for(url: str) -> str | None:
    """The http or https proxy that the environment names for ``url``, or None.

    What `http_proxy`, `https_proxy` and `no_proxy` say. aiohttp's own reading of them
    (``trust_env``) would put the passwords of ~/.netrc in the key's place; websockets' own would
    take a SOCKS proxy, which needs a package that is not here and which aiohttp does not know.
    """
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme, "")
    if not proxy.startswith(("http:", "https:")) or proxy_bypass(parts.netloc):
        return None
    return proxy
