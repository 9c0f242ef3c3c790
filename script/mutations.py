"""The mutations of a Python file: small changes of its source, each of which breaks something."""

import ast
import difflib
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

CHANGES: Final = """
<:<= <=:< >:>= >=:> ==:!= !=:== in:not_in not_in:in is:is_not is_not:is and:or or:and
min:max max:min any:all all:any +:- -:+ *:/ /:* //:* %:* **:* |:& &:| <<:>> >>:<<
"""
OPPOSITES: Final = dict(change.replace("_", " ").split(":") for change in CHANGES.split())
OPERATOR: Final = re.compile(
    r"not\s+in\b|is\s+not\b|\b(?:in|is|and|or)\b|\*\*|//|<<|>>|[<>=!]=|[-+*/%|&<>]"
)
# Nothing that a test should hold: types, debug lines, arguments that only a debugger reads, and the
# numbers of named limits.
SKIPPED: Final = re.compile(
    r"(import|from|assert|type|if TYPE_CHECKING|def __repr__|__all__|__slots__|_LOGGER\.debug)\b"
    r"|(TypeVar|ParamSpec|NewType|cast|assert_never)\(|(name|strict|exc_info|stacklevel)="
    r"|[A-Z]\w*[a-z]\w*\[|[A-Z0-9_]+(: \w+)? = [-\d._*/+<e ()]+$"
)
SKIPPED_FIELDS: Final = {"annotation", "returns", "type_params", "decorator_list", "bases"}


@dataclass(frozen=True)
class Mutation:
    """A change of one place of a file."""

    path: str
    line: int
    before: str
    """The whole file, as is `after`."""
    after: str
    id: str
    """Stays the same if other lines of the file change."""

    @property
    def is_valid(self) -> bool:
        """Whether Python can compile it."""
        try:
            compile(self.after, self.path, "exec", dont_inherit=True)
        except SyntaxError:
            return False
        return True

    @property
    def diff(self) -> str:
        """The lines that change."""
        files = self.before.splitlines(), self.after.splitlines()
        return "\n".join(difflib.unified_diff(*files, self.path, self.path, n=1, lineterm=""))


def mutations(path: str, source: str) -> Iterator[Mutation]:
    """All mutations of a file, by line."""
    data = source.encode()
    lines = source.splitlines()
    occurrences: Counter[str] = Counter()
    for start, end, text in sorted(set(_Places(data).of(ast.parse(data)))):
        after = (data[:start] + text.encode() + data[end:]).decode()
        line = data.count(b"\n", 0, start)
        # Lines that are the same count as the first, the second, …
        change = f"{path}\n{lines[line].strip()}\n{after.splitlines()[line].strip()}\n{text}"
        occurrences[change] += 1
        digest = hashlib.sha256(f"{change}\n{occurrences[change]}".encode()).hexdigest()
        yield Mutation(path, line + 1, source, after, digest[:12])


class _Places:
    """Finds places of a file: where they start and end, in bytes, and what replaces them."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._starts = [0]
        for line in data.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def of(self, node: ast.AST) -> Iterator[tuple[int, int, str]]:
        """The places in a node."""
        if hasattr(node, "lineno") and self._is_skipped(node):
            return
        yield from self._own(node)
        if isinstance(node, ast.JoinedStr):
            return  # Python 3.11 does not know the places in it.
        for field, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and field not in SKIPPED_FIELDS:
                    yield from self.of(child)

    def _own(self, node: ast.AST) -> Iterator[tuple[int, int, str]]:  # noqa: C901, PLR0912
        match node:
            case ast.Compare(left=left, comparators=others) | ast.BoolOp(values=[left, *others]):
                yield from self._operators([left, *others])
            case ast.BinOp(left=left, right=right):
                yield from self._operators([left, right])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield *self._span(node), self._text(operand)
            case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
                yield *self._span(test), f"(not ({self._text(test)}))"
            case ast.comprehension(ifs=[test, *_]):
                yield *self._span(test), f"(not ({self._text(test)}))"
            case ast.Constant(value=bool() as value):
                yield *self._span(node), str(not value)
            case ast.Constant(value=int() | float()):
                yield *self._span(node), f"({self._text(node)} + 1)"
            case ast.Constant(value=bytes()):
                yield *self._span(node), 'b"mutated"'
            case ast.Constant(value=str()) | ast.JoinedStr():
                yield *self._span(node), '"mutated"'
            case ast.Name(id=name) if name in OPPOSITES:
                yield *self._span(node), OPPOSITES[name]
            case ast.Expr() | ast.Raise() | ast.Delete() | ast.AugAssign():
                yield *self._span(node), "pass"
            case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
                yield *self._span(node), "pass"
            case ast.Assign(value=value) | ast.Return(value=ast.expr() as value):
                if not isinstance(value, ast.Constant):
                    yield *self._span(value), "None"
            case ast.Break():
                yield *self._span(node), "continue"
            case ast.Continue():
                yield *self._span(node), "break"
            case ast.Call(func=function, args=args, keywords=keywords):
                for last, argument in pairwise([*[function, *args][-1:], *keywords]):
                    if not self._is_skipped(argument):
                        comma = "(" if last is function else ""
                        yield self._span(last)[1], self._span(argument)[1], comma

    def _operators(self, operands: list[ast.expr]) -> Iterator[tuple[int, int, str]]:
        for left, right in pairwise(operands):
            start = self._span(left)[1]
            between = self._data[start : self._span(right)[0]].decode()
            if "#" not in between and (found := OPERATOR.search(between)):
                opposite = OPPOSITES[" ".join(found[0].split())]
                yield start + found.start(), start + found.end(), opposite

    def _is_skipped(self, node: ast.AST) -> bool:
        match node:
            case ast.Expr(value=ast.Constant()):  # a docstring
                return True
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="_LOGGER"))
            ):  # the text of a log line
                return True
        return SKIPPED.match(self._text(node)) is not None

    def _text(self, node: ast.AST) -> str:
        start, end = self._span(node)
        return self._data[start:end].decode()

    def _span(self, node: Any) -> tuple[int, int]:
        return (
            self._starts[node.lineno - 1] + node.col_offset,
            self._starts[node.end_lineno - 1] + node.end_col_offset,
        )
