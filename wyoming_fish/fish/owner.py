"""Owner: the party that a reply is for, so that parties have equal shares of what is scarce.

Shares are equal between networks first, then between the addresses of one network. By IPv6, all
devices of a home are in one /64 network, and each of them may take as many addresses of it as it
likes. So neither the address nor the network alone tells parties apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

__all__ = ["NETWORK_SHARE", "NO_OWNER", "Owner", "Party", "Shares", "are_siblings", "owner_at"]

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


class Shares:
    """How many of something each network has, and each address of it."""

    def __init__(self, owners: Iterable[Owner] = ()) -> None:
        self._counts = Counter(party for owner in owners for party in owner.parties)

    def of(self, owner: Owner) -> tuple[int, int]:
        """How many its network has, and its address. Networks are compared first."""
        network, address = owner.parties
        return self._counts[network], self._counts[address]

    def has(self, party: Party) -> bool:
        """Whether ``party`` has any."""
        return self._counts[party] > 0

    def add(self, owner: Owner) -> None:
        """Count one more."""
        self._counts.update(owner.parties)

    def owes(self, own: Owner, others: Iterable[Owner], gap: int) -> bool:
        """Whether one of ``others`` should have one of those that ``own`` has.

        No address of its network has more, and another one there has at least ``gap`` fewer; or the
        same is true of the network as well.
        """
        network, address = own.parties
        parties = {party for other in others for party in other.parties}
        return self._has_most(address) and (
            self._is_above(address, parties, gap)
            or (self._has_most(network) and self._is_above(network, parties, gap))
        )

    def _has_most(self, own: Party) -> bool:
        most = self._counts[own]
        return all(
            most >= number for party, number in self._counts.items() if are_siblings(own, party)
        )

    def _is_above(self, own: Party, parties: Iterable[Party], gap: int) -> bool:
        most = self._counts[own] - gap
        return any(most >= self._counts[party] for party in parties if are_siblings(own, party))


def are_siblings(party: Party, other: Party) -> bool:
    """Whether both are networks, or addresses of the same network."""
    return len(party) == len(other) and party[:-1] == other[:-1]
