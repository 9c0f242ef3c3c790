"""What the documentation's files hold: blocks of code, commands, links and headings."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.processes import ROOT

# What a reader gets to from the README, and what Home Assistant's store shows of the app.
OWN_PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
PAGES = [
    *OWN_PAGES,
    *sorted((ROOT / "apps").rglob("*.md")),
    *sorted((ROOT / "deploy").rglob("*.md")),
]

# Files that say at their beginning how they are used.
RECIPES = [
    ROOT / name
    for name in ("Dockerfile", "compose.yaml", "deploy/compose.yaml", "deploy/kubernetes.yaml")
]

_FENCE = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
_IMAGE = re.compile(r'<img src="([^"]+)"')
_OWN = re.compile(
    r"https://(?:github\.com/wyoming-fish/wyoming-fish/blob|"
    r"raw\.githubusercontent\.com/wyoming-fish/wyoming-fish)/main/"
)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


class Block(NamedTuple):
    """A fenced block."""

    page: Path
    language: str
    text: str


class Command(NamedTuple):
    """A command of a page, its lines joined and its comment taken off."""

    page: Path
    text: str

    def __str__(self) -> str:
        """Name the test of it."""
        return f"{self.page.name}: {self.text}"


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    for _, language, text in _FENCE.findall(page.read_text()):
        yield Block(page, language, text)


def commands(page: Path) -> Iterator[Command]:
    """Yield the commands of a page's blocks of shell, or of a recipe's comments, in their order."""
    for text in _shell(page):
        for line in text.replace("\\\n", " ").splitlines():
            command = re.sub(r"(^|\s)#.*", "", line).strip()
            if command:
                yield Command(page, re.sub(r"\s+", " ", command))


def _shell(page: Path) -> list[str]:
    if page.suffix == ".md":
        return [block.text for block in blocks(page) if block.language == "sh"]
    return re.findall(r"^# {3}(\S.*)$", page.read_text(), re.MULTILINE)


def prose(page: Path) -> str:
    """Return a page without its blocks."""
    return _FENCE.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """Return where a page's links and pictures lead. Those into the repository are paths."""
    return [_OWN.sub(f"{ROOT}/", link) for link in written_links(page)]


def written_links(page: Path) -> list[str]:
    """Return the links and pictures of a page as they are written."""
    return _LINK.findall(prose(page)) + _IMAGE.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """Return what a link to a heading of this page may end with, as GitHub makes it."""
    names = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(prose(page)))
    return {name.replace(" ", "-") for name in names}
