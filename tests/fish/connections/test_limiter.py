"""The account's limit is a queue: first come, first served."""

import asyncio
import contextlib

import pytest

from tests.fish.connections.slots import hold
from tests.support.idle_clock import pass_time, run
from wyoming_fish.fish.connections.limiter import (
    DEFAULT_LIMIT,
    LARGEST_LIMIT,
    QUEUE_TIMEOUT_S,
    ConcurrencyLimiter,
    SlotRequest,
)
from wyoming_fish.fish.errors import LimitError, QueueTimeoutError
from wyoming_fish.fish.owner import owner_at


def test_first_come_first_served() -> None:
    """Slots are given in the order of asking, and never more than there are."""

    async def ask() -> tuple[list[int], float]:
        limiter, order = ConcurrencyLimiter(2), list[int]()
        await asyncio.gather(*(hold(limiter, SlotRequest(), order, number) for number in range(6)))
        assert (limiter.in_use, limiter.waiting) == (0, 0)
        return order, asyncio.get_running_loop().time()

    order, seconds = run(ask())
    assert order == [0, 1, 2, 3, 4, 5]
    assert seconds == pytest.approx(3.0)


def test_a_place_is_kept() -> None:
    """A reply that comes back after a try is served before those that asked later."""

    async def ask() -> list[int]:
        limiter, order = ConcurrencyLimiter(1), list[int]()
        request = SlotRequest()
        async with limiter.acquire(request):
            others = [asyncio.create_task(hold(limiter, SlotRequest(), order, n)) for n in (1, 2)]
            await asyncio.sleep(0)
        # One of the others has it now.
        await hold(limiter, request, order, 0)
        await asyncio.gather(*others)
        return order

    assert run(ask()) == [1, 0, 2]


@pytest.mark.parametrize("granted", [False, True])
async def test_leaving_the_line(granted: bool) -> None:
    """A reply that is given up in line, also in the moment of its turn, leaves no hole in it."""
    limiter = ConcurrencyLimiter(1)
    async with limiter.acquire(SlotRequest()):
        waiting = asyncio.create_task(hold(limiter, SlotRequest(), [], 0))
        await asyncio.sleep(0)
        if not granted:
            waiting.cancel()
            await asyncio.wait((waiting,))
    waiting.cancel()
    await asyncio.wait((waiting,))
    assert (limiter.in_use, limiter.waiting) == (0, 0)
    async with limiter.acquire(SlotRequest()):
        assert limiter.in_use == 1


def test_the_wait_has_an_end() -> None:
    """All waits of one reply count together, and the error says what was waited for."""

    async def wait() -> float:
        limiter = ConcurrencyLimiter(1)
        async with limiter.acquire(SlotRequest()):
            loop, request = asyncio.get_running_loop(), SlotRequest()
            request.waited_s = 10.0
            began = loop.time()
            with pytest.raises(QueueTimeoutError, match="may have 1 at a time"):
                async with limiter.acquire(request):
                    pass
            return loop.time() - began

    assert run(wait()) == pytest.approx(QUEUE_TIMEOUT_S - 10.0)


def test_the_end_of_a_wait_during_which_fish_refuses() -> None:
    """The error is Fish's, also for a reply that was not tried: not all sessions were in use."""

    async def ask() -> list[str]:
        limiter, told = ConcurrencyLimiter(5), list[str]()

        async def reply() -> None:
            request = SlotRequest()
            while True:
                try:
                    async with limiter.acquire(request):
                        raise LimitError("The limit of the account is reached (429).")
                except QueueTimeoutError as error:
                    told.append(error.reason)
                    return
                except LimitError:
                    pass

        await asyncio.gather(*(reply() for _ in range(9)))
        return told

    told = run(ask())
    assert len(told) == 9
    for each in told:
        assert each.startswith("The limit of the account is reached (429). No session was free for")


def test_a_refusal_of_long_ago_is_no_reason() -> None:
    """A wait that began later says that all sessions were in use."""

    async def wait() -> None:
        limiter = ConcurrencyLimiter(1)
        with pytest.raises(LimitError):
            async with limiter.acquire(SlotRequest()):
                raise LimitError("Too many.")
        async with limiter.acquire(SlotRequest()):
            limiter.on_accepted()
            await pass_time(1.0)
            with pytest.raises(QueueTimeoutError, match="may have 1 at a time"):
                async with limiter.acquire(SlotRequest()):
                    pass

    run(wait())


def test_the_waits_of_all_tries_count() -> None:
    """A reply that comes back to the line has what is left of its time, not all of it again."""

    async def wait() -> float:
        limiter, request = ConcurrencyLimiter(1), SlotRequest()
        loop = asyncio.get_running_loop()

        async def hold(seconds: float) -> None:
            async with limiter.acquire(SlotRequest()):
                await pass_time(seconds)

        holding = [asyncio.create_task(hold(seconds)) for seconds in (20.0, 0.0)]
        await asyncio.sleep(0)
        async with limiter.acquire(request):
            holding.append(asyncio.create_task(hold(20.0)))
            await asyncio.sleep(0)
        assert loop.time() == pytest.approx(20.0)
        # The other one, which came meanwhile, has the slot.
        with pytest.raises(QueueTimeoutError):
            async with limiter.acquire(request):
                pass
        await asyncio.wait(holding)
        return request.waited_s

    assert run(wait()) == pytest.approx(QUEUE_TIMEOUT_S)


def test_after_a_refusal_one_is_tried_at_a_time() -> None:
    """What Fish refuses keeps its place; others wait until Fish has accepted it."""

    async def ask() -> list[tuple[str, int]]:
        limiter, seen = ConcurrencyLimiter(3), list[tuple[str, int]]()

        async def reply(number: int) -> None:
            request = SlotRequest()
            while True:
                try:
                    async with limiter.acquire(request):
                        await asyncio.sleep(0.01)
                        if asyncio.get_running_loop().time() < 5.0:
                            seen.append(("refused", number))
                            raise LimitError("Too many.")
                        seen.append(("accepted", number))
                        await pass_time(0.1)
                        limiter.on_accepted()
                        await pass_time(1.0)
                    break
                except LimitError:
                    pass

        await asyncio.gather(*(reply(number) for number in range(5)))
        return seen

    seen = run(ask())
    assert [number for what, number in seen if what == "accepted"] == [0, 1, 2, 3, 4]
    refused = [number for what, number in seen if what == "refused"]
    # Those that were let in together before the first refusal, and then the first alone.
    assert sorted(refused[:3]) == [0, 1, 2]
    assert set(refused[3:]) == {0}
    assert len(refused) < 10


def test_a_session_that_ends_is_a_reason_to_try() -> None:
    """After a refusal, the end of another session of ours is not waited out."""

    async def ask() -> float:
        limiter = ConcurrencyLimiter(2)
        loop, request = asyncio.get_running_loop(), SlotRequest()

        async def hold() -> None:
            async with limiter.acquire(SlotRequest()):
                await pass_time(5.0)

        holding = asyncio.create_task(hold())
        await asyncio.sleep(0)
        for _ in range(5):
            with pytest.raises(LimitError):
                async with limiter.acquire(request):
                    raise LimitError("Too many.")
        async with limiter.acquire(request):
            await holding
            return loop.time()

    # By the clock alone, the sixth would be tried after 7.75 s.
    assert run(ask()) == pytest.approx(5.0)


async def test_the_limit_is_learnt() -> None:
    """It is what Fish last said, but never more than was asked for, or than accounts have."""
    limiter = ConcurrencyLimiter()
    assert limiter.limit == DEFAULT_LIMIT
    with pytest.raises(LimitError):
        async with limiter.acquire(SlotRequest()):
            raise LimitError("Too many.", 2)
    assert limiter.limit == 2
    limiter.set_limit(8)
    assert limiter.limit == 8
    limiter.set_limit(0)
    assert limiter.limit == 8
    limiter.set_limit(10**5)
    assert limiter.limit == LARGEST_LIMIT
    assert ConcurrencyLimiter(60).limit == 60
    limited = ConcurrencyLimiter(3)
    limited.set_limit(8)
    assert limited.limit == 3
    limited.set_limit(2)
    assert limited.limit == 2


def test_a_higher_limit_is_used_immediately() -> None:
    """Those in line are served when Fish tells that the account may have more."""

    async def ask() -> list[int]:
        limiter, order = ConcurrencyLimiter(3), list[int]()
        limiter.set_limit(1)
        holding = [asyncio.create_task(hold(limiter, SlotRequest(), order, n)) for n in range(4)]
        await pass_time(0.1)
        assert order == [0]
        limiter.set_limit(3)
        await pass_time(0.1)
        served = order.copy()
        await asyncio.wait(holding)
        return served

    assert run(ask()) == [0, 1, 2]


def test_a_trial_that_was_accepted_holds_up_nobody() -> None:
    """After a later refusal, others are tried though the session that was accepted goes on."""

    async def ask() -> float:
        limiter = ConcurrencyLimiter(4)
        first, refused = SlotRequest(), SlotRequest()
        with pytest.raises(LimitError):
            async with limiter.acquire(first):
                raise LimitError("Too many.")
        async with limiter.acquire(first):
            limiter.on_accepted()
            with pytest.raises(LimitError):
                async with limiter.acquire(refused):
                    raise LimitError("Too many.")
            began = asyncio.get_running_loop().time()
            async with limiter.acquire(SlotRequest()):
                return asyncio.get_running_loop().time() - began

    assert run(ask()) < 1.0


def test_refusals_back_off_while_another_reply_speaks() -> None:
    """The audio of a session that runs says nothing of room for one more."""

    async def ask() -> int:
        limiter, tries = ConcurrencyLimiter(5), 0
        limiter.on_accepted()

        async def refused() -> None:
            nonlocal tries
            request = SlotRequest()
            with contextlib.suppress(QueueTimeoutError):
                while True:
                    with contextlib.suppress(LimitError):
                        async with limiter.acquire(request):
                            tries += 1
                            raise LimitError("Too many.")
                    if request.waited_s >= QUEUE_TIMEOUT_S:
                        break

        await asyncio.gather(hold(limiter, SlotRequest(), [], 0), refused())
        return tries

    assert run(ask()) <= 14


@pytest.mark.parametrize("limit", [2, 3, 4, 5])
def test_two_sessions_are_for_anyone(limit: int) -> None:
    """However many others were seen, the replies of an address are not spoken one by one."""

    async def ask() -> int:
        limiter = ConcurrencyLimiter(limit)
        for seen in ("192.168.1.2", "fd00:1::2"):
            await hold(limiter, SlotRequest(owner_at(seen)), [], 0)
        holding = [
            asyncio.create_task(hold(limiter, SlotRequest(owner_at("fd00:1::3")), [], 0))
            for _ in range(5)
        ]
        await pass_time(0.5)
        taken = limiter.in_use
        await asyncio.wait(holding)
        return taken

    assert run(ask()) == max(2, limit - 2)
