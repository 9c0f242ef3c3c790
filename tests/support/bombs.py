"""Texts on which a regular expression is slow, if there are any: made from the pattern itself.

Each repetition of a pattern is pumped: repeated often, with a text after it that does not match.
So are two of them, one after the other, and all that comes before one, so that a search begins
again and again. What is chosen between is chosen by chance, the same each time.
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["bombs"]

# Ways through a pattern that are taken, each of which gives four texts.
WAYS: Final = 60

_ENDINGS: Final = ("", "\0", "\n", "!", "a", " ", "</")
_CANDIDATES: Final = "a1 \n.-_<>[](){}|\\\"'*:;,!éع中👍\0"
_CATEGORIES: Final = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}


@dataclass
class _Pump:
    """A repetition."""

    text: str
    least: int


_Way = list["str | _Pump"]


def bombs(pattern: str, flags: int, length: int) -> Iterator[str]:
    """Texts of ``length`` characters for a pattern; none where nothing in it repeats."""
    parsed = re._parser.parse(pattern, flags)  # type: ignore[attr-defined] # noqa: SLF001
    chance = random.Random(7)  # noqa: S311 - no secret
    for _ in range(WAYS):
        way = _Walk(chance).way(parsed)
        places = [at for at, item in enumerate(way) if isinstance(item, _Pump)]
        if not places:
            continue
        first, second = sorted(chance.choices(places, k=2))
        before, between = _plain(way[:first]), _plain(way[first + 1 : second])
        one, two = _text(way[first]), _text(way[second])
        end, half = chance.choice(_ENDINGS), length // 2
        yield before + _filled(one, length) + end
        yield before + _filled(one, half) + between + _filled(two, half) + end
        yield _filled(before, half) + between + _filled(two, half) + end
        yield _filled(before + one + between, length) + end


def _filled(text: str, length: int) -> str:
    return text * (length // len(text)) if text else ""


def _plain(way: _Way) -> str:
    return "".join(item if isinstance(item, str) else item.text * item.least for item in way)


def _text(item: str | _Pump) -> str:
    return item if isinstance(item, str) else item.text


class _Walk:
    """One way through a parsed pattern."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._groups: dict[int, str] = {}

    def way(self, parsed: Any) -> _Way:
        return [item for operation, value in parsed for item in self._items(str(operation), value)]

    def _items(self, operation: str, value: Any) -> _Way:
        match operation:
            case "LITERAL":
                return [chr(value)]
            case "NOT_LITERAL":
                return ["b" if chr(value) == "a" else "a"]
            case "ANY":
                return ["a"]
            case "IN":
                return [self._chance.choice(_members(value))]
            case "BRANCH":
                return self.way(self._chance.choice(value[1]))
            case "SUBPATTERN":
                way = self.way(value[3])
                self._groups[value[0]] = _plain(way)
                return way
            case "GROUPREF":
                return [self._groups.get(value, "")]
            case "MAX_REPEAT" | "MIN_REPEAT":
                return self._repetition(*value)
            case _:
                return []  # An assertion.

    def _repetition(self, least: int, most: int, repeated: Any) -> _Way:
        way = self.way(repeated)
        if int(most) < 10 or self._chance.random() < 0.3:
            # What repeats within it is pumped.
            return way if least or self._chance.random() < 0.7 else []
        text = _plain(way) or "".join(map(_text, way))
        return [_Pump(text, int(least))] if text else []


def _members(members: list[Any]) -> list[str]:
    """Characters of a class."""
    parts = []
    for operation, value in members:
        match str(operation):
            case "NEGATE":
                parts.append("^")
            case "LITERAL":
                parts.append(re.escape(chr(value)))
            case "RANGE":
                parts.append(f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}")
            case "CATEGORY":
                parts.append(_CATEGORIES[str(value)])
    character = re.compile(f"[{''.join(parts)}]")
    found = [candidate for candidate in _CANDIDATES if character.match(candidate)]
    ends = (value if str(operation) == "LITERAL" else value[0] for operation, value in members)
    return found or [chr(end) for end in ends if isinstance(end, int)]
