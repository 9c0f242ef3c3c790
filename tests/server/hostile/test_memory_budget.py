"""What all clients together make the server keep."""

from collections.abc import Sequence

import pytest
from wyoming.tts import Synthesize

from wyoming_fish.emulator import EmulatorSettings, decode_code_voice
from wyoming_fish.fish.owner import owner_at
from wyoming_fish.server.memory_budget import RESERVED_BYTES, BudgetExceededError, MemoryBudget

from ...support.server import Serving, receive

TEXT = "Good night. The doors are locked."


def test_a_share_of_its_own() -> None:
    """However much others keep, a client has its own share; what is given back is free again."""
    budget = MemoryBudget(0)
    half = budget.size // 2
    greedy, other, modest = budget.share(), budget.share(), budget.share()
    greedy.owner, other.owner, modest.owner = map(owner_at, "abc")
    greedy.take(RESERVED_BYTES + half)
    other.take(RESERVED_BYTES + half)
    modest.take(RESERVED_BYTES)
    for share in (greedy, other, modest):
        with pytest.raises(BudgetExceededError):
            share.take(1)
    greedy.give_back(half)
    modest.take(half)
    modest.give_back(RESERVED_BYTES + half)
    greedy.give_back(RESERVED_BYTES)
    other.give_back(RESERVED_BYTES + half)
    assert budget.pooled == 0
    assert not budget.pooled_by


@pytest.mark.parametrize("addresses", ["aab", ["fd00:1::1", "fd00:1::1", "fd00:2::1"]])
def test_an_address_leaves_half_to_others(addresses: Sequence[str]) -> None:
    """However many clients it has."""
    budget = MemoryBudget(0)
    half = budget.size // 2
    clients = [budget.share() for _ in range(3)]
    for client, address in zip(clients, addresses, strict=True):
        client.owner = owner_at(address)
    clients[0].take(RESERVED_BYTES + half)
    clients[1].take(RESERVED_BYTES)
    with pytest.raises(BudgetExceededError):
        clients[1].take(1)
    clients[2].take(RESERVED_BYTES + half)


def test_a_network_leaves_a_quarter_to_others() -> None:
    """However many addresses it has; and one address leaves something to the others there."""
    budget = MemoryBudget(0)
    half = budget.size // 2
    greedy, neighbor, third, other = (budget.share() for _ in range(4))
    for client, address in (
        (greedy, "fd00:1::1"),
        (neighbor, "fd00:1::2"),
        (third, "fd00:1::3"),
        (other, "fd00:2::1"),
    ):
        client.owner = owner_at(address)
    greedy.take(RESERVED_BYTES + half)
    neighbor.take(RESERVED_BYTES + half // 2)
    third.take(RESERVED_BYTES)
    with pytest.raises(BudgetExceededError):
        third.take(1)
    other.take(RESERVED_BYTES + half // 2)


async def test_a_busy_server(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text for which there is no room is an error in words; a short one is spoken."""
    monkeypatch.setattr("wyoming_fish.server.memory_budget.MIN_POOL_BYTES", 0)
    monkeypatch.setattr("wyoming_fish.server.memory_budget.POOLED_TEXTS", 0)
    async with serving(EmulatorSettings(voice="code")) as served:
        async with served.client() as client:
            await client.write_event(Synthesize("x" * RESERVED_BYTES).event())
            reply = await receive(client, "error")
            assert reply.error.code == "server-busy"
            assert "Try again" in reply.error.text
        # Each reply gives back what it took.
        async with served.client() as client:
            for _ in range(RESERVED_BYTES // 2048):
                await client.write_event(Synthesize(TEXT).event())
                assert decode_code_voice((await receive(client, "audio-stop")).pcm) == TEXT
