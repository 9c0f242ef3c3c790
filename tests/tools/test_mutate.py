"""script/mutate: what it changes, which tests it runs, and what it calls noticed."""

import sys
from pathlib import Path

import pytest

from script.mutate import Tree, check, choose
from script.mutations import mutations
from script.recorded_tests import Recording, Room, record

PRODUCT = """\
FEW = {0, 1}


def is_few(number: int) -> bool:
    while number > 100:
        number -= 100
    return number in FEW


def name(number: int) -> str:
    return f"number {number}"


def unused() -> int:
    return 7
"""

TESTS = """\
from product.numbers import is_few, name

def test_few() -> None:
    assert is_few(1)

def test_hundreds() -> None:
    assert not is_few(150)

def test_name() -> None:
    assert name(1) == "number 1"
"""

SURVIVORS = {"while number >= 100:", "return (7 + 1)"}
NOTICED = {
    "FEW = {0, (1 + 1)}": "tests/test_numbers.py::test_few",
    "pass": "tests/test_numbers.py::test_hundreds",
    'return "mutated"': "tests/test_numbers.py::test_name",
}


@pytest.mark.parametrize(
    ("line", "changed"),
    [
        ("x = a < b", ["x = None", "x = a <= b"]),
        ("x = a not  in b", ["x = None", "x = a in b"]),
        ("if a: b()", ["if (not (a)): b()", "if a: pass"]),
        ("f(a, b=True)", ["pass", "f(a)", "f(a, b=False)"]),
        ("self.x = min(a, b)", ["pass", "self.x = max(a, b)"]),
        ("x += 2", ["pass", "x += (2 + 1)"]),
        ("f('é' , b'c')", ["pass", """f("mutated" , b'c')""", """f('é' , b"mutated")"""]),
        ("return f'{a}'", ['return "mutated"', "return None"]),
        ("x: list[int] = []", []),
        ("MAX_BYTES: Final = 2 * 2**20", []),
        ("def f(a: 'int') -> 'str': 'A docstring.'", []),
        ("_LOGGER.warning('Text: %s', a)", ["pass"]),
        ("_LOGGER.debug('Text: %s', a)", []),
        ("__all__ = ['a']", []),
        ("def __repr__(self): return 'secret'", []),
        ("create(a, name='b')", ["pass"]),
    ],
)
def test_changes(line: str, changed: list[str]) -> None:
    """Operators, conditions, constants, arguments, and statements change, and nothing else does."""
    assert [mutation.after for mutation in mutations("a.py", line)] == changed


def test_ids_stay() -> None:
    """A mutation keeps its ID when other lines change."""
    ids = {mutation.id for mutation in mutations("a.py", PRODUCT)}
    more = {mutation.id for mutation in mutations("a.py", f"OTHER = 'text'\n{PRODUCT}")}
    assert len(ids) == len(list(mutations("a.py", PRODUCT)))
    assert ids < more


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A small project."""
    project = tmp_path / "project"
    for folder in ("product", "tests"):
        (project / folder).mkdir(parents=True)
    (project / "product/numbers.py").write_text(PRODUCT)
    (project / "tests/test_numbers.py").write_text(TESTS)
    return project


def test_choice(project: Path) -> None:
    """A seed always chooses the same lines, one mutation for each."""
    files = ["product/numbers.py"]
    chosen = choose(files, 5, "a", project)
    assert choose(files, 5, "a", project) == chosen
    assert choose(files, 5, "b", project) != chosen
    assert len({mutation.line for mutation in chosen}) == 5


def test_survivors(project: Path, tmp_path: Path) -> None:
    """A mutation survives unless a test that runs its line fails, or hangs."""
    room = Room("room", Path(sys.executable), ("product",), ("tests",), project=project)
    record(room)
    recording = Recording(room)
    tree = Tree(tmp_path / "tree", project, max_test_s=1)
    noticed = {}
    for mutation in mutations("product/numbers.py", PRODUCT):
        change = mutation.after.splitlines()[mutation.line - 1].strip()
        if change in SURVIVORS | NOTICED.keys():
            noticed[change] = check(tree, mutation, room, recording)
    assert noticed == dict.fromkeys(SURVIVORS, "") | NOTICED
