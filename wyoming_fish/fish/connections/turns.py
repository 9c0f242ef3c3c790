"""Turns: which owner the next free session is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..owner import Owner, Party, Shares, are_siblings

__all__ = ["EXPECTED_FOR_S", "Turns"]

# Networks, and addresses, whose last session is remembered: more than there are clients.
MAX_KNOWN_PARTIES: Final = 1000

# Seconds after its last session for which an owner is expected to come again. Until then a session
# is kept for owners that hold none.
EXPECTED_FOR_S: Final = 3600.0


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
                    end >= now - EXPECTED_FOR_S
                    and are_siblings(party, other)
                    and not held.has(other)
                    for other, (end, _) in ends.items()
                )
        return left[0], kept
