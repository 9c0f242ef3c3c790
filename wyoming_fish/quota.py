"""Quota: the characters that Fish Audio may be sent in an hour, in all and for each address."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from typing import ClassVar, Final

from .fish.errors import FishError

__all__ = ["Quota", "QuotaError"]

# The hour moves on in steps of this length, and the step that has begun counts as well.
STEP_S: Final = 300.0
STEPS: Final = 13

# Addresses that are counted by themselves. All others count as one, so that the memory is bounded:
# 300 KB.
MAX_ADDRESSES: Final = 256

# Where all are counted together, and those beyond MAX_ADDRESSES.
_ALL: Final = "all"
_OTHERS: Final = "others"

_ALL_OPTION: Final = "--max-characters-per-hour"
_ADDRESS_OPTION: Final = "--max-characters-per-hour-per-address"


class QuotaError(FishError):
    """The characters of the hour have been sent. ``option`` is the limit that was reached."""

    code: ClassVar[str] = "characters-per-hour"

    def __init__(self, limit: int, option: str, wait_s: float) -> None:
        whose = "this server" if option == _ALL_OPTION else "your address"
        super().__init__(f"The limit of {limit} characters an hour for {whose} is reached.")
        self._option = option
        self._minutes = max(1, math.ceil(wait_s / 60))

    @property
    def advice(self) -> str:
        """When it goes on, and which option to raise."""
        return f"Try again in {self._minutes} min, or raise {self._option}."


class Quota:
    """Counts what Fish Audio is sent. A limit of 0 is no limit."""

    def __init__(self, limit: int, limit_per_address: int) -> None:
        self._limit = limit
        self._limit_per_address = limit_per_address
        self._steps: deque[tuple[int, Counter[str]]] = deque()
        """The number of each step of the hour, and what was sent in it, by address."""
        self._sent: Counter[str] = Counter()
        """The sums of the steps."""

    @property
    def sent(self) -> int:
        """Characters of the last hour, in all."""
        self._forget()
        return self._sent[_ALL]

    def spend(self, address: str, characters: int) -> None:
        """Count ``characters`` as sent for ``address``, a piece of a text at most.

        Less than 0 are given back. Raises QuotaError, and counts nothing, when none were left
        before them.
        """
        now = self._forget()
        # _ALL is among them.
        if address not in self._sent and len(self._sent) > MAX_ADDRESSES:
            address = _OTHERS
        if characters >= 0:
            self._check(_ALL, self._limit, _ALL_OPTION)
            self._check(address, self._limit_per_address, _ADDRESS_OPTION)
        if not characters:
            return
        step = int(now // STEP_S)
        if not self._steps or self._steps[-1][0] != step:
            self._steps.append((step, Counter()))
        for key in (_ALL, address):
            self._steps[-1][1][key] += characters
            self._sent[key] += characters

    def _check(self, key: str, limit: int, option: str) -> None:
        if not limit or self._sent[key] < limit:
            return
        left = self._sent[key]
        for step, sent in self._steps:
            left -= sent[key]
            if left < limit:
                wait_s = (step + STEPS) * STEP_S - _now()
                raise QuotaError(limit, option, wait_s)

    def _forget(self) -> float:
        """Forget the steps that are more than an hour old. Returns the loop's time."""
        now = _now()
        while self._steps and self._steps[0][0] + STEPS <= now // STEP_S:
            self._sent -= self._steps.popleft()[1]
        return now


def _now() -> float:
    return asyncio.get_running_loop().time()
