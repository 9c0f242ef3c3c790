"""Which tests run a line: all tests of a room are recorded once, in .cache/mutations."""

import ast
import json
import os
import re
import shutil
import subprocess
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from coverage import CoverageData

from script.home_assistant import PYTHON as HOME_ASSISTANT_PYTHON
from script.mutations import Mutation

FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)
ROOT: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Room:
    """A part of the product, and its tests."""

    name: str
    python: Path
    folders: tuple[str, ...]
    tests: tuple[str, ...]
    options: tuple[str, ...] = ()
    project: Path = ROOT

    @property
    def files(self) -> list[str]:
        """Its Python files, without the engine that the integration has by a link."""
        paths = (path for folder in self.folders for path in (self.project / folder).rglob("*.py"))
        return sorted(
            str(path.relative_to(self.project)) for path in paths if path.resolve() == path
        )

    @property
    def recording(self) -> Path:
        """The folder of its recording."""
        return self.project / ".cache/mutations" / self.name


ROOMS: Final = (
    Room(
        "wyoming_fish",
        ROOT / ".venv/bin/python",
        ("wyoming_fish/fish", "wyoming_fish/server"),
        ("tests/fish", "tests/server", "tests/web", "tests/cli"),
    ),
    Room(
        "custom_components",
        HOME_ASSISTANT_PYTHON,
        ("custom_components/wyoming_fish",),
        ("tests/integration",),
        ("-c", "tests/integration/pytest.ini"),
    ),
)


def record(room: Room) -> None:
    """Run all tests of a room, and write which lines each of them runs, and its seconds."""
    shutil.rmtree(room.recording, ignore_errors=True)
    for file in room.files:
        (room.recording / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(room.project / file, room.recording / file)
    coverage = ("-m", "coverage", "run", f"--data-file={room.recording}/lines")
    tests = ("-m", "pytest", "-p", "script.line_recorder", "-q", *room.options, *room.tests)
    subprocess.run(
        (room.python, *coverage, f"--source={','.join(room.folders)}", *tests),
        cwd=room.project,
        # Its other core, which Python 3.14 has, attributes each line only to the first test.
        env=os.environ | {"PYTHONPATH": str(ROOT), "COVERAGE_CORE": "ctrace"},
        check=False,
    )


class Recording:
    """What was recorded of a room. Lines are found by their text, since they may have moved."""

    def __init__(self, room: Room) -> None:
        """Read it."""
        self._project = room.project
        data = CoverageData(str(room.recording / "lines"))
        data.read()
        durations_s = (room.recording / "lines.json").read_text(encoding="utf-8")
        self._durations_s: dict[str, float] = json.loads(durations_s)
        self._tests: dict[str, dict[str, set[str]]] = {}
        """By file, then by the text of the line."""
        for path in room.recording.rglob("*.py"):
            file = str(path.relative_to(room.recording))
            tests = self._tests[file] = defaultdict(set)
            texts = path.read_text(encoding="utf-8").splitlines()
            for line, names in data.contexts_by_lineno(str(room.project / file)).items():
                tests[texts[line - 1].strip()].update(names)

    def tests(self, mutation: Mutation) -> list[tuple[str, float]]:
        """The tests that run a line, and their seconds: fast ones of all files come first.

        A line outside functions runs at import, in any test. Then they are the tests of the lines
        that have its name, or of the whole file.
        """
        file = self._tests.get(mutation.path, {})
        lines = [text.strip() for text in mutation.before.splitlines()]
        *outer, statement = _statements(mutation)
        body = lines[statement.lineno - 1 : statement.end_lineno]
        if isinstance(statement, FUNCTIONS):
            tests = self._of_lines(file, body[1:])
        elif any(isinstance(node, FUNCTIONS) for node in outer):
            tests = self._of_lines(file, [lines[mutation.line - 1]]) or self._of_lines(file, body)
        else:
            tests = self._of_name(_name(statement))
        tests = tests or self._of_lines(file, list(file))
        counts: Counter[str] = Counter()
        ranks: dict[str, int] = {}
        for test in sorted(tests, key=lambda test: (tests[test], test)):
            file_of_test = test.partition("::")[0]
            counts[file_of_test] += 1
            ranks[test] = counts[file_of_test] // _closeness(mutation.path, file_of_test)
        return [(test, tests[test]) for test in sorted(ranks, key=lambda test: ranks[test])]

    def _of_name(self, name: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for file in self._tests.values() if name else ():
            lines = [text for text in file if re.search(rf"\b{name}\b", text)]
            found |= self._of_lines(file, lines)
        return found

    def _of_lines(self, file: dict[str, set[str]], lines: list[str]) -> dict[str, float]:
        names = set[str]().union(*(file.get(line, ()) for line in lines))
        # What runs at import has no test. A test that is gone since then has no file.
        return {
            name: self._durations_s[name]
            for name in names
            if name in self._durations_s and (self._project / name.partition("::")[0]).exists()
        }


def _statements(mutation: Mutation) -> list[ast.stmt]:
    """The statements that have the line, from the outermost to the innermost."""
    nodes = ast.walk(ast.parse(mutation.before))
    statements = [node for node in nodes if isinstance(node, ast.stmt)]
    return sorted(
        (node for node in statements if node.lineno <= mutation.line <= (node.end_lineno or 0)),
        key=lambda node: (node.lineno, node.col_offset),
    )


def _name(statement: ast.stmt) -> str:
    """The name that a statement gives to something."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return ""


def _closeness(path: str, test_file: str) -> int:
    """How many tests of a file count as one: more if it is about the changed file."""
    if Path(test_file).stem == f"test_{Path(path).stem}":
        return 20
    return 4 if Path(path).parent.name == Path(test_file).parent.name else 1
