"""Owner: the party that a reply is for, so that parties have equal shares of what is scarce.

Shares are equal between networks first, then between the addresses of one network. By IPv6, all
devices of a home are in one /64 network, and each of them may take as many addresses of it as it
likes. So neither the address nor the network alone tells parties apart.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

__all__ = ["NETWORK_SHARE", "NO_OWNER", "Owner", "Party", "owner_at"]

# A network may have this many times what one of its addresses may: an address that takes all it can
# get leaves a third to the others.
NETWORK_SHARE: Final = 1.5

# (network,) or (network, address).
Party = tuple[str, ...]


class Owner(NamedTuple):
    """A client's address and its network. By IPv4, a network is one address."""

    network: str
    address: str

    @property
    def parties(self) -> tuple[Party, Party]:
        """The network, and the address in it."""
        return (self.network,), (self.network, self.address)


# All replies without an owner share one.
NO_OWNER: Final = Owner("", "")


def owner_at(host: str) -> Owner:
    """Return the owner at the address ``host``; any other name is an owner of its own."""
    try:
        address = ip_address(host)
    except ValueError:
        return Owner(host, host)
    if isinstance(address, IPv4Address):
        return Owner(host, host)
    if (mapped := address.ipv4_mapped) is not None:
        return Owner(str(mapped), str(mapped))
    return Owner(str(IPv6Address(int(address) >> 64 << 64)), host)
