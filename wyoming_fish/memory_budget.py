"""Memory budget: bounds what all clients together make the server keep.

Each client has a share of its own, which no other client can use up: enough for half an hour of
speech that it has asked for. What a client keeps above it comes from a pool for all clients.
"""

from __future__ import annotations

from typing import Final

__all__ = ["BudgetExceededError", "MemoryBudget", "MemoryShare"]

# Bytes that each client may keep. Two hundred clients, which --max-connections allows, keep 13 MB.
OWN_BYTES: Final = 64 * 1024

# Bytes that all clients together may keep above that: five times the longest text that one client
# may have waiting.
POOL_BYTES: Final = 12 * 2**20


class BudgetExceededError(Exception):
    """A client cannot keep more: others have used up the pool."""

    def __init__(self) -> None:
        super().__init__("The server is busy with other clients' texts. Try again in a moment.")


class MemoryBudget:
    """What is left of the pool."""

    def __init__(self) -> None:
        self.pooled = 0
        """Bytes that are taken from it."""

    def share(self) -> MemoryShare:
        """Return the share of one more client."""
        return MemoryShare(self)


class MemoryShare:
    """The bytes that one client makes the server keep."""

    def __init__(self, budget: MemoryBudget) -> None:
        self._budget = budget
        self._kept = 0

    def take(self, count: int) -> None:
        """Keep ``count`` more bytes. Raises BudgetExceededError."""
        more = self._above(self._kept + count) - self._above(self._kept)
        if more and self._budget.pooled + more > POOL_BYTES:
            raise BudgetExceededError
        self._budget.pooled += more
        self._kept += count

    def give_back(self, count: int) -> None:
        """Keep ``count`` bytes less."""
        self._budget.pooled -= self._above(self._kept) - self._above(self._kept - count)
        self._kept -= count

    @staticmethod
    def _above(count: int) -> int:
        return max(0, count - OWN_BYTES)
