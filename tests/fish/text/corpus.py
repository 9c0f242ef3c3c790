"""Replies and what must be heard of them: corpus.txt."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wyoming_fish.fish.settings import Backend
from wyoming_fish.fish.text import Cleaner, TextSettings

_ESCAPE = re.compile(r"\\(?:([nrt\\*.])|u([0-9a-f]{4}))")
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}


@dataclass(frozen=True)
class Reply:
    number: int
    written: str
    heard: str
    backend: Backend
    settings: TextSettings

    def __str__(self) -> str:
        return f"line {self.number}"

    def cleaner(self) -> Cleaner:
        return Cleaner(self.backend, self.settings)


def clean(cleaner: Cleaner, *pieces: str) -> str:
    """All that is spoken of ``pieces``."""
    return "".join([*map(cleaner.write, pieces), cleaner.end()])


def heard_in_pieces(cleaner: Callable[[], Cleaner], written: str) -> str:
    """What is spoken of ``written``, which is the same wherever it is cut."""
    whole = clean(cleaner(), written)
    for at in range(len(written)):
        assert clean(cleaner(), written[:at], written[at:]) == whole, written[:at]
    assert clean(cleaner(), *written) == whole
    return whole.rstrip(" \n")


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        if match[2]:
            return chr(int(match[2], 16))
        return _PLAIN.get(match[1], match[0])

    return _ESCAPE.sub(one, text.strip(" "))


def replies() -> list[Reply]:
    """All of corpus.txt."""
    found = []
    options: dict[str, Any] = {}
    backend = Backend.S2_1_PRO
    lines = Path(__file__).with_name("corpus.txt").read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        if line.startswith("@"):
            options = {}
            for option in line[1:].split():
                name, _, value = option.partition("=")
                options[name] = value if name != "trusted" else value == "yes"
            backend = Backend(options.pop("backend", Backend.S2_1_PRO))
        elif "⇒" in line:
            written, heard = line.split("⇒")
            settings = TextSettings(**options)
            found.append(Reply(number, _unescaped(written), _unescaped(heard), backend, settings))
    return found


def typical_text() -> str:
    """The corpus as one text, but for replies that take what follows them for code or thoughts."""
    plain = [
        reply
        for reply in replies()
        if reply.settings == TextSettings() and reply.backend is Backend.S2_1_PRO
    ]
    return "\n\n".join(
        reply.written
        for reply in plain
        if reply.cleaner().write(f"{reply.written}\n\nEnd").endswith("End")
    )
