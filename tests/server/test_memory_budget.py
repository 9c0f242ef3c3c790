"""What all clients together make the server keep."""

import pytest
from wyoming.tts import Synthesize

from wyoming_fish.emulator import EmulatorSettings, decode_code_voice
from wyoming_fish.memory_budget import OWN_BYTES, BudgetExceededError, MemoryBudget

from .conftest import Serving, receive

TEXT = "Good night. The doors are locked."


def test_a_share_of_its_own() -> None:
    """However much others keep, a client has its own share; what is given back is free again."""
    budget = MemoryBudget(0)
    pool = budget.size
    greedy, modest = budget.share(), budget.share()
    greedy.take(OWN_BYTES + pool)
    modest.take(OWN_BYTES)
    for share in (greedy, modest):
        with pytest.raises(BudgetExceededError):
            share.take(1)
    greedy.give_back(pool)
    modest.take(pool)
    modest.give_back(OWN_BYTES + pool)
    greedy.give_back(OWN_BYTES)
    assert budget.pooled == 0


async def test_a_busy_server(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text for which there is no room is an error in words; a short one is spoken."""
    monkeypatch.setattr("wyoming_fish.memory_budget.MIN_POOL_BYTES", 0)
    monkeypatch.setattr("wyoming_fish.memory_budget.POOLED_TEXTS", 0)
    async with serving(EmulatorSettings(voice="code")) as served:
        async with served.client() as client:
            await client.write_event(Synthesize("x" * OWN_BYTES).event())
            reply = await receive(client, "error")
            assert reply.error.code == "busy"
            assert "Try again" in reply.error.text
        # Each reply gives back what it took.
        async with served.client() as client:
            for _ in range(OWN_BYTES // 2048):
                await client.write_event(Synthesize(TEXT).event())
                assert decode_code_voice((await receive(client, "audio-stop")).pcm) == TEXT
