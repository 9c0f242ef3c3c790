"""A short soak; `script/soak` runs a long one."""

import pytest

from tests.soak.__main__ import soak


# A connection that dies silently during a reply is detected after 30 s.
@pytest.mark.timeout(240)
async def test_soak() -> None:
    """Clients that come, go, stall and break, while Fish fails, cost nobody else a word."""
    assert await soak(8, seed=1, by_time=False) == []
