"""Records which lines each test runs, and its duration: a plugin for pytest, for script/mutate."""

import json
import time
from collections.abc import Generator
from pathlib import Path
from typing import cast

import coverage
import pytest

from script.chosen_tests import name_of

_RECORDER = cast("coverage.Coverage", coverage.Coverage.current())
_durations_s: dict[str, float] = {}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Attribute the lines to this test, with its setup and teardown."""
    name = name_of(item)
    _RECORDER.switch_context(name)
    start = time.perf_counter()
    result = yield
    _durations_s[name] = time.perf_counter() - start
    _RECORDER.switch_context("")
    return result


def pytest_sessionfinish() -> None:
    """Write the durations beside the lines."""
    path = Path(f"{_RECORDER.get_option('run:data_file')}.json")
    path.write_text(json.dumps(_durations_s), encoding="utf-8")
