"""Request checks: keep other web sites from using a visitor's browser against this server.

The server has no password: all clients that can reach its port may use it, as with the Wyoming
port. But any web site can make a visitor's browser send requests here: from another site
(CSRF), or by a name of its own that it lets point to this machine (DNS rebinding).
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

__all__ = ["check_request", "content_policy"]

# Ends of names that no stranger can point to this machine. The first line is reserved (RFC 6761,
# RFC 6762, RFC 8375, .internal). The second is not in the public DNS, but common in private
# networks. fritz.box belongs to the maker of that router, which assigns the names. ts.net belongs
# to Tailscale, whose users cannot choose the address of a name.
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
    """Return the middleware that refuses them. ``own_name`` is the host of --http."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = request.headers.get("Host", "")
        # Browsers always send it; other clients can omit it.
        if host and not _is_own(host, own_name):
            raise web.HTTPForbidden(text=_REFUSAL)
        # A request that gets 404 or 405 changes nothing.
        is_served = request.match_info.http_exception is None
        changes = is_served and request.method not in ("GET", "HEAD")
        if changes and not _is_own_page(request, host):
            raise web.HTTPForbidden(
                text="Only the status page of this server may send this request.\n"
            )
        return await handler(request)

    return middleware


def content_policy(fish_url: str) -> str:
    """Return the Content-Security-Policy: only the page's own files, and samples of voices.

    Fish Audio chooses the addresses of samples. A server without https has them at its own.
    """
    parts = urlsplit(fish_url)
    origin = f"{parts.scheme}://{parts.netloc}"
    own = "script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:"
    none = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return f"{none}; {own}; media-src https: {origin}"


def _is_own(host: str, own_name: str) -> bool:
    """Whether a Host header is a name of this machine that no web site can have."""
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
    """Whether a request comes from our page, or from a client that is not a browser."""
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
