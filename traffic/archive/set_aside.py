"""Which segments without a line were set aside: `archive/set-aside.json`.

Written by whoever has gone over the files, so that nobody who only tells of it has to. Does not
decide what is set aside; see traffic.keeping.orphans.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

SUFFIX = ".orphan"
NAME = "set-aside.json"


def note_set_aside(archive: Path, files: Sequence[Path]) -> None:
    """Remember the files that stand aside now."""
    found = sorted(str(path.relative_to(archive)) for path in files)
    if found == set_aside(archive):
        return
    aside = archive / f"{NAME}.{os.getpid()}"
    aside.write_text(json.dumps(found) + "\n", encoding="utf-8")
    aside.rename(archive / NAME)


def set_aside(archive: Path) -> list[str]:
    """Paths in the archive of the files that were aside when the housekeeper looked last."""
    try:
        found = json.loads((archive / NAME).read_bytes())
    except (OSError, ValueError):
        return []
    return [str(path) for path in found] if isinstance(found, list) else []
