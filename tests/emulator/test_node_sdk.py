"""The official JavaScript SDK, npm `fish-audio`, unchanged against the emulator."""

import asyncio
import base64
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.emulator.client import emulated
from tests.support.processes import ROOT
from wyoming_fish.emulator import VOICES, Emulator, decode_code_voice

PROJECT = Path(__file__).parent / "node"
INSTALL_SECONDS = 50


@pytest.fixture(scope="session")
def node_project() -> Path:
    """A folder in which the SDK is installed, as the lock file pins it; made once for each lock."""
    missing = [command for command in ("node", "npm") if shutil.which(command) is None]
    if missing:
        reason = f"Not installed: {', '.join(missing)}. The JavaScript SDK was not tried."
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    lock = (PROJECT / "package-lock.json").read_bytes() + (PROJECT / "package.json").read_bytes()
    folder = ROOT / ".cache" / f"node-{hashlib.sha256(lock).hexdigest()[:16]}"
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        # Made elsewhere and then moved, so that what is there is always whole.
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            made = Path(temporary, "made")
            made.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(PROJECT / name, made)
            npm = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
            subprocess.run(npm, cwd=made, check=True, timeout=INSTALL_SECONDS)
            if not folder.exists():
                made.rename(folder)
    # Node looks for packages beside the script.
    shutil.copy(PROJECT / "official.mjs", folder)
    return folder


async def run(folder: Path, emulator: Emulator) -> dict[str, Any]:
    """What the script in the project heard of the emulator."""
    process = await asyncio.create_subprocess_exec(
        *("node", "official.mjs", emulator.url, VOICES[0].id, "wrong"),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    result: dict[str, Any] = json.loads(printed)
    return result


@pytest.mark.parametrize("after_finish", ["keep", "close", "drop"])
async def test_the_javascript_sdk(node_project: Path, after_finish: str) -> None:
    """Credit, package, voices, convert and convertRealtime all do what their users expect."""
    async with emulated(key="key", after_finish=after_finish) as emulator:
        heard = await run(node_project, emulator)
        assert heard["credit"]["credit"] == str(emulator.settings.credit)
        assert heard["plan"]["user_id"] == emulator.settings.user_id
        assert heard["total"] == 3
        assert heard["titles"] == ["Captain Kelp", "Coral"]
        assert heard["found"]["_id"] == VOICES[0].id
        assert decode_code_voice(base64.b64decode(heard["wav"])[44:]) == "Hello from REST."
        assert base64.b64decode(heard["mp3"])[0] == 0xFF
        pcm = base64.b64decode(heard["pcm"])
        assert decode_code_voice(pcm) == "Hello from JavaScript. Good bye."
        assert heard["unknownVoice"]["status"] == 404
        assert heard["refused"] == {
            "status": 401,
            "body": {"status": 401, "message": "Invalid Token"},
        }
        # It passes over `error` events, and so takes a refusal for silence.
        assert heard["realtimeRefused"] == 0
        assert emulator.sessions[2].texts == ["Hello ", "from ", "JavaScript. ", "Good ", "bye."]
        assert [record.backend for record in emulator.sessions] == [
            *("s2.1-pro", "s1", "s2.1-pro", "s1")
        ]
