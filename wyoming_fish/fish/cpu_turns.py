"""Round-robin scheduler for work on text: long computations take turns on the event loop.

All replies share one event loop. A task that computes for long calls ``cpu_turn`` between short
steps. Only one turn of CPU_TURN_S runs in each iteration of the loop, however many tasks compute,
so other clients wait for one turn and not for all of them. With ``asyncio.sleep(0)`` instead, each
iteration would run one step of every task. The turns go round among the networks of the tasks'
owners, and within a network among its addresses.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from contextvars import ContextVar
from time import perf_counter
from typing import Any, Final
from weakref import WeakKeyDictionary

from .owner import NO_OWNER

__all__ = ["CPU_TURN_S", "STEP_CHARS", "cpu_owner", "cpu_turn", "steps"]

# The party that a task computes for. Tasks inherit it.
cpu_owner: Final = ContextVar("cpu_owner", default=NO_OWNER)

# Seconds that the tasks may compute in one iteration. A client's event takes two or three
# iterations to be answered.
CPU_TURN_S: Final = 0.004

# Characters between two calls of ``cpu_turn``. They take 0.3 ms, and 2.5 ms if they are written to
# be expensive (script/bench cleaning).
STEP_CHARS: Final = 1024


async def cpu_turn() -> None:
    """Wait until this task may compute for one more step.

    It returns immediately while the task has its turn, and while nobody computes or waits.
    """
    loop = asyncio.get_running_loop()
    turns = _TURNS.get(loop)
    if turns is None:
        turns = _TURNS[loop] = _Turns()
    if not turns.may_compute():
        await turns.wait()


def steps(text: str) -> list[str]:
    """``text`` in parts of at most STEP_CHARS."""
    if len(text) <= STEP_CHARS:
        return [text] if text else []
    return [text[at : at + STEP_CHARS] for at in range(0, len(text), STEP_CHARS)]


class _Turns:
    """The turns of one event loop: networks in rotation, and the addresses of each.

    For one address: first come, first served.
    """

    def __init__(self) -> None:
        self._waiting = OrderedDict[str, OrderedDict[str, deque[asyncio.Future[None]]]]()
        """The tasks that wait, by network and address; those that are next come first."""
        self._ends_at = 0.0
        """When the turn of this iteration ends; 0 if none has begun."""
        self._task: asyncio.Task[Any] | None = None
        """The task that began the turn of this iteration."""
        self._is_scheduled = False
        """Whether ``_pass_on`` runs in the next iteration."""

    def may_compute(self) -> bool:
        """Begin the turn of this iteration, or go on with it, if this task may."""
        if self._task is asyncio.current_task() or not self._waiting:
            if self._ends_at:
                return perf_counter() < self._ends_at
            if not self._waiting:
                self._begin()
                return True
        return False

    async def wait(self) -> None:
        """Wait for a turn, and begin it."""
        turn = asyncio.get_running_loop().create_future()
        network, address = cpu_owner.get()
        addresses = self._waiting.setdefault(network, OrderedDict())
        addresses.setdefault(address, deque()).append(turn)
        await turn
        self._begin()

    def _begin(self) -> None:
        self._ends_at = perf_counter() + CPU_TURN_S
        self._task = asyncio.current_task()
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._pass_on)

    def _pass_on(self) -> None:
        """End the turn of the last iteration, and give the next one to the first that waits."""
        self._ends_at, self._task, self._is_scheduled = 0.0, None, False
        while self._waiting:
            network, addresses = self._waiting.popitem(last=False)
            address, turns = addresses.popitem(last=False)
            turn = turns.popleft()
            if turns:
                addresses[address] = turns
            if addresses:
                self._waiting[network] = addresses
            # A task that was cancelled does not wait any more.
            if not turn.done():
                turn.set_result(None)
                # Even if that task is cancelled before it runs, the next one has its turn.
                self._schedule()
                return


# Home Assistant and the server have one loop; tests have many.
_TURNS: Final = WeakKeyDictionary[asyncio.AbstractEventLoop, _Turns]()
