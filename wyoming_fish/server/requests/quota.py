"""Quota: limits the characters that are sent to Fish Audio in an hour, in total and by address.

The addresses of one network together have NETWORK_SHARE times the limit of an address.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import ClassVar, Final

from ...fish import clock
from ...fish.errors import FishError
from ...fish.owner import NETWORK_SHARE, Owner, Party

__all__ = ["Quota", "QuotaError"]

# The hour moves in steps of this length. The current step counts, too.
STEP_S: Final = 300.0
STEPS: Final = 13

# Networks, and addresses, with a count of their own. All others share one count, so that the memory
# is limited (2 MB).
MAX_COUNTED: Final = 256

# The party of all clients.
_ALL: Final[Party] = ()
# The name of all parties beyond MAX_COUNTED.
_OTHERS: Final = "others"

_ALL_OPTION: Final = "--max-characters-per-hour"
_ADDRESS_OPTION: Final = "--max-characters-per-hour-per-address"
# By the length of a party: all clients, a network, an address.
_PARTY_NAMES: Final = ("this server", "the /64 network of your address", "your address")


class QuotaError(FishError):
    """The limit of characters in an hour is reached."""

    code: ClassVar[str] = "quota-exceeded"

    def __init__(self, limit: int, party: Party, wait_s: float) -> None:
        whose = _PARTY_NAMES[len(party)]
        super().__init__(f"The limit of {limit} characters an hour for {whose} is reached.")
        self._option = _ALL_OPTION if party == _ALL else _ADDRESS_OPTION
        self._minutes = max(1, math.ceil(wait_s / 60))

    @property
    def advice(self) -> str:
        """When the next request can be spoken, and which option sets the limit."""
        return f"Try again in {self._minutes} min, or raise {self._option}."


class Quota:
    """Counts the characters that are sent to Fish Audio. A limit of 0 means no limit."""

    def __init__(self, limit: int, limit_per_address: int) -> None:
        self._limits = (limit, int(NETWORK_SHARE * limit_per_address), limit_per_address)
        """By the length of a party: all clients, a network, an address."""
        self._steps: deque[tuple[int, Counter[Party]]] = deque()
        """The number of each step, and its characters by party."""
        self._sent: Counter[Party] = Counter()
        """The sums of all steps, by party."""

    @property
    def sent(self) -> int:
        """Characters of the last hour, of all clients."""
        self._drop_old_steps()
        return self._sent[_ALL]

    def spend(self, owner: Owner, characters: int) -> None:
        """Count ``characters`` of ``owner``; a negative number gives them back.

        Raises QuotaError, and counts nothing, if a limit was already reached.
        """
        now = self._drop_old_steps()
        network = self._counted((owner.network,))
        address = self._counted((*network, owner.address))
        if characters >= 0:
            # An IPv4 address is its own network: its limit is the lower one.
            for party in (_ALL, address, network):
                self._check(party)
        for party in (_ALL, network, address):
            if characters < 0:
                self._give_back(party, -characters)
        if characters <= 0:
            return
        step = int(now // STEP_S)
        if not self._steps or self._steps[-1][0] != step:
            self._steps.append((step, Counter()))
        for party in (_ALL, network, address):
            self._steps[-1][1][party] += characters
            self._sent[party] += characters

    def _give_back(self, party: Party, characters: int) -> None:
        """Subtract them from the last steps."""
        for _, sent in reversed(self._steps):
            part = min(characters, sent[party])
            for counts in (sent, self._sent):
                counts[party] -= part
            characters -= part

    def _counted(self, party: Party) -> Party:
        """Return ``party``, or the party of all others beyond MAX_COUNTED."""
        if party in self._sent:
            return party
        others = (*party[:-1], _OTHERS)
        alike = sum(len(each) == len(party) and each[-1] != _OTHERS for each in self._sent)
        return party if alike < MAX_COUNTED else others

    def _check(self, party: Party) -> None:
        limit = self._limits[len(party)]
        if not limit or self._sent[party] < limit:
            return
        left = self._sent[party]
        for step, sent in self._steps:
            left -= sent[party]
            if left < limit:
                wait_s = (step + STEPS) * STEP_S - clock.now()
                raise QuotaError(limit, party, wait_s)

    def _drop_old_steps(self) -> float:
        """Drop the steps that are more than an hour old. Returns the event loop's time."""
        now = clock.now()
        while self._steps and self._steps[0][0] + STEPS <= now // STEP_S:
            self._sent -= self._steps.popleft()[1]
        return now
