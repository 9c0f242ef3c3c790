"""The words of the integration and of the app in each language, against one another."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.processes import ROOT
from tests.support.project import frontend_texts

from .documents import load

FOLDER = ROOT / "custom_components" / "wyoming_fish" / "translations"
LANGUAGES = sorted(path.stem for path in FOLDER.glob("*.json"))

# Each setting that both have: its option of the app, and its path in the integration.
VOICE = "config.step.voice.data"
TEXT = "config.step.voice.sections.text_processing"
SHARED = {
    "api_key": "config.step.user.data.api_key",
    "base_url": "config.step.user.sections.advanced.data.base_url",
    "backend": f"{VOICE}.backend",
    "voice": f"{VOICE}.voice",
    "latency": f"{VOICE}.latency",
    "speed": f"{VOICE}.speed",
    "volume": f"{VOICE}.volume",
    "sentence_pause": f"{VOICE}.sentence_pause",
    "text_mode": f"{TEXT}.name",
    "style": f"{TEXT}.data.style",
    "emoji": f"{TEXT}.data.emoji",
    "urls": f"{TEXT}.data.urls",
    "code_replacement": f"{TEXT}.data.code",
    "pronunciations": f"{TEXT}.data.pronunciations",
    "fallback_uri": "options.step.init.data.fallback_voice",
}

# The marks of a quotation. A straight apostrophe is not a quotation mark.
QUOTES = {
    "de": "„“",
    "en": '""',
    "es": "«»",
    "fr": "«»",
    "ja": "「」",
    "nb": "«»",
    "nl": "“”",
    "zh-Hans": "“”",
}

BOLD = re.compile(r"\*\*([^*]+)\*\*")


def _texts(language: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{language}.json").read_text())
    return found


def _app(language: str) -> dict[str, Any]:
    found: dict[str, Any] = load(f"apps/wyoming_fish/translations/{language}.yaml")
    return found


def _values(tree: Any) -> Iterator[str]:
    for value in tree.values():
        if isinstance(value, dict):
            yield from _values(value)
        else:
            yield value


def _at(tree: Any, path: str) -> str:
    for key in path.split("."):
        tree = tree[key]
    assert isinstance(tree, str)
    return tree


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_name_for_one_setting(language: str) -> None:
    """A setting has the same name in the integration and in the app."""
    texts, options = _texts(language), _app(language)["configuration"]
    ours = {option: _at(texts, path) for option, path in SHARED.items()}
    assert {option: options[option]["name"] for option in SHARED} == ours


@pytest.mark.parametrize("language", LANGUAGES)
def test_quotation_marks(language: str) -> None:
    """Quotations have the marks of their language."""
    marks = set().union(*QUOTES.values()) - set(QUOTES[language])
    for text in (*_values(_texts(language)), *_values(_app(language))):
        assert not marks & set(text), text


@pytest.mark.parametrize("language", LANGUAGES)
def test_labels(language: str) -> None:
    """A label in bold is one of the same language: of the integration, or the form's button."""
    texts = list(_values(_texts(language)))
    (confirmation,) = BOLD.findall(
        _at(_texts(language), "issues.backend_retires.fix_flow.step.confirm.description")
    )
    labels = {label for text in texts for label in BOLD.findall(text)} - {confirmation}
    # Within a sentence, some languages write it in lower case.
    assert {label.casefold() for label in labels} <= {text.casefold() for text in texts}
    assert len(labels) == 4


@pytest.mark.parametrize("language", LANGUAGES)
def test_button_of_home_assistant(language: str) -> None:
    """The button that a repair names is the one that Home Assistant shows."""
    text = _at(_texts(language), "issues.backend_retires.fix_flow.step.confirm.description")
    assert BOLD.findall(text) == [frontend_texts(language)["ui.common.submit"]]
