"""Announces the server on the local network, where Home Assistant looks for it.

That is multicast DNS: a service of the type `_wyoming._tcp.local.`, by the `zeroconf` package.
"""

from __future__ import annotations

import asyncio
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

# Seconds between two looks at the machine's addresses: a new one is announced within these.
CHECK_INTERVAL_S: Final = 10.0


class DiscoveryError(OSError):
    """Nobody else could reach what was to be announced."""


def check_reachable(hosts: Iterable[str]) -> None:
    """Raise DiscoveryError where a server that listens at ``hosts`` is for this machine alone."""
    hosts = set(hosts)
    if not hosts.intersection(WILDCARDS) and not reachable(hosts):
        where = ", ".join(sorted(hosts)) or "no port"
        raise DiscoveryError(
            f"--zeroconf: other machines cannot reach a server that listens at {where}; "
            "listen at tcp://0.0.0.0:PORT"
        )


async def advertise(name: str, hosts: Iterable[str], port: int) -> None:
    """Announce a server that listens at ``hosts`` until cancelled; follow the machine's addresses.

    ``name`` gets a number where another server has it.
    """
    hosts = set(hosts)
    # Its own, since those of a server that was renamed must not be another's.
    server = f"wyoming-fish-{secrets.token_hex(4)}.local."
    while True:
        if addresses := reachable(hosts):
            info = AsyncServiceInfo(
                SERVICE, f"{name}.{SERVICE}", port, parsed_addresses=addresses, server=server
            )
            try:
                async with AsyncZeroconf(interfaces=addresses) as announcer:
                    telling = await announcer.async_register_service(info, allow_name_change=True)
                    _LOGGER.info(
                        "Announced as «%s» at %s",
                        info.name.removesuffix(f".{SERVICE}"),
                        ", ".join(addresses),
                    )
                    await telling
                    # Nobody tells when they change.
                    while reachable(hosts) == addresses:  # noqa: ASYNC110
                        await asyncio.sleep(CHECK_INTERVAL_S)
            except (OSError, zeroconf.Error) as error:
                _LOGGER.warning("The server could not be announced: %s", error)
        await asyncio.sleep(CHECK_INTERVAL_S)


def reachable(hosts: Iterable[str]) -> list[str]:
    """The addresses at which others reach a server that listens at ``hosts``, sorted.

    A wildcard stands for the machine's own of its kind. Loopback is none, nor is what holds on one
    link alone: an announcement cannot say on which.
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

    Others, such as the bridge to this machine's containers, lead nobody here. Where none leads
    further, all of them count.
    """
    adapters = [
        {
            ipaddress.ip_address(own.ip if isinstance(own.ip, str) else own.ip[0])
            for own in adapter.ips
        }
        for adapter in ifaddr.get_adapters()
    ]
    ways = {
        ipaddress.ip_address(own)
        for family in (socket.AF_INET, socket.AF_INET6)
        if (own := own_address(family))
    }
    return set().union(*([own for own in adapters if own & ways] or adapters))
