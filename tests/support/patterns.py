"""The product's regular expressions: `python -m tests.support.patterns` prints them as JSON."""

import inspect
import json
import pkgutil
import re
import subprocess
import sys
from dataclasses import astuple, dataclass
from importlib import import_module
from pathlib import Path

from tests.support.processes import ROOT

PRODUCT = ROOT / "wyoming_fish"
INTEGRATION = ROOT / "custom_components" / "wyoming_fish"


@dataclass(frozen=True)
class Pattern:
    place: str
    """Its file and line."""
    text: str
    flags: int
    is_for_whole_texts: bool
    """Whether `fullmatch` is called on it."""
    is_searched: bool
    """Whether it is looked for anywhere in a text, or may be."""


def all_patterns() -> list[Pattern]:
    """Those of the server, as a new Python compiles them, and those of the integration."""
    output = subprocess.run(
        [sys.executable, "-m", "tests.support.patterns"],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    return [Pattern(*found) for found in json.loads(output)] + _integration_patterns()


def _integration_patterns() -> list[Pattern]:
    """Those that are written as one string: its modules need Home Assistant, which is not here."""
    written = re.compile(r'\bre\.\w+\(\s*r?"((?:[^"\\]|\\.)*)"')
    return [
        Pattern(path.name, match[1], 0, is_for_whole_texts=False, is_searched=True)
        for path in INTEGRATION.rglob("*.py")
        for match in written.finditer(path.read_text())
    ]


def _server_patterns() -> list[Pattern]:
    """Those that importing every module compiles, and cleaning text of all kinds."""
    found: list[tuple[str, str, int, str]] = []
    source = " ".join(path.read_text() for path in PRODUCT.rglob("*.py"))
    compiler = re._compiler  # type: ignore[attr-defined] # noqa: SLF001
    compile_pattern = compiler.compile

    def record(pattern: str, flags: int = 0) -> object:
        frame = inspect.currentframe()
        while frame and frame.f_code.co_filename in (__file__, re.__file__):
            frame = frame.f_back
        if frame and (path := Path(frame.f_code.co_filename)).is_relative_to(PRODUCT):
            line = path.read_text().splitlines()[frame.f_lineno - 1]
            name = line.partition("=")[0].partition(":")[0].strip()
            place = f"{path.name}:{frame.f_lineno}"
            found.append((place, str(pattern), int(flags), name))
        return compile_pattern(pattern, flags)

    compiler.compile = record
    for module in pkgutil.walk_packages([str(PRODUCT)], "wyoming_fish."):
        import_module(module.name)
    _clean_text()
    compiler.compile = compile_pattern
    return [
        Pattern(place, pattern, flags, *_uses(name, source))
        for place, pattern, flags, name in found
    ]


def _uses(name: str, source: str) -> tuple[bool, bool]:
    """Whether a pattern of this name is for whole texts, and whether it is searched for."""
    used = set(re.findall(rf"\b{re.escape(name)}\.(\w+)\(", source)) if name else set()
    return "fullmatch" in used, not used or not used <= {"match", "fullmatch"}


def _clean_text() -> None:
    """Use the modules that have just been imported."""
    # No sooner: what they compile has to be seen.
    from wyoming_fish.fish.settings import Backend  # noqa: PLC0415
    from wyoming_fish.fish.text import (  # noqa: PLC0415
        Cleaner,
        TextSettings,
        parse_pronunciations,
    )
    from wyoming_fish.fish.text.ssml.document import parse_ssml  # noqa: PLC0415

    settings = TextSettings(style="calm", pronunciations=parse_pronunciations("HACS: hacks"))
    cleaner = Cleaner(Backend.S2_1_PRO, settings)
    cleaner.write("Open **HACS**. 👍")
    cleaner.end()
    parse_ssml("<speak>Good <b>night", Backend.S2_1_PRO, settings)


if __name__ == "__main__":
    json.dump([astuple(pattern) for pattern in _server_patterns()], sys.stdout)
