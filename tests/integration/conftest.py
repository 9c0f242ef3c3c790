"""Home Assistant with the integration, and a Fish Audio on localhost."""

import json
import logging
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from homeassistant.components import tts
from homeassistant.config_entries import ConfigEntry, ConfigEntryState, ConfigSubentryData
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.entity import Entity
from pytest_homeassistant_custom_component.common import MockConfigEntry

import custom_components.wyoming_fish
from custom_components.wyoming_fish.const import DOMAIN
from wyoming_fish.emulator import Emulator, EmulatorSettings

ENGLISH = json.loads(
    (Path(custom_components.wyoming_fish.__file__).parent / "translations" / "en.json").read_text()
)

KEY = "the-key-of-the-account"
USER_ID = EmulatorSettings().user_id

# Voices of the emulated account.
KELP = "6c1f2a4be0d94f7f8a53c2b9d7e61034"
CORAL = "0b77d3c58f1e4d6e9f20a4c6e8b1d352"
STARFISH = "3e58c7a6d9f0412cb1e4f6a87d0253b9"
"""Everybody's."""

type AddEntry = Callable[..., Awaitable[MockConfigEntry]]


@pytest.fixture(autouse=True)
def _ours(enable_custom_integrations: None, mock_tts_cache_dir: None) -> None:
    """The integration is found, and audio is kept in a folder of the test's own."""


@pytest.fixture(autouse=True)
def _ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no ffmpeg, one lies beside Home Assistant's Python."""
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{Path(sys.executable).parent}")


# Loggers of Home Assistant: those that report failures, which tests cause, and that of the loader,
# which warns of every integration that is not part of Home Assistant.
FAILURES = {
    f"homeassistant.{name}" for name in ("components.tts", "config_entries", "core", "loader")
}


@pytest.fixture(autouse=True)
def _no_complaints(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Home Assistant has nothing to complain of: no deprecated use, no blocking, no bad entity."""
    yield
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    assert [
        record.getMessage()
        for record in records
        if record.levelno >= logging.WARNING
        and record.name.startswith("homeassistant.")
        and record.name not in FAILURES
    ] == []


@pytest.fixture
def mock_tts_cache_dir(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Keep audio in a folder of the test's own."""
    folder = tmp_path_factory.mktemp("tts")
    monkeypatch.setattr(tts, "_init_tts_cache_dir", lambda _hass, _folder: str(folder))


@pytest.fixture
def entity_registry_enabled_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enable what is disabled until a person enables it."""
    monkeypatch.setattr(Entity, "entity_registry_enabled_default", True)


@pytest.fixture
async def emulator(socket_enabled: None) -> AsyncIterator[Emulator]:
    """A Fish Audio whose speech can be read back."""
    async with Emulator(EmulatorSettings(voice="code", key=KEY)) as emulator:
        yield emulator


def voice_data(voice: str | None = KELP, **changes: Any) -> dict[str, Any]:
    """Return what is stored of a voice."""
    data = {"voice": voice, "backend": "s2.1-pro", "latency": "balanced", "speed": 1.0}
    return data | changes


def voice_subentry(title: str = "Kelp", **data: Any) -> ConfigSubentryData:
    """Return a set up voice."""
    return ConfigSubentryData(
        subentry_type="voice", title=title, data=voice_data(**data), unique_id=None
    )


@pytest.fixture
async def repairs_with_texts(hass: HomeAssistant) -> AsyncIterator[None]:
    """Check that each repair that a test creates has a text, and a value for all that it names."""
    issues = ir.async_get(hass)
    missing: list[str] = []

    @callback
    def check(event: Event[ir.EventIssueRegistryUpdatedData]) -> None:
        issue = issues.async_get_issue(event.data["domain"], event.data["issue_id"])
        if issue is None or issue.domain != DOMAIN or not issue.active:
            return
        text = json.dumps(ENGLISH["issues"].get(issue.translation_key, "{no text}"))
        values = issue.translation_placeholders or {}
        missing.extend(set(re.findall(r"{(\w+|no text)}", text)) - values.keys())

    hass.bus.async_listen(ir.EVENT_REPAIRS_ISSUE_REGISTRY_UPDATED, check)
    yield
    await hass.async_block_till_done()
    assert missing == []


@pytest.fixture
async def add_entry(
    hass: HomeAssistant, emulator: Emulator, repairs_with_texts: None
) -> AsyncIterator[AddEntry]:
    """Add an entry with these voices (one, without any) and set it up."""
    entries: list[ConfigEntry] = []

    async def add(*voices: ConfigSubentryData, **changes: Any) -> MockConfigEntry:
        entry = MockConfigEntry(
            domain=DOMAIN,
            title="Fish Audio",
            unique_id=changes.pop("unique_id", USER_ID),
            data={"api_key": KEY, "base_url": emulator.url} | changes,
            subentries_data=voices or (voice_subentry(),),
        )
        entry.add_to_hass(hass)
        entries.append(entry)
        await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        return entry

    yield add
    for entry in entries:
        if hass.config_entries.async_get_entry(entry.entry_id) is not None:
            await hass.config_entries.async_unload(entry.entry_id)


def state_of(entry: ConfigEntry) -> ConfigEntryState:
    """Return the state that it is in now; a type checker takes `state` for what it was."""
    return entry.state


def entity_id(hass: HomeAssistant, entry: ConfigEntry, domain: str, suffix: str = "") -> str:
    """Return the id of the entry's first entity of a domain, whose unique id ends so."""
    return next(
        entity.entity_id
        for entity in er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id)
        if entity.domain == domain and entity.unique_id.endswith(suffix)
    )
