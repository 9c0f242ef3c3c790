"""A fixed sample of mutations. For each of them, one test is named that must notice it."""

from pathlib import Path

import pytest

from script.mutate import SAMPLE_SIZE, Tree
from script.mutations import mutations
from script.recorded_tests import ROOMS, ROOT

SAMPLE = Path(__file__).with_name("sample.txt").read_text(encoding="utf-8").splitlines()

# How many must still be in the code.
MIN_FOUND = 30


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """A copy of the project."""
    return Tree(tmp_path_factory.mktemp("tree"))


@pytest.mark.parametrize("line", SAMPLE, ids=lambda line: line.split()[0])
def test_noticed(tree: Tree, line: str) -> None:
    """The test fails with the mutation. If the line or the test is gone, write another sample."""
    identifier, path, test = line.split()
    (room,) = (room for room in ROOMS if path in room.files)
    if not room.python.exists():
        pytest.skip(f"{room.python} is missing")
    found = {mutation.id: mutation for mutation in mutations(path, (ROOT / path).read_text())}
    if identifier not in found:
        pytest.skip("The line has changed.")
    assert tree.noticed_by(found[identifier], room, [test]), found[identifier].diff


def test_the_sample_is_of_this_code() -> None:
    """Most lines of the sample are in the code. Else write another: script/mutate --sample."""
    paths = {line.split()[1] for line in SAMPLE}
    files = [path for path in paths if (ROOT / path).exists()]
    found = {item.id for path in files for item in mutations(path, (ROOT / path).read_text())}
    assert len(SAMPLE) == SAMPLE_SIZE
    assert sum(line.split()[0] in found for line in SAMPLE) >= MIN_FOUND
