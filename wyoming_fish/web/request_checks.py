"""What keeps strange web sites from using a browser to get at a server without a password.

Whoever can reach the port may use it, as with the Wyoming port. But a browser of the house can be
led here by any page that it shows: with a request across sites, or with a name of that page's own
that suddenly means this machine (DNS rebinding).
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

__all__ = ["check_request", "content_policy"]

# Ends of names that a stranger cannot make mean this machine. The first line is reserved (RFC 6761,
# RFC 6762, RFC 8375, .internal) or, like the second, not in the internet's DNS, but common in
# private networks. fritz.box belongs to the maker of that router, which gives out its names. ts.net
# belongs to Tailscale, which does not let its users choose the address of a name.
_PRIVATE: Final = (
    *(".local", ".localhost", ".localdomain", ".internal", ".home.arpa"),
    *(".lan", ".home", ".corp", ".intranet", ".private"),
    *(".fritz.box", ".ts.net"),
)
_PRIVATE_TEXT: Final = f"{', '.join(_PRIVATE[:-1])} or {_PRIVATE[-1]}"

_REFUSAL: Final = (
    "This page cannot be opened by this name, because a web site could use the name for an attack. "
    "Use the IP address of this machine, its name without a domain, or a name that ends in "
    f"{_PRIVATE_TEXT}. To open the page by another name of this machine, start the server with "
    "that name: --http NAME:PORT.\n"
)


def check_request(own_name: str) -> Middleware:
    """The middleware that refuses them; ``own_name`` is what the person chose to listen at."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get("Host", "")
        # What is no browser may leave it out.
        if host and not _is_own(host, own_name):
            raise web.HTTPForbidden(text=_REFUSAL)
        # What is not there (404) and what cannot be done with it (405) changes nothing.
        is_served = request.match_info.http_exception is None
        changes = is_served and request.method not in ("GET", "HEAD")
        if changes and not _is_own_page(request, host):
            raise web.HTTPForbidden(text="Only this server's own page may ask for that.\n")
        return await handler(request)

    return middleware


def content_policy(fish_url: str) -> str:
    """The Content-Security-Policy: nothing but the page's own files, and voices' samples.

    Samples lie at addresses of Fish's choosing; those of a server without https, at its own.
    """
    parts = urlsplit(fish_url)
    origin = f"{parts.scheme}://{parts.netloc}"
    own = "script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"
    none = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return f"{none}; {own}; media-src https: {origin}"


def _is_own(host: str, own_name: str) -> bool:
    """Whether a Host header names this machine in a way that no web site could."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return False
    try:
        ip_address(name)
        return True
    except ValueError:
        return "." not in name or name == own_name or name.endswith(_PRIVATE)


def _is_own_page(request: web.Request, host: str) -> bool:
    """Whether a request that changes something comes from our page, or from no page at all."""
    origin = request.headers.get("Origin")
    try:
        is_own = origin is None or urlsplit(origin).netloc == host
    except ValueError:
        return False
    return (
        is_own
        and request.content_type == "application/json"
        and request.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none")
    )
