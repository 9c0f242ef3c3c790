"""Breaks the product one line at a time, and prints what no test notices: script/mutate."""

import argparse
import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Final

import pytest

from script.mutations import Mutation, mutations
from script.recorded_tests import ROOMS, ROOT, Recording, Room, record

# Mutations in the fixed sample. They take about two minutes.
SAMPLE_SIZE: Final = 40
# Seconds of tests that run first, by their recorded durations. Most mutations fail one of them.
FIRST_TESTS_S: Final = 4.0
# Seconds of further tests. Lines that almost all tests run would otherwise take many minutes.
FURTHER_TESTS_S: Final = 60.0
# A test that takes longer hangs.
MAX_TEST_S: Final = 30.0
# Several times what the tests take by their recorded durations.
MAX_RUN_S: Final = 300.0
# A mutation may fill the memory without end.
MAX_MEMORY_BYTES: Final = 4 << 30


class Tree:
    """A copy of the project, in which one line at a time is changed."""

    def __init__(self, root: Path, project: Path = ROOT, max_test_s: float = MAX_TEST_S) -> None:
        """Copy all but hidden folders, and link what is installed."""
        self.root = root
        self._max_test_s = max_test_s
        ignored = shutil.ignore_patterns(".*", "__pycache__", "node_modules")
        shutil.copytree(project, root, symlinks=True, ignore=ignored, dirs_exist_ok=True)
        for folder in (".venv", ".cache"):
            (root / folder).symlink_to(project / folder)
        # Each change has a later time, since Python compiles a file again only if that differs.
        self._changed = int(time.time())

    def noticed_by(self, mutation: Mutation, room: Room, tests: list[str]) -> str:
        """What notices the mutation: a test that fails, or why none can run. "" if nothing does."""
        self._write(mutation.path, mutation.after)
        try:
            return self._run(room, tests)
        finally:
            self._write(mutation.path, mutation.before)

    def _write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text, encoding="utf-8")
        self._changed += 2
        os.utime(self.root / path, (self._changed, self._changed))

    def _run(self, room: Room, tests: list[str]) -> str:
        chosen = self.root / "chosen-tests.txt"
        chosen.write_text("\n".join(tests), encoding="utf-8")
        files = dict.fromkeys(test.partition("::")[0] for test in tests)
        limits = ("prlimit", f"--data={MAX_MEMORY_BYTES}")
        command = (room.python, "-m", "pytest", "-x", "-q", "--tb=no", "-p", "no:cacheprovider")
        options = ("-p", "script.chosen_tests", f"--timeout={self._max_test_s}", *room.options)
        process = subprocess.Popen(
            (*limits, *command, *options, *files),
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": f"{self.root}:{ROOT}", "CHOSEN_TESTS": str(chosen)},
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            output, _ = process.communicate(timeout=MAX_RUN_S)
        except subprocess.TimeoutExpired:
            return "no end"
        finally:
            # With all that the tests have started.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if process.returncode in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            return ""
        failed = [line for line in output.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        return failed[0].partition(" ")[2].partition(" - ")[0] if failed else "no test starts"


def choose(files: list[str], number: int, seed: str, project: Path = ROOT) -> list[Mutation]:
    """One mutation of each of so many lines. If the code changes, the same seed has few others."""

    def rank(text: str) -> str:
        return hashlib.sha256(f"{seed}\n{text}".encode()).hexdigest()

    by_line: dict[tuple[str, int], list[Mutation]] = {}
    for file in files:
        for mutation in mutations(file, (project / file).read_text(encoding="utf-8")):
            by_line.setdefault((file, mutation.line), []).append(mutation)
    lines = [sorted(line, key=lambda mutation: rank(mutation.id)) for line in by_line.values()]
    lines.sort(key=lambda line: rank(line[0].id))
    valid = (next((mutation for mutation in line if mutation.is_valid), None) for line in lines)
    return list(islice(filter(None, valid), number))


def check(tree: Tree, mutation: Mutation, room: Room, recording: Recording) -> str:
    """How tests notice a mutation, or "": the fastest and nearest ones run before the others."""
    first: list[str] = []
    further: list[str] = []
    total_s = 0.0
    for test, seconds in recording.tests(mutation):
        total_s += seconds
        if total_s <= FIRST_TESTS_S or not first:
            first.append(test)
        elif total_s <= FIRST_TESTS_S + FURTHER_TESTS_S:
            further.append(test)
    parts = (part for part in (first, further) if part)
    return next(filter(None, (tree.noticed_by(mutation, room, part) for part in parts)), "")


def main() -> int:
    """Run as many mutations as are asked for; the status is 1 if one of them survives."""
    parser = argparse.ArgumentParser(prog="script/mutate", description=__doc__)
    parser.add_argument("paths", nargs="*", help="files and folders to restrict the mutations to")
    parser.add_argument("--number", type=int, default=60, help="number of mutations (default: 60)")
    parser.add_argument("--seed", default="1", help="the same seed chooses the same lines")
    parser.add_argument("--record", action="store_true", help="record again which tests run a line")
    parser.add_argument(
        "--sample",
        type=Path,
        help=f"write {SAMPLE_SIZE} mutations that a test notices to this file",
    )
    options = parser.parse_args()

    rooms: dict[str, Room] = {}
    for room in ROOMS:
        if not room.python.exists():
            print(f"Skipped: {room.name}, since {room.python} is missing", file=sys.stderr)
            continue
        files = [file for file in room.files if _is_in(file, options.paths)]
        rooms |= dict.fromkeys(files, room)
    recordings: dict[Room, Recording] = {}
    for room in dict.fromkeys(rooms.values()):
        if options.record or not room.recording.exists():
            print(f"Recording which lines the tests of {room.name} run", file=sys.stderr)
            record(room)
        recordings[room] = Recording(room)

    survivors: list[Mutation] = []
    sample: list[str] = []
    chosen = choose(list(rooms), options.number, options.seed)
    with tempfile.TemporaryDirectory() as folder:
        tree = Tree(Path(folder))
        for number, mutation in enumerate(chosen, start=1):
            room = rooms[mutation.path]
            noticed = check(tree, mutation, room, recordings[room])
            place = f"{number}/{len(chosen)} {mutation.path}:{mutation.line} {mutation.id}"
            print(f"{place}: {noticed or 'SURVIVED'}", flush=True)
            if "::" in noticed:
                sample.append(f"{mutation.id} {mutation.path} {noticed.partition('[')[0]}\n")
            elif not noticed:
                survivors.append(mutation)
                print(mutation.diff, flush=True)
    print(f"{len(survivors)} of {len(chosen)} mutations survived.")
    if options.sample:
        options.sample.write_text("".join(sample[:SAMPLE_SIZE]), encoding="utf-8")
    return 1 if survivors else 0


def _is_in(file: str, paths: list[str]) -> bool:
    return not paths or any(Path(file).is_relative_to(path) for path in paths)


if __name__ == "__main__":
    sys.exit(main())
