"""Memory budget: bounds what all clients together make the server keep.

Each client has a share of its own, which no other client can use up: enough for half an hour of
speech that it has asked for. What a client keeps above it comes from a pool for all clients.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from ..fish.owner import NETWORK_SHARE, NO_OWNER, Party

__all__ = ["CHARACTER_BYTES", "BudgetExceededError", "MemoryBudget", "MemoryShare"]

# Bytes that each client may keep. Two hundred clients, which --max-connections allows, keep 13 MB.
OWN_BYTES: Final = 64 * 1024

# Bytes that a character takes at most: four in each string, and it is in the reply, in what is
# written for Fish, and in what is sent to Fish or waits to be sent.
CHARACTER_BYTES: Final = 3 * 4

# The longest texts that fit into the pool. With the default --max-pending-characters it has 12 MB.
POOLED_TEXTS: Final = 5
# Bytes of the least pool, for events that have come in part.
MIN_POOL_BYTES: Final = 12 * 10**6
# Of the pool, what the clients at one address may take together, and those of one network.
MAX_ADDRESS_SHARE: Final = 0.5
MAX_NETWORK_SHARE: Final = NETWORK_SHARE * MAX_ADDRESS_SHARE


class BudgetExceededError(Exception):
    """A client cannot keep more: others have used up the pool."""

    def __init__(self) -> None:
        super().__init__("The server is busy with other clients' texts. Try again in a moment.")


class MemoryBudget:
    """The pool. ``max_text`` is the most characters that one client may have waiting."""

    def __init__(self, max_text: int) -> None:
        self.size = max(MIN_POOL_BYTES, POOLED_TEXTS * CHARACTER_BYTES * max_text)
        """Bytes."""
        self.pooled = 0
        """Bytes that are taken from it."""
        self.pooled_by: Counter[Party] = Counter()
        """The same by network and by address."""

    def share(self) -> MemoryShare:
        """Return the share of one more client."""
        return MemoryShare(self)


class MemoryShare:
    """The bytes that one client makes the server keep."""

    def __init__(self, budget: MemoryBudget) -> None:
        self.owner = NO_OWNER
        """The client's; to be set before it keeps anything."""
        self._budget = budget
        self._kept = 0

    def take(self, count: int) -> None:
        """Keep ``count`` more bytes. Raises BudgetExceededError."""
        more = self._above(self._kept + count) - self._above(self._kept)
        budget = self._budget
        network, address = (budget.pooled_by[party] + more for party in self.owner.parties)
        if more and (
            budget.pooled + more > budget.size
            or network > MAX_NETWORK_SHARE * budget.size
            or address > MAX_ADDRESS_SHARE * budget.size
        ):
            raise BudgetExceededError
        self._pool(more)
        self._kept += count

    def give_back(self, count: int) -> None:
        """Keep ``count`` bytes less."""
        self._pool(self._above(self._kept - count) - self._above(self._kept))
        self._kept -= count

    def _pool(self, more: int) -> None:
        self._budget.pooled += more
        for party in self.owner.parties:
            self._budget.pooled_by[party] += more
            if not self._budget.pooled_by[party]:
                del self._budget.pooled_by[party]

    @staticmethod
    def _above(count: int) -> int:
        return max(0, count - OWN_BYTES)
