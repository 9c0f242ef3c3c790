"""Sets up a real Home Assistant with its voice stack, for the tests of our integration in it.

It lies in `.cache/home-assistant-<version>/venv`, on the CPython that it needs: from the PATH, from
uv, or from Debian (script/debian-python), whichever is to be had first. Where none is, this ends
with status 1 and a sentence that says so.

HOME_ASSISTANT=oldest in the environment is the oldest that the integration runs on.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


class Release(NamedTuple):
    """A Home Assistant, and what goes with it."""

    version: str
    python: str
    """The oldest that it takes (its const.py)."""
    test_package: str
    """The version of the test helpers that was made from it, or from a release next to it."""


RELEASES = {
    "newest": Release("2026.11.0", "3.14.2", "0.13.375"),
    "oldest": Release("2026.3.0", "3.14.2", "0.13.317"),
}
RELEASE = RELEASES[os.environ.get("HOME_ASSISTANT", "newest")]
VERSION = RELEASE.version
PYTHON_VERSION = RELEASE.python.rpartition(".")[0]

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache"
VENV = CACHE / f"home-assistant-{VERSION}" / "venv"
PYTHON = VENV / "bin" / "python"
HASS = VENV / "bin" / "hass"

# What the tests of our own integration need beside it.
TEST_PACKAGES = (
    f"pytest-homeassistant-custom-component=={RELEASE.test_package}",
    "mypy==2.4.1",
)

# Our own integration, and what the end-to-end tests use.
OURS = ROOT / "custom_components" / "wyoming_fish"
INTEGRATIONS = (
    *("assist_pipeline", "assist_satellite", "conversation", "ffmpeg", "intent", "media_player"),
    *("media_source", "stt", "tts", "wyoming", "zeroconf"),
    # It imports hassio, on which it does not depend by its manifest.
    *("esphome", "hassio"),
    *("config", "frontend", "http", "websocket_api"),
)

# Their releases can reach a registry later than the Home Assistant that requires them. The newest
# release up to the required one is installed.
LATE_PACKAGES = ("aioesphomeapi",)

# The sets in Home Assistant's bootstrap.py that name what is set up at every start.
ALWAYS_SET_UP = (
    "CORE_INTEGRATIONS",
    "DEFAULT_INTEGRATIONS",
    "DEFAULT_INTEGRATIONS_RECOVERY_MODE",
    "FRONTEND_INTEGRATIONS",
    "LOGGING_AND_HTTP_DEPS_INTEGRATIONS",
)

# Where the system has no ffmpeg: a package that carries the program.
FFMPEG_PACKAGE = "imageio-ffmpeg==0.8.1"


class SetUpError(Exception):
    """Home Assistant cannot be set up here; the text says why."""


def main() -> None:
    """Set up what is not there yet, and end with status 1 and a sentence where it cannot be."""
    stamp = VENV / "installed"
    question = Path(__file__).read_text() + (OURS / "manifest.json").read_text()
    if HASS.exists() and stamp.exists() and stamp.read_text() == question:
        return
    try:
        set_up()
    except SetUpError as error:
        sys.exit(f"Home Assistant cannot be set up here: {error}")
    except subprocess.CalledProcessError as error:
        # The program has already said what is wrong.
        sys.exit(f"Home Assistant could not be set up: {Path(error.cmd[0]).name} failed")
    stamp.write_text(question)


def set_up() -> None:
    """Make the virtualenv and install Home Assistant and its voice stack."""
    python = find_python()
    print(f"Installing Home Assistant {VERSION} into {VENV.relative_to(ROOT)}", file=sys.stderr)
    uv("venv", "--clear", "--python", python, str(VENV))
    # The test helpers require the release that they were made from. A new release has none yet.
    core = f"homeassistant=={VERSION}"
    override = VENV / "override.txt"
    override.write_text(core)
    uv(
        *("pip", "install", "--python", str(PYTHON), "--override", str(override)),
        *(core, *TEST_PACKAGES),
    )
    package = next(VENV.glob("lib/python*/site-packages/homeassistant"))
    uv(
        *("pip", "install", "--python", str(PYTHON)),
        *("--constraints", str(package / "package_constraints.txt")),
        *requirements(package),
    )
    if shutil.which("ffmpeg") is None:
        uv("pip", "install", "--python", str(PYTHON), FFMPEG_PACKAGE)
        where = "import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())"
        program = run(str(PYTHON), "-c", where).stdout.strip()
        (VENV / "bin" / "ffmpeg").symlink_to(program)


def find_python() -> str:
    """Return the CPython that is needed: of the PATH, uv's, or Debian's in a folder of its own.

    Raises SetUpError where there is none.
    """
    on_path = shutil.which(f"python{PYTHON_VERSION}")
    if on_path is not None and works(on_path):
        return on_path

    debian = CACHE / f"python-{PYTHON_VERSION}"
    of_debian = debian / "bin" / f"python{PYTHON_VERSION}"
    if works(str(of_debian)):
        return str(of_debian)

    print(f"Looking for Python {PYTHON_VERSION}", file=sys.stderr)
    of_uv = os.environ | {"UV_PYTHON_INSTALL_DIR": str(CACHE / "uv-python"), "UV_HTTP_RETRIES": "1"}
    arguments = ("python", "install", "--quiet", "--no-bin", PYTHON_VERSION)
    if run("uv", *arguments, check=False, env=of_uv).returncode == 0:
        found = run("uv", "python", "find", "--managed-python", PYTHON_VERSION, env=of_uv)
        return found.stdout.strip()

    script = str(ROOT / "script" / "debian-python")
    patchelf = shutil.which("patchelf") or "patchelf"
    made = run(script, PYTHON_VERSION, str(debian), patchelf, check=False)
    if made.returncode != 0 or not works(str(of_debian)):
        reason = (made.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SetUpError(
            f"it needs Python {RELEASE.python}, which is not on the PATH, "
            f"uv cannot install it, and Debian's cannot be had ({reason})"
        )
    return str(of_debian)


def requirements(package: Path) -> list[str]:
    """Return the pins of `INTEGRATIONS`, of what is always set up, and of all that these use.

    `package` is the installed `homeassistant` folder. `hass --skip-pip` installs nothing later.
    """
    bootstrap = (package / "bootstrap.py").read_text()
    # Older ones have no such file.
    platforms = "".join(path.read_text() for path in package.glob("generated/entity_platforms.py"))
    waiting = set(INTEGRATIONS) | set(re.findall(r'= "([a-z0-9_]+)"', platforms))
    for name in ALWAYS_SET_UP:
        if body := re.search(
            rf"^{name}\b[^=]*=\s*\{{(.*?)^\}}", bootstrap, re.DOTALL | re.MULTILINE
        ):
            waiting |= set(re.findall(r'^\s*"([a-z0-9_]+)"', body[1], re.MULTILINE))

    seen: set[str] = set()
    pins = set(json.loads((OURS / "manifest.json").read_text())["requirements"])
    while waiting:
        integration = waiting.pop()
        path = package / "components" / integration / "manifest.json"
        if integration in seen or not path.exists():
            continue
        seen.add(integration)
        manifest = json.loads(path.read_text())
        pins.update(
            pin.replace("==", "<=") if pin.startswith(LATE_PACKAGES) else pin
            for pin in manifest.get("requirements", [])
        )
        waiting.update(manifest.get("dependencies", []))
    return sorted(pins)


def works(python: str) -> bool:
    """Tell whether this is that CPython, and runs."""
    least = tuple(map(int, RELEASE.python.split(".")))
    code = f"import sys; v = sys.version_info[:3]; sys.exit(v < {least} or v[:2] != {least[:2]})"
    try:
        return run(python, "-I", "-c", code, check=False).returncode == 0
    except OSError:
        return False


def uv(*arguments: str) -> None:
    """Run uv; what it says of a failure goes to the terminal."""
    subprocess.run(("uv", *arguments, "--quiet"), check=True)


def run(
    *command: str, check: bool = True, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program and keep what it prints."""
    return subprocess.run(command, check=check, env=env, capture_output=True, text=True)


if __name__ == "__main__":
    # uv and patchelf lie beside this Python.
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    main()
