"""Every field of every form says what it is, in English."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResult, section

from custom_components import wyoming_fish
from tests.integration import test_voice_flow
from tests.integration.conftest import AddEntry
from tests.integration.flows import begin, log_in, submit
from wyoming_fish.emulator import Emulator

TEXTS = json.loads((Path(wyoming_fish.__file__).parent / "translations" / "en.json").read_text())


def check(flow: FlowResult[Any, Any], texts: dict[str, Any]) -> None:
    """Check that the form's fields and its texts are the same, and each field is described."""
    text = texts["step"][flow["step_id"]]
    fields: set[str] = set()
    sections: dict[str, set[str]] = {}
    for key, value in (flow["data_schema"].schema if flow["data_schema"] else {}).items():
        if isinstance(value, section):
            sections[str(key)] = {str(inner) for inner in value.schema.schema}
        else:
            fields.add(str(key))
    assert set(text.get("data", {})) == set(text.get("data_description", {})) == fields
    for name, inner in sections.items():
        told = text["sections"][name]
        assert set(told["data"]) == set(told["data_description"]) == inner
    assert set(text.get("sections", {})) == set(sections)


async def test_set_up(hass: HomeAssistant, emulator: Emulator) -> None:
    """The forms of the set-up are described."""
    texts = TEXTS["config"]
    check(await begin(hass), texts)
    emulator.settings.credit = Decimal(0)
    flow = await log_in(hass, emulator.url)
    check(flow, texts)
    flow = await submit(hass, flow)
    check(flow, texts)
    check(await submit(hass, flow), texts)


async def test_changes(hass: HomeAssistant, add_entry: AddEntry) -> None:
    """The forms of what can be changed later are described."""
    entry = await add_entry()
    check(await entry.start_reconfigure_flow(hass), TEXTS["config"])
    check(await entry.start_reauth_flow(hass), TEXTS["config"])
    texts = TEXTS["config_subentries"]["voice"]
    flow = await test_voice_flow.begin(hass, entry)
    check(flow, texts)
    check(await test_voice_flow.submit(hass, flow), texts)
    menu = await test_voice_flow.change(hass, entry)
    assert menu["menu_options"] == list(texts["step"]["reconfigure"]["menu_options"])
