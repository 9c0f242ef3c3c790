"""Memory budget: limits the memory that all clients together use.

Each client has a reserved share, which no other client can use: enough for the text of half an hour
of speech. A client that needs more takes it from a pool of all clients.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from ..fish.owner import NETWORK_SHARE, NO_OWNER, Party

__all__ = ["CHARACTER_BYTES", "BudgetExceededError", "MemoryBudget", "MemoryShare"]

# Reserved share of each client. Two hundred clients, the default --max-connections, need 13 MB.
RESERVED_BYTES: Final = 64 * 1024

# Maximum memory of a character: four bytes in each string, and a text is in the request, in the
# cleaned text, and in the messages to Fish Audio.
CHARACTER_BYTES: Final = 3 * 4

# Texts of --max-pending-characters that fit into the pool. By default, the pool has 12 MB.
POOLED_TEXTS: Final = 5
# Minimum of the pool, for incomplete events.
MIN_POOL_BYTES: Final = 12 * 10**6
# Parts of the pool that all clients of one address can use, and those of one network.
MAX_ADDRESS_SHARE: Final = 0.5
MAX_NETWORK_SHARE: Final = NETWORK_SHARE * MAX_ADDRESS_SHARE


class BudgetExceededError(Exception):
    """The pool has not enough memory for a client."""

    def __init__(self) -> None:
        super().__init__("The server is busy with texts of other clients. Try again in a moment.")


class MemoryBudget:
    """The pool of all clients. ``max_text`` is the option --max-pending-characters."""

    def __init__(self, max_text: int) -> None:
        self.size = max(MIN_POOL_BYTES, POOLED_TEXTS * CHARACTER_BYTES * max_text)
        """Bytes."""
        self.pooled = 0
        """Bytes of the pool that are in use."""
        self.pooled_by: Counter[Party] = Counter()
        """The same, by network and by address."""

    def share(self) -> MemoryShare:
        """Return the share of a new client."""
        return MemoryShare(self)


class MemoryShare:
    """The memory that one client uses."""

    def __init__(self, budget: MemoryBudget) -> None:
        self.owner = NO_OWNER
        """The client's owner; set it before the first ``take``."""
        self._budget = budget
        self._used = 0

    def take(self, count: int) -> None:
        """Use ``count`` more bytes. Raises BudgetExceededError."""
        more = self._above(self._used + count) - self._above(self._used)
        budget = self._budget
        network, address = (budget.pooled_by[party] + more for party in self.owner.parties)
        if more and (
            budget.pooled + more > budget.size
            or network > MAX_NETWORK_SHARE * budget.size
            or address > MAX_ADDRESS_SHARE * budget.size
        ):
            raise BudgetExceededError
        self._pool(more)
        self._used += count

    def give_back(self, count: int) -> None:
        """Use ``count`` bytes less."""
        self._pool(self._above(self._used - count) - self._above(self._used))
        self._used -= count

    def _pool(self, more: int) -> None:
        self._budget.pooled += more
        for party in self.owner.parties:
            self._budget.pooled_by[party] += more
            if not self._budget.pooled_by[party]:
                del self._budget.pooled_by[party]

    @staticmethod
    def _above(count: int) -> int:
        return max(0, count - RESERVED_BYTES)
