"""A short soak; `script/soak` runs a long one."""

import sys

import pytest

from tests.soak.__main__ import soak
from tests.support.processes import run_to_end


def test_usage() -> None:
    """It says how it is used, and refuses a duration that is not a number."""
    command = (sys.executable, "-m", "tests.soak")
    assert "minutes" in run_to_end(*command, "--help").stdout
    assert "invalid float value" in run_to_end(*command, "long").stderr


# A connection that dies silently during a reply is detected after 30 s.
@pytest.mark.timeout(240)
async def test_soak() -> None:
    """Clients that come, go, stall and break, while Fish fails, cost nobody else a word."""
    assert await soak(8, seed=1, by_time=False) == []
