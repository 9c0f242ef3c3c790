"""Tables as Markdown has them, and verdicts."""

from collections.abc import Sequence
from typing import NamedTuple


class Verdict(NamedTuple):
    """Whether something is as it should be."""

    passed: bool
    text: str


def verdict(what: str, value: float, most: float, unit: str = "") -> Verdict:
    """Judge a measured value by the most that it may be."""
    space = " " if unit else ""
    return Verdict(
        value <= most, f"{what}: {value:.3g}{space}{unit}, at most {most:.3g}{space}{unit}"
    )


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table, whose numbers are already rounded, its first column to the left."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [
        "| "
        + " | ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        + " |"
        for row in cells
    ]
    rule = "|".join(
        "-" * (width + 1) + (":" if column else "-") for column, width in enumerate(widths)
    )
    lines.insert(1, f"|{rule}|")
    print(f"\n{title}\n", *lines, sep="\n", flush=True)


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print PASS or FAIL beside each."""
    print()
    for passed, text in verdicts:
        print("PASS" if passed else "FAIL", text, sep="  ", flush=True)
