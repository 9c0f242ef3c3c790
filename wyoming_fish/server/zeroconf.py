"""Announces the server on the local network, so that Home Assistant discovers it.

The server is an mDNS service of the type `_wyoming._tcp.local.`, by the `zeroconf` package.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import secrets
import socket
from collections.abc import Iterable
from typing import Final

import ifaddr
import zeroconf
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from ..uri import WILDCARDS, own_address

__all__ = ["DiscoveryError", "advertise", "check_reachable", "reachable"]

_LOGGER = logging.getLogger(__name__)

SERVICE: Final = "_wyoming._tcp.local."

# Seconds between two checks of the machine's addresses. A new address is announced within these.
CHECK_INTERVAL_S: Final = 10.0


class DiscoveryError(OSError):
    """No other machine can reach the server."""


def check_reachable(hosts: Iterable[str]) -> None:
    """Raise DiscoveryError if a server that listens at ``hosts`` is for this machine only."""
    hosts = set(hosts)
    if not hosts.intersection(WILDCARDS) and not reachable(hosts):
        where = ", ".join(sorted(hosts)) or "no port"
        raise DiscoveryError(
            errno.EHOSTUNREACH,
            f"--zeroconf needs an address that other machines can reach (listening at {where}). "
            "Set --uri tcp://0.0.0.0:PORT.",
        )


async def advertise(name: str, hosts: Iterable[str], port: int) -> None:
    """Announce a server that listens at ``hosts`` until cancelled, at the machine's addresses.

    If another server has the ``name``, a number is added.
    """
    hosts = set(hosts)
    # A random host name: the addresses of two servers must not mix.
    server = f"wyoming-fish-{secrets.token_hex(4)}.local."
    while True:
        if addresses := reachable(hosts):
            info = AsyncServiceInfo(
                SERVICE, f"{name}.{SERVICE}", port, parsed_addresses=addresses, server=server
            )
            try:
                async with AsyncZeroconf(interfaces=addresses) as announcer:
                    announcing = await announcer.async_register_service(
                        info, allow_name_change=True
                    )
                    _LOGGER.info(
                        'Announcing the server as "%s" at %s',
                        info.name.removesuffix(f".{SERVICE}"),
                        ", ".join(addresses),
                    )
                    await announcing
                    # There is no event for a change of addresses.
                    while reachable(hosts) == addresses:  # noqa: ASYNC110
                        await asyncio.sleep(CHECK_INTERVAL_S)
            except (OSError, zeroconf.Error) as error:
                _LOGGER.warning("Cannot announce the server, retrying: %s", error)
        await asyncio.sleep(CHECK_INTERVAL_S)


def reachable(hosts: Iterable[str]) -> list[str]:
    """The addresses at which other machines reach a server that listens at ``hosts``, sorted.

    A wildcard means all addresses of the machine of its IP version. Loopback addresses are left
    out, and link-local ones: an announcement cannot name their link.
    """
    found = set()
    for host in hosts:
        if host in WILDCARDS:
            version = ipaddress.ip_address(host).version
            found |= {own for own in _of_this_machine() if own.version == version}
        else:
            found.add(ipaddress.ip_address(host))
    usable = (own for own in found if not (own.is_loopback or own.is_link_local))
    return [str(own) for own in sorted(usable, key=lambda own: (own.version, own))]


def _of_this_machine() -> set[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses of the interfaces that lead to the rest of the network.

    Others, such as the bridge to this machine's containers, are of no use for other machines. If
    no interface leads further, all of them count.
    """
    adapters = [
        {
            ipaddress.ip_address(own.ip if isinstance(own.ip, str) else own.ip[0])
            for own in adapter.ips
        }
        for adapter in ifaddr.get_adapters()
    ]
    route_addresses = {
        ipaddress.ip_address(own)
        for family in (socket.AF_INET, socket.AF_INET6)
        if (own := own_address(family))
    }
    return set().union(*([own for own in adapters if own & route_addresses] or adapters))
