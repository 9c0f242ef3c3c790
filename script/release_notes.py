"""Prints what CHANGELOG.md says of a release: release_notes.py vX.Y.Z.

A tag that is neither the package's version nor the newest entry ends with status 1 and a sentence.
"""

import re
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent

# An entry: `## [0.1.0] - 2026-11-22` and all lines up to the next entry, or to the link
# definitions at the end of the file.
ENTRY: Final = re.compile(
    r"^## \[(?P<version>\d\S*)\] - \d{4}-\d\d-\d\d\n(?P<notes>.*?)(?=^## \[|^\[|\Z)",
    re.MULTILINE | re.DOTALL,
)
VERSION: Final = re.compile(r'^__version__ = "(.+)"$', re.MULTILINE)


def main(tag: str) -> None:
    """Print the notes of this tag."""
    newest = ENTRY.search((ROOT / "CHANGELOG.md").read_text())
    if newest is None:
        sys.exit("CHANGELOG.md has no entry with a version and a date.")
    version = VERSION.search((ROOT / "wyoming_fish" / "__init__.py").read_text())
    if version is None or not tag == f"v{version[1]}" == f"v{newest['version']}":
        sys.exit(
            f"The tag is {tag}, the package's version {version and version[1]}, "
            f"and the newest entry of CHANGELOG.md {newest['version']}: they must be the same."
        )
    print(newest["notes"].strip())


if __name__ == "__main__":
    main(sys.argv[1])
