"""compose.yaml: the server and its fallback voice."""

import re
from importlib.metadata import version

from tests.support.processes import ROOT
from wyoming_fish.cli.flags import FLAGS
from wyoming_fish.cli.options import Options
from wyoming_fish.server.shutdown import STOP_TIMEOUT_S

from .documents import IMAGE, check_compose, load

# Seconds that Docker gives a container to stop.
GRACE_PERIOD = 10

COMPOSE = load("compose.yaml")
SERVER = COMPOSE["services"]["wyoming-fish"]


def test_schema() -> None:
    """It is what the Compose specification takes."""
    check_compose("compose.yaml")


def test_environment_is_the_servers() -> None:
    """The server knows each variable, those in comments too, and takes the values."""
    shown = re.findall(
        r"^\s+#? ?((?:WYOMING_)?FISH_\w+):", (ROOT / "compose.yaml").read_text(), re.MULTILINE
    )
    assert set(SERVER["environment"]) < set(shown)
    assert set(shown) <= {flag.variable for flag in FLAGS}
    environment = SERVER["environment"] | {"FISH_API_KEY_FILE": "", "FISH_API_KEY": "key"}
    assert Options.parse([], environment).fallback_uri == "tcp://piper:10200"


def test_the_key_is_a_secret() -> None:
    """The key is in no variable, but in a file that is mounted where the server looks."""
    (secret,) = SERVER["secrets"]
    assert SERVER["environment"]["FISH_API_KEY_FILE"] == f"/run/secrets/{secret}"
    file = COMPOSE["secrets"][secret]["file"]
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert file in ignored


def test_nothing_is_allowed() -> None:
    """The container may write nothing and gain nothing."""
    assert SERVER["read_only"] is True
    assert SERVER["cap_drop"] == ["ALL"]
    for service in COMPOSE["services"].values():
        assert "no-new-privileges:true" in service["security_opt"]
        assert "privileged" not in service


def test_versions() -> None:
    """The image is this version's, and may be built from here."""
    assert (SERVER["image"], SERVER["build"]) == (IMAGE, ".")


def test_the_fallback_voice_is_the_one_that_is_tested() -> None:
    """Another version comes with a change here, and not by itself."""
    assert (
        COMPOSE["services"]["piper"]["image"] == f"rhasspy/wyoming-piper:{version('wyoming-piper')}"
    )


def test_there_is_time_to_finish() -> None:
    """It is not killed before what is being said is finished."""
    assert "stop_grace_period" not in SERVER
    assert STOP_TIMEOUT_S < GRACE_PERIOD
