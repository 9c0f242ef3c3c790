"""Fair shares: how many sessions each owner holds, and whose turn it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from ..owner import Owner, Party

__all__ = ["EXPECTED_FOR_S", "Shares", "Turns"]

# Networks, and addresses, whose last session is remembered: more than there are clients.
MAX_KNOWN_PARTIES: Final = 1000

# Seconds after its last session for which an owner is expected to come again. Until then a session
# is kept for owners that hold none.
EXPECTED_FOR_S: Final = 3600.0


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
            most >= number for party, number in self._counts.items() if _siblings(own, party)
        )

    def _is_above(self, own: Party, parties: Iterable[Party], gap: int) -> bool:
        most = self._counts[own] - gap
        return any(most >= self._counts[party] for party in parties if _siblings(own, party))


class Turns:
    """Who had a session when, so that owners take turns.

    A session goes to the network that holds the fewest; among equals, to the one whose last session
    ended first, or that came first if it had none; and by the same rule to an address in it.
    """

    def __init__(self) -> None:
        self._ends: tuple[dict[Party, tuple[float, int]], ...] = ({}, {})
        """Of networks, and of addresses: when the last session ended; the oldest first."""

    def ended(self, owner: Owner, end: tuple[float, int]) -> None:
        """Remember when a session of ``owner`` has ended: the loop's time, and a tie-breaker."""
        for party, ends in zip(owner.parties, self._ends, strict=True):
            ends.pop(party, None)
            ends[party] = end
            if len(ends) > MAX_KNOWN_PARTIES:
                del ends[next(iter(ends))]

    def first(
        self, waiting: Mapping[Owner, tuple[float, int]], held: Shares, now: float
    ) -> tuple[Owner, int]:
        """Return the owner whose turn it is, and how many free sessions are not for it.

        ``waiting`` tells since when each waits, like the end of a session. One session is kept for
        networks that hold none, if its own holds any, and one for such addresses of its network.
        """
        left, kept = list(waiting), 0
        for level, ends in enumerate(self._ends):
            turns = {
                (held.of(owner)[level], ends.get(owner.parties[level], waiting[owner])): owner
                for owner in left
            }
            first = turns[min(turns)]
            party = first.parties[level]
            left = [owner for owner in left if owner.parties[level] == party]
            if held.of(first)[level]:
                kept += any(
                    end >= now - EXPECTED_FOR_S and _siblings(party, other) and not held.has(other)
                    for other, (end, _) in ends.items()
                )
        return left[0], kept


def _siblings(party: Party, other: Party) -> bool:
    """Whether both are networks, or addresses of the same network."""
    return len(party) == len(other) and party[:-1] == other[:-1]
