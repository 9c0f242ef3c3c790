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
    """Keep only the named tests."""
    names = Path(os.environ["CHOSEN_TESTS"]).read_text(encoding="utf-8").splitlines()
    by_name = {name_of(item): item for item in items}
    items[:] = [by_name[name] for name in names if name in by_name]
