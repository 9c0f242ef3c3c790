"""Quota: the characters that Fish Audio may be sent in an hour, in all and for each address.

The addresses of one network may have NETWORK_SHARE times what one address may.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import ClassVar, Final

from ...fish import clock
from ...fish.errors import FishError
from ...fish.owner import NETWORK_SHARE, Owner, Party

__all__ = ["Quota", "QuotaError"]

# The hour moves on in steps of this length, and the step that has begun counts as well.
STEP_S: Final = 300.0
STEPS: Final = 13

# Networks, and addresses, that are counted by themselves. All other networks count as one, and all
# other addresses of a network, so that the memory is bounded (2 MB).
MAX_COUNTED: Final = 256

# Where all are counted together.
_ALL: Final[Party] = ()
# In place of the name of those beyond MAX_COUNTED.
_OTHERS: Final = "others"

_ALL_OPTION: Final = "--max-characters-per-hour"
_ADDRESS_OPTION: Final = "--max-characters-per-hour-per-address"
# Whose limit it is: that of all, of a network, of an address.
_WHOSE: Final = ("this server", "the /64 network of your address", "your address")


class QuotaError(FishError):
    """The characters of the hour have been sent."""

    code: ClassVar[str] = "characters-per-hour"

    def __init__(self, limit: int, party: Party, wait_s: float) -> None:
        whose = _WHOSE[len(party)]
        super().__init__(f"The limit of {limit} characters an hour for {whose} is reached.")
        self._option = _ALL_OPTION if party == _ALL else _ADDRESS_OPTION
        self._minutes = max(1, math.ceil(wait_s / 60))

    @property
    def advice(self) -> str:
        """When it goes on, and which option to raise."""
        return f"Try again in {self._minutes} min, or raise {self._option}."


class Quota:
    """Counts what Fish Audio is sent. A limit of 0 is no limit."""

    def __init__(self, limit: int, limit_per_address: int) -> None:
        self._limits = (limit, int(NETWORK_SHARE * limit_per_address), limit_per_address)
        """Of all, of a network, of an address."""
        self._steps: deque[tuple[int, Counter[Party]]] = deque()
        """The number of each step of the hour, and what was sent in it, by party."""
        self._sent: Counter[Party] = Counter()
        """The sums of the steps."""

    @property
    def sent(self) -> int:
        """Characters of the last hour, in all."""
        self._forget()
        return self._sent[_ALL]

    def spend(self, owner: Owner, characters: int) -> None:
        """Count ``characters`` as sent for ``owner``, a piece of a text at most.

        Less than 0 are given back. Raises QuotaError, and counts nothing, when none were left
        before them.
        """
        now = self._forget()
        network = self._counted((owner.network,))
        address = self._counted((*network, owner.address))
        if characters >= 0:
            # By IPv4 an address is its network, and reaches its limit first.
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
        """Take them out of the steps in which they can have been sent: the last ones."""
        for _, sent in reversed(self._steps):
            part = min(characters, sent[party])
            for counts in (sent, self._sent):
                counts[party] -= part
            characters -= part

    def _counted(self, party: Party) -> Party:
        """Return ``party``, or what it counts with if too many are counted by themselves."""
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

    def _forget(self) -> float:
        """Forget the steps that are more than an hour old. Returns the loop's time."""
        now = clock.now()
        while self._steps and self._steps[0][0] + STEPS <= now // STEP_S:
            self._sent -= self._steps.popleft()[1]
        return now
