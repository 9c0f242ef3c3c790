"""The account's sessions are shared equally among the owners of the replies that wait."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import pytest

from tests.fish.connections.slots import hold
from tests.support.idle_clock import pass_time, run
from wyoming_fish.fish.connections.limiter import MIN_SHARE_S, ConcurrencyLimiter, SlotRequest
from wyoming_fish.fish.connections.turns import EXPECTED_FOR_S
from wyoming_fish.fish.errors import LimitError, QueueFullError
from wyoming_fish.fish.owner import Owner, owner_at

# Pairs of owners: those that take all they can get, and one that is to have its share.
CROWDS = [
    pytest.param(["192.168.1.3"], "192.168.1.2", id="address"),
    pytest.param(["fd00:1::3"], "fd00:1::2", id="address in its network"),
    pytest.param([f"fd00:2::{number}" for number in range(9)], "fd00:1::2", id="network"),
]


@pytest.mark.parametrize(("crowd", "few"), CROWDS)
def test_a_long_line_of_one_owner_keeps_no_other_waiting(crowd: list[str], few: str) -> None:
    """A session that becomes free goes to the owner that holds the fewest."""

    async def ask() -> list[int]:
        limiter, order = ConcurrencyLimiter(3), list[int]()
        owners = (crowd * 9)[:9] + [few] * 2
        holding = []
        for number, owner in enumerate(owners):
            reply = hold(limiter, SlotRequest(owner_at(owner)), order, number)
            holding.append(asyncio.create_task(reply))
            await pass_time(0.1)
        await asyncio.wait(holding)
        return order

    assert run(ask()) == [0, 1, 2, 9, 10, 3, 4, 5, 6, 7, 8]


def test_the_owner_that_holds_the_fewest_is_first() -> None:
    """Also if another one has waited for longer since its last session."""

    async def ask() -> list[int]:
        limiter, order = ConcurrencyLimiter(2), list[int]()
        async with limiter.acquire(SlotRequest(owner_at("holds one"))):
            holding = [asyncio.create_task(hold(limiter, SlotRequest(owner_at("none")), order, 0))]
            await asyncio.sleep(0)
            for number, owner in enumerate(("holds one", "none"), 1):
                holding.append(
                    asyncio.create_task(hold(limiter, SlotRequest(owner_at(owner)), order, number))
                )
            await pass_time(1.5)
            held = order.copy()
        await asyncio.wait(holding)
        return held

    assert run(ask()) == [0, 2]


def test_owners_take_turns() -> None:
    """Also with a single session, and if owners that have had a turn ask again each time."""

    async def ask() -> list[str]:
        limiter, order = ConcurrencyLimiter(1), list[str]()

        async def hold(owner: str) -> None:
            async with limiter.acquire(SlotRequest(owner_at(owner))):
                order.append(owner)
                await pass_time(1.0)

        async def comes_again(owner: str) -> None:
            for _ in range(3):
                await hold(owner)

        await asyncio.gather(
            *(hold("in line") for _ in range(3)), comes_again("a"), comes_again("b")
        )
        return order

    assert run(ask()) == ["in line", "a", "b"] * 3


@pytest.mark.parametrize(("crowd", "seen"), CROWDS)
@pytest.mark.parametrize(("quiet_s", "held"), [(0.0, 2), (EXPECTED_FOR_S + 1, 3)])
def test_the_last_session_is_kept_for_an_owner_that_was_seen(
    quiet_s: float, held: int, crowd: list[str], seen: str
) -> None:
    """It is served immediately, however many another owner wants; later that one may have all."""

    async def ask() -> tuple[list[int], int]:
        limiter, order = ConcurrencyLimiter(3), list[int]()
        await hold(limiter, SlotRequest(owner_at(seen)), order, 0)
        await pass_time(quiet_s)
        many = [
            asyncio.create_task(hold(limiter, SlotRequest(owner_at(address)), order, number))
            for number, address in enumerate((crowd * 4)[:4], 1)
        ]
        await pass_time(0.5)
        taken = limiter.in_use
        if taken < limiter.limit:
            await hold(limiter, SlotRequest(owner_at(seen)), order, 9)
        await asyncio.wait(many)
        return order, taken

    order, taken = run(ask())
    assert taken == held
    assert order == ([0, 1, 2, 9, 3, 4] if held == 2 else [0, 1, 2, 3, 4])


def test_a_session_is_kept_for_another_network_and_one_for_another_address() -> None:
    """Of those that were seen, each is served immediately."""

    async def ask() -> list[int]:
        limiter, order = ConcurrencyLimiter(4), list[int]()
        for seen in ("192.168.1.2", "fd00:1::2"):
            await hold(limiter, SlotRequest(owner_at(seen)), order, 0)
        owners = ["fd00:1::3"] * 4 + ["192.168.1.2", "fd00:1::2"]
        holding = [
            asyncio.create_task(hold(limiter, SlotRequest(owner_at(owner)), order, number))
            for number, owner in enumerate(owners, 1)
        ]
        await pass_time(0.5)
        held = order[2:]
        await asyncio.wait(holding)
        return held

    assert run(ask()) == [1, 2, 5, 6]


def test_addresses_without_end_make_no_other_network_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A session is kept for another one that was seen, beside the one for those addresses."""
    monkeypatch.setattr("wyoming_fish.fish.connections.turns.MAX_KNOWN_PARTIES", 4)

    async def ask() -> int:
        limiter = ConcurrencyLimiter(4)
        await hold(limiter, SlotRequest(owner_at("fd00:1::1")), [], 0)
        for number in range(5):
            await hold(limiter, SlotRequest(owner_at(f"fd00:2::{number}")), [], 0)
        async with _in_line(limiter, *[owner_at("fd00:2::9")] * 4):
            return limiter.in_use

    assert run(ask()) == 2


def test_networks_take_turns_and_then_their_addresses() -> None:
    """An address that is alone in its network has as many turns as all those of another one."""

    async def ask() -> list[str]:
        limiter, order = ConcurrencyLimiter(1), list[str]()

        async def comes_again(owner: str) -> None:
            for _ in range(3):
                async with limiter.acquire(SlotRequest(owner_at(owner))):
                    order.append(owner)
                    await pass_time(1.0)

        alone, *several = "fd00:1::1", "fd00:2::1", "fd00:2::2", "fd00:2::3"
        holding = [asyncio.create_task(comes_again(owner)) for owner in (alone, *several)]
        await asyncio.wait(holding)
        return order

    order = run(ask())
    one, two, three = "fd00:2::1", "fd00:2::2", "fd00:2::3"
    assert order[:6] == ["fd00:1::1", one, "fd00:1::1", two, "fd00:1::1", three]
    assert order[6:] == [one, two, three] * 2


def test_a_refusal_costs_an_owner_no_turn() -> None:
    """The reply that Fish refused is the one that is tried again, before another owner's."""

    async def ask() -> list[str]:
        limiter, order = ConcurrencyLimiter(1), list[str]()

        async def reply(owner: str, refusals: int) -> None:
            request = SlotRequest(owner_at(owner))
            for refused in reversed(range(refusals + 1)):
                with contextlib.suppress(LimitError):
                    async with limiter.acquire(request):
                        order.append(owner)
                        if refused:
                            raise LimitError("Too many.")
                        limiter.on_accepted()

        await asyncio.gather(reply("first", 3), reply("second", 0))
        return order

    assert run(ask()) == ["first"] * 4 + ["second"]


async def test_the_line_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """If it is full, the last reply of the owner with the most in line is sent away."""
    monkeypatch.setattr("wyoming_fish.fish.connections.limiter.MAX_WAITING", 4)
    limiter, order = ConcurrencyLimiter(1), list[int]()
    async with limiter.acquire(SlotRequest()):
        many = [
            asyncio.create_task(hold(limiter, SlotRequest(owner_at("many")), order, n))
            for n in range(4)
        ]
        await asyncio.sleep(0)
        one = asyncio.create_task(hold(limiter, SlotRequest(owner_at("one")), order, 9))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [each.done() for each in many] == [False, False, False, True]
        with pytest.raises(QueueFullError, match="4 replies wait"):
            await many[3]
        with pytest.raises(QueueFullError):
            await hold(limiter, SlotRequest(owner_at("many")), order, 4)
        assert limiter.waiting == 4
        for each in (one, *many):
            each.cancel()
        await asyncio.wait((one, *many))
    assert (limiter.in_use, limiter.waiting, order) == (0, 0, [])


async def test_the_end_of_the_line_is_of_the_network_with_the_most(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However few each of its addresses has; then of the address with the most."""
    monkeypatch.setattr("wyoming_fish.fish.connections.limiter.MAX_WAITING", 6)
    limiter = ConcurrencyLimiter(1)
    async with limiter.acquire(SlotRequest()):
        owners = ["fd00:1::1"] * 2 + ["fd00:2::1", "fd00:2::2", "fd00:2::2", "fd00:2::3"]
        waiting = [
            asyncio.create_task(hold(limiter, SlotRequest(owner_at(owner)), [], 0))
            for owner in owners
        ]
        await asyncio.sleep(0)
        async with _in_line(limiter, owner_at("fd00:1::1")):
            await asyncio.sleep(0)
            assert [each.done() for each in waiting] == [False] * 4 + [True, False]
            with pytest.raises(QueueFullError):
                await waiting.pop(4)
        for each in waiting:
            each.cancel()
        await asyncio.wait(waiting)


@contextlib.asynccontextmanager
async def _held(limiter: ConcurrencyLimiter, *owners: Owner) -> AsyncIterator[list[SlotRequest]]:
    """The requests of these owners, each with a session."""
    requests = [SlotRequest(owner) for owner in owners]
    async with contextlib.AsyncExitStack() as stack:
        for request in requests:
            await stack.enter_async_context(limiter.acquire(request))
        yield requests


@contextlib.asynccontextmanager
async def _in_line(limiter: ConcurrencyLimiter, *owners: Owner) -> AsyncIterator[None]:
    """These owners have a reply in line."""
    waiting = [asyncio.create_task(hold(limiter, SlotRequest(owner), [], 0)) for owner in owners]
    await asyncio.sleep(0)
    yield
    for each in waiting:
        each.cancel()
    await asyncio.wait(waiting)


def _owners(names: str) -> list[Owner]:
    """Each is a letter, its network, and perhaps a digit for one of several addresses in it."""
    return [Owner(name[0], name) for name in re.findall(r"[a-z][0-9]?", names)]


@pytest.mark.parametrize(
    ("holders", "waiting", "busy", "idle"),
    [
        # Nobody waits.
        ("aaaaa", "", False, False),
        # An idle session serves anybody, a busy one another owner that has less.
        ("aaaaa", "a", False, True),
        ("aaaaa", "b", True, True),
        ("aaabb", "b", False, True),
        ("aaaab", "b", True, True),
        ("a", "b", False, True),
        # Not the one that has less than a third.
        ("aabbb", "c", False, True),
        # Also another address of the network, and another network, however little each address has.
        ("a1a1a1a1", "a2", True, True),
        ("a1a2a3a4", "b1", True, True),
        ("a1a1b1b2b3", "a2", True, True),
        # Not an address that has fewer than another one of its network.
        ("a1a2a2", "a3", False, True),
        # Nor, for another network, one of a network that has fewer than another one, or as many.
        ("a1a2b1b2b3", "c1", False, True),
        ("a1a1b1b2", "b2", False, True),
    ],
)
async def test_which_session_is_wanted(holders: str, waiting: str, busy: bool, idle: bool) -> None:
    """Shares become equal, and no session changes hands between equals."""
    owners = _owners(holders)
    limiter = ConcurrencyLimiter(len(owners))
    async with _held(limiter, *owners) as requests, contextlib.AsyncExitStack() as stack:
        if waiting:
            await stack.enter_async_context(_in_line(limiter, *_owners(waiting)))
        assert limiter.is_wanted(requests[0], is_spare=False) is busy
        assert limiter.is_wanted(requests[0], is_spare=True) is idle


def test_owners_take_turns_if_there_are_more_of_them_than_sessions() -> None:
    """A session that its owner has had for long is wanted by an owner that has none."""

    async def ask() -> list[bool]:
        limiter = ConcurrencyLimiter(2)
        async with _held(limiter, *_owners("ab")) as requests, _in_line(limiter, *_owners("c")):
            await pass_time(MIN_SHARE_S - 1.0)
            early = limiter.is_wanted(requests[0], is_spare=False)
            await pass_time(1.0)
            return [early, limiter.is_wanted(requests[0], is_spare=False)]

    assert run(ask()) == [False, True]


def test_an_owner_that_comes_for_the_first_time_is_not_before_others() -> None:
    """However many new owners come, one that was served before has its turn."""

    async def ask() -> list[int]:
        limiter, order = ConcurrencyLimiter(1), list[int]()
        await hold(limiter, SlotRequest(owner_at("known")), order, 0)
        holding = [asyncio.create_task(hold(limiter, SlotRequest(owner_at("new 1")), order, 1))]
        await pass_time(0.1)
        for number, owner in enumerate(("new 2", "known", "new 3"), 2):
            reply = hold(limiter, SlotRequest(owner_at(owner)), order, number)
            holding.append(asyncio.create_task(reply))
        await asyncio.wait(holding)
        return order

    assert run(ask()) == [0, 1, 3, 2, 4]


async def test_no_more_sessions_are_wanted_than_replies_wait() -> None:
    """Each that is ending is for one of those in line."""
    limiter = ConcurrencyLimiter(5)
    async with _held(limiter, *_owners("aaaaa")) as requests, _in_line(limiter, *_owners("bc")):
        for request in requests[:2]:
            assert limiter.is_wanted(request, is_spare=False)
            request.is_ending = True
        assert not limiter.is_wanted(requests[2], is_spare=True)
