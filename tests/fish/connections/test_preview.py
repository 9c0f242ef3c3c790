"""Drama 3 Preview is only asked for where no other backend would speak in its place."""

from dataclasses import replace

import pytest

from tests.fish.replies import SETTINGS, TEXT, fish, speech
from wyoming_fish.emulator import Fault
from wyoming_fish.fish import Backend
from wyoming_fish.fish.connections.transport import FAILURE_THRESHOLD
from wyoming_fish.fish.errors import BackendMissingError, FishError

pytestmark = pytest.mark.usefixtures("brisk")

PREVIEW = replace(SETTINGS, backend=Backend.DRAMA_3_PREVIEW)


@pytest.mark.parametrize("timestamps", [None, False])
@pytest.mark.parametrize(
    "faults",
    [
        [Fault("upgrade", 404, times=None)],
        [Fault("upgrade", 503, times=None)],
        [Fault("upgrade", "drop", times=None)],
    ],
)
async def test_the_preview_is_never_asked_for_elsewhere(
    faults: list[Fault], timestamps: bool | None, impatient: None
) -> None:
    """The plain socket and REST would speak the preview's text by another, billed backend."""
    async with fish(*faults, timestamps=timestamps) as (emulator, client):
        # Other backends go by REST after so many failures.
        for _ in range(FAILURE_THRESHOLD + 1):
            with pytest.raises(FishError):
                await speech(client, PREVIEW)
        assert not emulator.sessions


async def test_the_preview_without_its_socket_says_what_to_select() -> None:
    """Other backends go on by the plain socket, before and after it."""
    async with fish() as (emulator, client):
        emulator.settings.timestamps = False
        for _ in range(2):
            with pytest.raises(BackendMissingError, match=r"Select another backend.*drama-3"):
                await speech(client, PREVIEW)
            assert await speech(client) == TEXT
            assert await speech(client, replace(SETTINGS, backend=Backend.DRAMA_3)) == TEXT
        assert {session.backend for session in emulator.sessions} == {"s2.1-pro", "drama-3"}
        emulator.settings.timestamps = True
        assert await speech(client, PREVIEW) == TEXT
        assert emulator.sessions[-1].timestamps
