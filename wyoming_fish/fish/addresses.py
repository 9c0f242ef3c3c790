"""Addresses of servers: what is valid, and what name lookup makes of it."""

from __future__ import annotations

from urllib.parse import urlsplit

from .errors import SettingsError

__all__ = ["check_url", "host_of", "in_ascii"]


def check_url(url: str) -> None:
    """Raise SettingsError for what is not the address of a server. It may hold a key: unquoted."""
    try:
        parts = urlsplit(url)
        has_user = parts.username is not None
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        # What no name lookup would take.
        (parts.hostname or "").encode("idna")
        valid = valid and url.isprintable() and " " not in url
    except ValueError:
        has_user, valid = False, False
    if not valid:
        hint = " Put an IPv6 address in brackets." if "::" in url and "[" not in url else ""
        raise SettingsError(f"The base URL is not a valid http:// or https:// address.{hint}")
    if has_user:
        raise SettingsError(
            "The base URL must not have a user name or a password in it. Set the API key with its "
            "own option."
        )
    if "?" in url or "#" in url:
        raise SettingsError(
            "The base URL must not have a query or a fragment: remove ? or #, and all after it."
        )


def in_ascii(url: str) -> str:
    """The address with its host as name lookup reads it, such as `a.example` for `ａ。example`.

    So what is checked is what is connected to: libraries read other characters in several ways.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host.isascii():
        return url
    port = "" if parts.port is None else f":{parts.port}"
    return parts._replace(netloc=host.encode("idna").decode() + port).geturl()


def host_of(url: str) -> str:
    """The host of an address, without the dot at the end that means the same."""
    return (urlsplit(url).hostname or "").rstrip(".")
