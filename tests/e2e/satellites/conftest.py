from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import set_up, whole_session
from tests.e2e.home_assistant import start_home_assistant
from tests.e2e.satellites.house import House, furnished
from tests.support.processes import Program


@pytest.fixture(scope="session")
def _home_assistant(
    tmp_path_factory: pytest.TempPathFactory, archive: Path
) -> Iterator[tuple[Program, str]]:
    set_up("home-assistant")
    set_up("satellite")
    program, url = start_home_assistant(tmp_path_factory.mktemp("config"), archive=archive)
    with program:
        yield program, url


@whole_session
async def house(_home_assistant: tuple[Program, str]) -> AsyncIterator[House]:
    """Home Assistant with both ways to speak and four satellites."""
    async with furnished(*_home_assistant) as house:
        yield house
