"""The documentation against the code: what it links to, names and was written from."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest
import yaml

from tests.docs.reading import OWN_PAGES, PAGES, anchors, blocks, links, prose, written_links
from tests.support.processes import READY, ROOT, server
from wyoming_fish.cli.flags import FLAGS
from wyoming_fish.fish.settings import Backend
from wyoming_fish.fish.text import Cleaner, TextSettings, parse_pronunciations
from wyoming_fish.fish.text.ssml.document import parse_ssml

# What a block may be of. Shell is `sh`: under another name no test would run it.
LANGUAGES = {"json", "sh", "text", "xml", "yaml"}

# What is written in code as a flag, and is none of the server's.
OTHER_FLAGS = {
    *("--help", "--strict", "--update", "--upgrade", "--version", "--volumes"),
    *("--json", "--probe", "--probe-idle"),
    *("--account-voice", "--record", "--set"),
}

# Our own variables begin so.
VARIABLE = re.compile(r"\b(?:WYOMING_)?FISH_[A-Z_]*[A-Z]\b")

FORM = ROOT / ".github" / "ISSUE_TEMPLATE" / "wrongly-spoken.yml"


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links(page: Path) -> None:
    """Each link within the repository leads to a file, and to a heading that it has."""
    for link in links(page):
        if not link.startswith(("https://", "http://")):
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            if anchor:
                assert anchor in anchors(target), link


def test_links_of_the_readme_work_on_pypi() -> None:
    """PyPI shows the README as well, where a path leads nowhere."""
    found = written_links(ROOT / "README.md")
    assert [link for link in found if not link.startswith(("https://", "#"))] == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_blocks(page: Path) -> None:
    """Each block says what it is of, and each fence has its end."""
    assert {block.language for block in blocks(page)} <= LANGUAGES
    assert "```" not in prose(page)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_commands_that_read_the_terminal(page: Path) -> None:
    """A command that reads a key has a block of its own: the next line would become the key."""
    for block in blocks(page):
        if "/dev/stdin" in block.text:
            assert len(block.text.splitlines()) == 1


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_variables(page: Path) -> None:
    """Each of the server's variables that is named exists."""
    known = {flag.variable for flag in FLAGS}
    assert set(VARIABLE.findall(page.read_text())) <= known


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_flags(page: Path) -> None:
    """Each flag that is named exists."""
    codes = re.findall(r"`([^`\n]+)`", prose(page))
    named = {flag for code in codes for flag in re.findall(r"(?<!\S)--[a-z-]+", code)}
    assert named <= {flag.name for flag in FLAGS} | OTHER_FLAGS


def test_pages_can_be_found() -> None:
    """From the README a reader gets to every page."""
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in seen:
            seen.add(page)
            targets = ((page.parent / link.partition("#")[0]).resolve() for link in links(page))
            waiting += [target for target in targets if target in PAGES]
    assert set(OWN_PAGES) <= seen


def test_pictures_are_used() -> None:
    """Each picture is shown somewhere."""
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page)}
    assert set((ROOT / "docs" / "images").iterdir()) <= shown


def test_written_from_the_code(tmp_path: Path) -> None:
    """What script/docs writes is as it would write it now: the options and the picture."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    command = [sys.executable, str(ROOT / "script" / "docs.py"), str(tmp_path)]
    subprocess.run(command, check=True)
    for name in ("options.md", "images/first-audio.svg"):
        now = (tmp_path / "docs" / name).read_text()
        assert (ROOT / "docs" / name).read_text() == now, "script/docs updates it"


def test_every_option() -> None:
    """The table of options has every flag."""
    table = (ROOT / "docs" / "options.md").read_text()
    for flag in FLAGS:
        assert f"| `{flag.name}` |" in table


def test_every_backend() -> None:
    """Where the backends are listed for people, they are all there."""
    (field,) = [
        part for part in yaml.safe_load(FORM.read_text())["body"] if part.get("id") == "backend"
    ]
    assert set(field["attributes"]["options"]) == set(Backend)
    for page in ("voices.md", "home-assistant.md"):
        text = (ROOT / "docs" / page).read_text()
        assert all(f"`{backend}`" in text for backend in Backend)


def test_how_text_is_cleaned() -> None:
    """The text of each row is cleaned as the table says."""
    rows = re.findall(
        r"^\| `(.+)` \| (.*) \|$", _section("voices.md", "How text is cleaned"), re.MULTILINE
    )
    assert len(rows) > 5
    for written, sent in rows:
        cleaner = Cleaner(Backend.S2_1_PRO, TextSettings())
        assert (cleaner.write(written) + cleaner.end()).strip() == sent


def test_said_otherwise() -> None:
    """The list of pronunciations is one, and the SSML is understood."""
    page = ROOT / "docs" / "voices.md"
    words, ssml, _ = (block.text for block in blocks(page) if block.language in ("text", "xml"))
    assert [word.is_phonemes for word in parse_pronunciations(words)] == [False, False, True]
    parts = parse_ssml(ssml, Backend.S2_1_PRO, TextSettings())
    assert [(part.speed, part.volume) for part in parts] == [(1, 0), (0.75, 3), (1, 0)]
    assert parts[-1].text == "The code is 4 7 1 1."


def test_the_figure_of_the_readme() -> None:
    """The README rounds the delay through Home Assistant of the page about performance."""
    section = _section("performance.md", "Through Home Assistant")
    (row,) = re.findall(r"^\| three sentences \| (.*) \|$", section, re.MULTILINE)
    *_, delay, _ = row.split(" | ")
    delay_s = int(delay.removesuffix(" ms")) / 1000
    words = f"| about {delay_s:.1f} s after the earliest possible time |"
    assert words in (ROOT / "README.md").read_text()


def test_every_metric() -> None:
    """The metrics on the page that tells about them are those that the server has."""
    named = set(re.findall(r"\bwyoming_fish_\w+", _section("monitoring.md", "Metrics")))
    with server("--demo", "--uri=tcp://127.0.0.1:0", "--http=127.0.0.1:0") as program:
        url = program.wait_for(r"(http://\S+)")[1]
        program.wait_for(READY)
        with urlopen(f"{url}metrics") as answer:
            found = re.findall(r"^# TYPE (wyoming_fish_\w+)", answer.read().decode(), re.MULTILINE)
    assert named == set(found)


def _section(page: str, heading: str) -> str:
    _, _, text = (ROOT / "docs" / page).read_text().partition(f"\n## {heading}\n")
    assert text
    return text.partition("\n## ")[0]
