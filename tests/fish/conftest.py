"""What the tests of the client share."""

import pytest


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is not tried again."""
    monkeypatch.setattr("wyoming_fish.fish.speech.RETRY_TIME", -1.0)
