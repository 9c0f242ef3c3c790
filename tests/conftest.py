from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.processes import READY, server

# A slow machine must not fail a test.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# They run inside Home Assistant's own Python: script/test sees to it.
collect_ignore = ["integration"]


@pytest.fixture(scope="session")
def demo_server() -> Iterator[str]:
    """The server with its own Fish Audio, speaking English; its URI."""
    with server("--demo", "--uri", "tcp://127.0.0.1:0") as program:
        yield program.wait_for(READY)[1]
