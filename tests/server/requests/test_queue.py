"""What a client that has asked for replies makes the server keep."""

import json
import tracemalloc

import pytest
from wyoming.event import Event

from wyoming_fish.server.events import MAX_NAME_CHARS
from wyoming_fish.server.memory_budget import MemoryBudget
from wyoming_fish.server.requests.queue import RequestQueue

REPLIES = 100


@pytest.mark.parametrize("name", ["x", "\U00020bb7" * MAX_NAME_CHARS])
async def test_replies_take_no_more_than_is_counted(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whatever they name, and all of it is given back."""
    monkeypatch.setattr("wyoming_fish.server.memory_budget.RESERVED_BYTES", 0)
    budget = MemoryBudget(max_text=200_000)
    queue = RequestQueue("127.0.0.1", 200_000, budget.share())
    voice = {"name": name, "language": name, "speaker": name}
    data = {"text": "Hi.", "voice": voice, "context": {"wyoming-fish-fallback-of": name}}
    whole = json.dumps(data)
    queue.add(Event("synthesize", json.loads(whole)))
    counted = budget.pooled
    tracemalloc.start()
    try:
        for _ in range(REPLIES):
            queue.add(Event("synthesize", json.loads(whole)))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken <= budget.pooled - counted
    for _ in range(REPLIES + 1):
        queue.remove_first()
    assert budget.pooled == 0
