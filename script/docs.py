"""Writes what the documentation has from elsewhere: docs.py PROJECT."""

import re
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final, NamedTuple

from wyoming_fish.cli.flags import FLAGS

# Between these lines of docs/options.md lies the table.
BEGIN: Final = "<!-- Written by script/docs. -->\n"
END: Final = "<!-- The end of what script/docs writes. -->\n"

HEAD: Final = "Seconds from the first word of the text to the first audio"

# What is compared, by the heads of the table's columns, and what it is called in the picture.
COMPARED: Final = {
    "limit": "limit: first sentence and model",
    "server": "Wyoming Fish",
    "SDK": "official SDK",
}

# Where Fish Audio cuts text that is not flushed.
CUTS: Final = {
    "length": "cut by length",
    "sentence": "cut by sentence",
    "either": "either",
}

# Pixels.
WIDTH: Final = 760
NAMES: Final = 176
FIGURES: Final = 80
BAR: Final = 18
GROUP: Final = 3 * BAR + 24
TOP: Final = 74

STYLE: Final = """\
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600; font-size: 16px }
.paper { fill: #fff } .limit { fill: #afb8c1 } .server { fill: #0f8b8d } .SDK { fill: #d4772c }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .paper { fill: #0d1117 } .limit { fill: #57606a }
}"""


class Row(NamedTuple):
    """A row of the table `First audio`."""

    name: str
    seconds: dict[str, float]
    """To the first audio, of each that is compared."""


def main(project: Path) -> None:
    """Write both."""
    options = project / "docs" / "options.md"
    before, rest = options.read_text().split(BEGIN)
    _, after = rest.split(END)
    options.write_text(f"{before}{BEGIN}{options_table()}{END}{after}")
    rows = list(first_audio((project / "docs" / "performance.md").read_text()))
    (project / "docs" / "images" / "first-audio.svg").write_text(picture(rows))


def options_table() -> str:
    """Return every flag as a row of a Markdown table."""
    rows = ["| flag | variable | default | |", "|---|---|---|---|"]
    for flag in FLAGS:
        default = f"`{flag.default}`" if flag.default else ""
        words = flag.help.replace("|", r"\|").replace("<", "&lt;")
        rows.append(f"| `{flag.name}` | `{flag.variable}` | {default} | {words} |")
    return "\n".join(rows) + "\n"


def first_audio(performance: str) -> Iterator[Row]:
    """Yield the rows of the first table under `First audio`."""
    _, _, section = performance.partition("\n## First audio\n")
    table = re.search(r"^\|.*(?:\n\|.*)*", section, re.MULTILINE)
    if table is None:
        raise ValueError("docs/performance.md has no table under `First audio`.")
    lines = table[0].splitlines()
    head, _, *body = ([cell.strip() for cell in line.split("|")[1:-1]] for line in lines)
    for cells in body:
        found = dict(zip(head, cells, strict=True))
        seconds = {what: float(found[what].removesuffix(" s")) for what in COMPARED}
        yield Row(f"{cells[0]}; {CUTS[found['cuts at']]}", seconds)


def picture(rows: list[Row]) -> str:
    """Return the bars as SVG, for light and for dark pages."""
    height = TOP + len(rows) * GROUP
    scale = (WIDTH - NAMES - FIGURES) / max(max(row.seconds.values()) for row in rows)
    size = f'width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>',
        f"<title>{escape(describe(rows))}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}" rx="8"/>',
        f'<text class="head" x="16" y="28">{HEAD}</text>',
    ]
    at = 16
    for what, name in COMPARED.items():
        parts.append(f'<rect class="{what}" x="{at}" y="42" width="12" height="12"/>')
        parts.append(f'<text x="{at + 18}" y="53">{escape(name)}</text>')
        at += 50 + 7 * len(name)
    for number, row in enumerate(rows):
        top = TOP + number * GROUP
        words = row.name.split("; ")
        for line, text in enumerate(words):
            y = top + BAR + 4 + 18 * line
            parts.append(f'<text x="16" y="{y}">{escape(text)}</text>')
        for place, (what, seconds) in enumerate(row.seconds.items()):
            y = top + place * BAR
            width = round(seconds * scale, 1)
            parts.append(
                f'<rect class="{what}" x="{NAMES}" y="{y}" width="{width}" height="{BAR - 3}"/>'
            )
            parts.append(f'<text x="{NAMES + width + 6}" y="{y + 12}">{seconds:.2f} s</text>')
    return "\n".join([*parts, "</svg>\n"])


def describe(rows: list[Row]) -> str:
    """Return the figures in words, for who does not see the picture."""
    return " ".join(
        f"{row.name}: "
        + ", ".join(f"{COMPARED[what]} {seconds:.2f} s" for what, seconds in row.seconds.items())
        + "."
        for row in rows
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
