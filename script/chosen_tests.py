"""Runs only the tests that a file names, in its order: a plugin for pytest, for script/mutate.

Arguments of pytest would have to exist: a mutation of a table may change the names of tests.
"""

import os
from pathlib import Path

import pytest


def name_of(item: pytest.Item) -> str:
    """The name of a test, from the folder in which pytest starts."""
    return f"{item.path.relative_to(Path.cwd())}::{item.nodeid.partition('::')[2]}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep only the named tests. A name without parameters means all of them."""
    names = Path(os.environ["CHOSEN_TESTS"]).read_text(encoding="utf-8").splitlines()
    ranks = {name: rank for rank, name in enumerate(names)}

    def rank_of(item: pytest.Item) -> int:
        name = name_of(item)
        return min(ranks.get(name, len(names)), ranks.get(name.partition("[")[0], len(names)))

    items[:] = sorted((item for item in items if rank_of(item) < len(names)), key=rank_of)
