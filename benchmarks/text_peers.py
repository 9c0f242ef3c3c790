"""Other segmenters and their test suites, from PyPI, in an environment of their own in .cache."""

import ast
import json
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any, Final, NamedTuple

VERSIONS: Final = {
    "sentence-stream": "1.3.0",
    "pysbd": "0.3.4",
    "blingfire": "0.1.8",
    "stream2sentence": "1.1.0",
}
# What a package needs and does not say.
_UNDECLARED: Final = {"blingfire": ("numpy",)}
# Source packages that hold a suite: of pySBD, the last one.
SUITE_VERSIONS: Final = {"pysbd": "0.3.3", "syntok": "1.4.2", "sentence_stream": "1.3.0"}

_CACHE: Final = Path(__file__).parents[1] / ".cache" / "text-peers"
_PYTHON: Final = _CACHE / "venv" / "bin" / "python"
_PROGRAM: Final = Path(__file__).with_name("segmenters.py")
_INSTALL_TIMEOUT_S: Final = 300.0
_SEGMENT_TIMEOUT_S: Final = 120.0

# syntok's suite is one text of many sentences, which is cut into texts of this many.
_SYNTOK_SENTENCES: Final = 10


class Case(NamedTuple):
    """A text with its sentences."""

    language: str
    text: str
    sentences: tuple[str, ...]


class Cut(NamedTuple):
    """What a segmenter made of texts."""

    sentences: list[list[str]]
    """Of each text."""
    microseconds: float
    """Of the processor, for a character."""


def install() -> tuple[list[str], list[str]]:
    """Install what is missing, and give the segmenters that are there, and what is not."""
    if not _PYTHON.exists():
        _run([sys.executable, "-m", "venv", str(_CACHE / "venv")])
    there, missing = [], []
    for name, version in VERSIONS.items():
        done = _CACHE / f"{name}-{version}.installed"
        if not done.exists():
            if not _pip("install", f"{name}=={version}", *_UNDECLARED.get(name, ())):
                missing.append(f"{name} {version}")
                continue
            done.touch()
        there.append(name)
    for name, version in SUITE_VERSIONS.items():
        flags = ("--no-deps", "--no-binary", name, "--dest", str(_CACHE))
        if not (_sdist(name).exists() or _pip("download", *flags, f"{name}=={version}")):
            missing.append(f"the suite of {name} {version}")
    return there, missing


def cut(name: str, cases: list[Case]) -> Cut:
    """Cut the texts of ``cases`` with the segmenter ``name``. Raises CalledProcessError."""
    done = subprocess.run(
        [str(_PYTHON), str(_PROGRAM), name],
        input=json.dumps([(case.language, case.text) for case in cases]),
        capture_output=True,
        text=True,
        timeout=_SEGMENT_TIMEOUT_S,
        check=True,
    )
    return Cut(**json.loads(done.stdout))


def suites() -> dict[str, list[Case]]:
    """The suites that are there, by what they are called."""
    found = {}
    if _sdist("pysbd").exists():
        tree = _tree("pysbd", "benchmarks/english_golden_rules.py")
        rules = _values(tree)["GOLDEN_EN_RULES"]
        found["pySBD's golden rules"] = [
            Case("en", text, tuple(sentences)) for text, sentences in rules
        ]
    if _sdist("syntok").exists():
        lines = _values(_tree("syntok", "syntok/segmenter_test.py"))["OSPL"].strip().split("\n")
        groups = [
            lines[at : at + _SYNTOK_SENTENCES] for at in range(0, len(lines), _SYNTOK_SENTENCES)
        ]
        found["syntok"] = [Case("en", " ".join(group), tuple(group)) for group in groups]
    if _sdist("sentence_stream").exists():
        found["sentence-stream"] = _asserted()
    return found


def _sdist(name: str) -> Path:
    return _CACHE / f"{name}-{SUITE_VERSIONS[name]}.tar.gz"


def _tree(name: str, path: str) -> ast.Module:
    """A module of a source package. It is read and never run."""
    with tarfile.open(_sdist(name)) as archive:
        member = archive.extractfile(f"{name}-{SUITE_VERSIONS[name]}/{path}")
        assert member is not None  # noqa: S101 - a file of a pinned version
        return ast.parse(member.read())


def _values(tree: ast.AST) -> dict[str, Any]:
    """What names are given in ``tree``, of values that are written out."""
    values: dict[str, Any] = {}
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = _value(node.value, values)
            if value is not None:
                values[node.targets[0].id] = value
    return values


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    """The value of text, of lists and of names; None for anything else."""
    match node:
        case ast.Name():
            return names.get(node.id)
        case ast.JoinedStr():
            parts = [
                _value(part.value if isinstance(part, ast.FormattedValue) else part, names)
                for part in node.values
            ]
            return None if None in parts else "".join(parts)
        case ast.List():
            items = [_value(item, names) for item in node.elts]
            return None if None in items else items
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def _asserted() -> list[Case]:
    """What sentence-stream's tests say of texts: `assert list(stream_to_sentences(…)) == […]`."""
    cases = {}
    for function in _tree("sentence_stream", "tests/test_sentence_stream.py").body:
        names = _values(function)
        for node in ast.walk(function):
            match node:
                case ast.Compare(
                    left=ast.Call(
                        args=[ast.Call(func=ast.Name("stream_to_sentences"), args=[given])]
                    ),
                    comparators=[expected],
                ):
                    pieces, sentences = _value(given, names), _value(expected, names)
                    if pieces and sentences:
                        text = "".join(pieces)
                        cases[text] = Case("en", text, tuple(sentences))
    return list(cases.values())


def _pip(command: str, *arguments: str) -> bool:
    """Whether pip could do it."""
    flags = ("--quiet", "--disable-pip-version-check")
    return _run([str(_PYTHON), "-m", "pip", command, *flags, *arguments])


def _run(command: list[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=_INSTALL_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0
