"""Our server on uvloop's event loop, beside asyncio's own."""

from typing import Final

from .load import compare, ours_at_large, print_loads
from .programs import ours_on_uvloop
from .table import Verdict

NUMBERS: Final = {1: 3, 100: 3}


def run(*, quick: bool = False) -> list[Verdict]:
    """Measure and print the table. Nothing is judged: it is to choose by."""
    systems = {"asyncio": ours_at_large, "uvloop": lambda url: ours_at_large(url, ours_on_uvloop)}
    results = compare(systems, {1: 1} if quick else NUMBERS)
    print_loads("Our server on uvloop, beside asyncio's own event loop", results)
    return []
