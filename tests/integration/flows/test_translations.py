"""Every field of every form says what it is, and every text is whole in its language."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResult, section
from homeassistant.exceptions import HomeAssistantError

from custom_components import wyoming_fish
from custom_components.wyoming_fish.errors import to_ha_exception
from custom_components.wyoming_fish.fish import errors
from tests.integration.conftest import AddEntry
from tests.integration.support.flows import (
    add_voice,
    begin,
    change_voice,
    log_in,
    submit,
    submit_voice,
)
from wyoming_fish.emulator import Emulator

FOLDER = Path(wyoming_fish.__file__).parent / "translations"
LANGUAGES = sorted(path.stem for path in FOLDER.iterdir())

# Names and numbers: what a text of any language may have in it as it is.
FACTS = {"allowed", "line", "model", "option", "style", "value", "voice"}

# English words that are no names, and none of another of the languages.
ENGLISH = re.compile(r"\b(?:the|are|and|not|this|your|check|select|again)\b", re.IGNORECASE)

TEXTS = json.loads((FOLDER / "en.json").read_text())


def check(flow: FlowResult[Any, Any], texts: dict[str, Any]) -> None:
    """Check that the form's fields and its texts are the same, and each field is described."""
    text = texts["step"][flow["step_id"]]
    named = set(re.findall(r"{(\w+)}", json.dumps(text)))
    assert named <= (flow["description_placeholders"] or {}).keys()
    fields: set[str] = set()
    sections: dict[str, set[str]] = {}
    for key, value in (flow["data_schema"].schema if flow["data_schema"] else {}).items():
        if isinstance(value, section):
            sections[str(key)] = {str(inner) for inner in value.schema.schema}
            assert value.options == {"collapsed": True}
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
    check(await hass.config_entries.options.async_init(entry.entry_id), TEXTS["options"])
    texts = TEXTS["config_subentries"]["voice"]
    flow = await add_voice(hass, entry)
    check(flow, texts)
    check(await submit_voice(hass, flow), texts)
    menu = await change_voice(hass, entry)
    assert menu["menu_options"] == list(texts["step"]["reconfigure"]["menu_options"])
    flow = await submit_voice(hass, menu, next_step_id="language")
    check(flow, texts)
    check(await submit_voice(hass, flow, language="en"), texts)


def leaves(tree: dict[str, Any]) -> list[str]:
    """Return all texts of a tree."""
    return [
        text
        for value in tree.values()
        for text in (leaves(value) if isinstance(value, dict) else [value])
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_errors_name_facts_alone(language: str) -> None:
    """What is put into an error's text is never a sentence."""
    texts = json.loads((FOLDER / f"{language}.json").read_text())
    trees = (
        texts["exceptions"],
        texts["config"]["error"],
        texts["config_subentries"]["voice"]["error"],
    )
    for text in (text for tree in trees for text in leaves(tree)):
        assert set(re.findall(r"{(\w+)}", text)) <= FACTS


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_proxys_address_is_explained(language: str) -> None:
    """Each text about it names the marks and the characters that the engine's own advice names."""
    texts = json.loads((FOLDER / f"{language}.json").read_text())
    facts = re.findall(r"%..|Latin-1", errors.ProxyAddressError.default_advice)
    assert len(facts) == 4
    for text in (
        texts["config"]["error"]["invalid_proxy"],
        texts["config_subentries"]["voice"]["error"]["invalid_proxy"],
        texts["exceptions"]["bad_proxy"]["message"],
    ):
        assert all(fact in text for fact in facts)


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_no_english_in_another_language(language: str) -> None:
    """Each text is whole in its language."""
    for text in leaves(json.loads((FOLDER / f"{language}.json").read_text())):
        assert not ENGLISH.search(text)


@pytest.mark.parametrize("kind", [each for each in vars(errors).values() if isinstance(each, type)])
def test_engines_errors_are_not_quoted(kind: type[errors.FishError]) -> None:
    """Nothing of what the engine says in English is put into the text for a person."""
    error = to_ha_exception(HomeAssistantError, kind("This happened."))
    assert error.translation_key in TEXTS["exceptions"]
    assert not error.translation_placeholders
