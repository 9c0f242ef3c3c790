"""What the tests of the client share."""

import pytest


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is not tried again."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.RETRY_TIMEOUT_S", -1.0)


@pytest.fixture
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses and deadlines of hundredths of a second."""
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.FIRST_DELAY_S", 0.005)
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.MAX_DELAY_S", 0.02)
    monkeypatch.setattr("wyoming_fish.fish.synthesis.retry_policy.RETRY_TIMEOUT_S", 2.0)
    monkeypatch.setattr("wyoming_fish.fish.connections.opener.MIN_OPEN_INTERVAL_S", 0.01)
    for name in ("TEXT_PAUSE_S", "LONG_TEXT_PAUSE_S", "QUIET_S"):
        monkeypatch.setattr(f"wyoming_fish.fish.synthesis.flush_scheduler.{name}", 0.02)
    # Longer than a pause, as it really is: else a sentence is cut before it is known to end.
    monkeypatch.setattr("wyoming_fish.fish.synthesis.flush_scheduler.SETTLED_S", 0.05)
