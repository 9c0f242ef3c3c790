"""Writes the integration's archive: package_integration.py PROJECT ARCHIVE.

The same files give the same bytes, whenever and wherever it is made.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

# What an archive counts the years from.
BEGINNING = (1980, 1, 1, 0, 0, 0)


def main(project: Path, archive: Path) -> None:
    """Write the archive; HACS unpacks it into `custom_components/wyoming_fish`."""
    component = project / "custom_components" / "wyoming_fish"
    files = {str(path.relative_to(component)): path for path in walk(component)}
    files["LICENSE"] = project / "LICENSE"
    with ZipFile(archive, "w") as file:
        for name, path in sorted(files.items()):
            entry = ZipInfo(name, BEGINNING)
            entry.compress_type = ZIP_DEFLATED
            # A plain file that everybody may read.
            entry.external_attr = 0o100644 << 16
            file.writestr(entry, path.read_bytes())


def walk(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder, and of what it links to, without compiled ones."""
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        yield from (Path(parent) / name for name in names)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
