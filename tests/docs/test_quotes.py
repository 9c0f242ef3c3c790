"""The messages and labels that the documentation quotes are those that a person sees."""

import ast
import json
import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.reading import prose
from tests.support.processes import ROOT
from tests.support.project import frontend_texts

APP = ROOT / "apps" / "wyoming_fish"
INTEGRATION = ROOT / "custom_components" / "wyoming_fish"

# The pages with labels. In the others, bold is for emphasis only.
GUIDES = [
    ROOT / "README.md",
    *(ROOT / "docs" / f"{name}.md" for name in ("app", "container", "home-assistant", "voices")),
    *(ROOT / "docs" / f"{name}.md" for name in ("options", "troubleshooting")),
    *(APP / name for name in ("DOCS.md", "README.md")),
]

# The integration's page quotes the integration's own messages, which have their own test.
LOG_PAGES = [page for page in GUIDES if page.name != "home-assistant.md"] + [
    ROOT / "docs" / "monitoring.md"
]

# Labels of Home Assistant that its frontend has.
HOME_ASSISTANT_LABELS = {
    *("Settings", "System", "Network", "Devices & services", "Voice assistants", "Repairs"),
    *("Text-to-speech", "Try voice", "System information", "Download diagnostics"),
    *("Add integration", "Add", "Configure", "Reconfigure", "Delete", "Save", "Submit", "Update"),
    *(
        "Apps",
        "App store",
        "Repositories",
        "Install",
        "Uninstall",
        "Start",
        "Configuration",
        "Documentation",
    ),
    *("Import blueprint", "Info", "Log", "Watchdog", "Show unused optional configuration options"),
}

# Labels of its integrations, of HACS, and of fish.audio, which are not in the frontend.
OTHER_LABELS = {
    *("Wyoming Protocol", "Host", "Port", "Clear TTS cache", "⋮", "Assist", "SSML"),
    *("Custom repositories", "Integration", "Download", "Open HACS repository"),
    *("API keys", "Billing"),
}

# The name of the server's text-to-speech engine, and words that are bold for emphasis.
NAMES = {"wyoming-fish", "The integration", "The app", "The server", "not yet tried"}

BOLD = re.compile(r"\*\*([^*\n]+)\*\*(:?)")
ITALIC = re.compile(r"(?<!\*)\*([^*\n]+)\*(?!\*)")
HEADING = re.compile(r'^## "([^"]+)"$', re.MULTILINE)
LOG_LINE = re.compile(r"(?<!`)`([A-Z][a-z]+ [^`\n]+)`(?!`)")

# Stands for a value in a message.
HOLE = "*"


def _values(tree: Any) -> set[str]:
    if isinstance(tree, dict):
        return set().union(*map(_values, tree.values()))
    return {tree}


def _labels() -> set[str]:
    """All that the integration and the app show."""
    texts = json.loads((INTEGRATION / "translations" / "en.json").read_text())
    app = yaml.safe_load((APP / "translations" / "en.yaml").read_text())
    names = {
        json.loads((INTEGRATION / "manifest.json").read_text())["name"],
        yaml.safe_load((APP / "config.yaml").read_text())["name"],
    }
    return _values(texts) | {option["name"] for option in app["configuration"].values()} | names


def _bold(text: str) -> list[str]:
    """The labels in bold. Bold with a colon, or a whole sentence, is the lead of a paragraph."""
    without_code = re.sub(r"`[^`\n]*`", "`", text)
    return [
        label
        for words, colon in BOLD.findall(without_code)
        if not (colon or words.endswith((".", "?")) or "`" in words)
        for label in words.split(" > ")
    ]


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: str(page.relative_to(ROOT)))
def test_labels(page: Path) -> None:
    """A label in bold is one that the integration, the app or Home Assistant shows."""
    known = _labels() | HOME_ASSISTANT_LABELS | OTHER_LABELS | NAMES
    assert set(_bold(prose(page))) <= known


def test_labels_of_home_assistant() -> None:
    """The labels of Home Assistant are in its frontend."""
    assert set(frontend_texts("en").values()) >= HOME_ASSISTANT_LABELS


def _template(node: ast.AST) -> str:
    """A message of the code, with holes for its values."""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_template, node.values))
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.sub(r"%[-\d.]*[sdrf]", HOLE, node.value)
    return HOLE


@cache
def _templates() -> list[list[str]]:
    """The words of all messages of at least two words."""
    found = [
        _words(_template(node))
        for path in (ROOT / "wyoming_fish").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.JoinedStr | ast.Constant)
    ]
    return [words for words in found if sum(HOLE not in word for word in words) >= 2]


def _words(text: str) -> list[str]:
    return [word.strip(".,:;") or word for word in text.split()]


def _is_said(message: str) -> bool:
    """Whether messages of the server have these words: each part between gaps, one of them."""
    parts = [words for part in message.split("…") if (words := _words(part))]
    return all(any(_says(template, part) for template in _templates()) for part in parts)


def _says(template: list[str], quoted: list[str]) -> bool:
    """Whether a message can contain these words. At least half of them are the message's own."""
    best = max(_matched(template[at:], quoted) for at in range(len(template)))
    return best * 2 >= len(quoted)


def _matched(template: list[str], quoted: list[str]) -> int:
    """How many words are the message's own; far below zero if the message cannot begin so."""
    if not quoted:
        return 0
    if not template:
        return -1000
    if template[0] == HOLE:
        return max(_matched(template[1:], quoted[at:]) for at in range(1, len(quoted) + 1))
    if fnmatchcase(quoted[0], template[0].replace("[", "[[]")):
        return _matched(template[1:], quoted[1:]) + (HOLE not in template[0])
    return -1000


def _quoted(page: Path) -> list[str]:
    """The messages of the server that a page quotes."""
    text = prose(page)
    without_code = re.sub(r"`[^`\n]*`", "`", text)
    quoted = HEADING.findall(text) + ITALIC.findall(without_code)
    return quoted if page.name == "voices.md" else quoted + LOG_LINE.findall(text)


@pytest.mark.parametrize("page", LOG_PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_messages(page: Path) -> None:
    """A message that a page quotes is one of the server's."""
    assert [message for message in _quoted(page) if not _is_said(message)] == []


def test_messages_are_found() -> None:
    """The pages quote messages in each of the ways: headings, italics, lines of the log."""
    assert sum(len(_quoted(page)) for page in LOG_PAGES) > 20


@pytest.mark.parametrize(
    "message",
    ["Fish Audio denies the API key", "Ready at tcp://127.0.0.1:10210", "… spoke nothing"],
)
def test_another_wording_is_found(message: str) -> None:
    """A message that the server does not have is not taken for one of its own."""
    assert not _is_said(message)


def test_messages_of_the_integration() -> None:
    """What the integration's page quotes is what the integration says."""
    page = (ROOT / "docs" / "home-assistant.md").read_text()
    _, _, table = page.partition("| error | cause and fix |")
    quoted = re.findall(r"^\| \*(.+?)\* \|", table, re.MULTILINE)
    translations = INTEGRATION / "translations" / "en.json"
    exceptions = json.loads(translations.read_text())["exceptions"].values()
    texts = [re.sub(r"{\w+}", "…", text["message"]) for text in exceptions]
    assert len(quoted) > 5
    for words in quoted:
        assert any(words in text for text in texts), words


def test_the_versions_of_the_sdks_are_those_that_the_tests_run() -> None:
    """The table of clients has the pinned versions of the official SDKs."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    pins = (ROOT / "requirements" / "dev.txt").read_text()
    (python,) = re.findall(r"^fish-audio-sdk==(\S+)", pins, re.MULTILINE)
    package = json.loads((ROOT / "tests" / "emulator" / "node" / "package.json").read_text())
    assert f"`fish-audio-sdk` | {python} |" in page
    assert f"`fish-audio` | {package['dependencies']['fish-audio']} |" in page
