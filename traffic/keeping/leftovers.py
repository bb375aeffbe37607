"""Takes away what a killed process was writing: halves of files that nothing reads any more.

Each is written under another name and renamed when it is whole. A process that is killed between
leaves that name for ever, and in it records that retention should have let go of, or a key. Files
with a name of their own, such as spools, are taken up by whoever wrote them, and are not touched.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from common.logging import get_logger

CERTAIN = timedelta(days=1)
"""Nothing takes a day to be written, and no clock is put so far by daylight saving."""

# Linux counts processes to 4,194,304: eight digits are a day, of a copy that somebody made.
_WRITTEN = re.compile(r".+\.aside|[\w-]+\.(json|index|checkpoint)\.\d{1,7}")
"""Segments and time stamps; lists, by the number of the process."""

_SECRET = re.compile(r"\..+\.[a-z0-9_]{8}")
_HALVES = {
    "archive": _WRITTEN,
    "collector": _WRITTEN,
    "witnesses": _WRITTEN,
    "metrics": re.compile(r".+\.\d{1,7}\.tmp"),
    "ca": _SECRET,
    "keys": _SECRET,
}
"""How they are called, by the folder of the site they are in. Other folders are not looked into."""

_log = get_logger(__name__)


def left_over(data_dir: Path, now: datetime) -> Iterator[Path]:
    """Every half of a file under `data_dir` that nobody touched for a day; no link is followed."""
    latest = (now - CERTAIN).timestamp()
    for place, half in _HALVES.items():
        for folder, _folders, names in os.walk(data_dir / place):
            for name in names:
                if half.fullmatch(name) and _is_old(path := Path(folder, name), latest):
                    yield path


def _is_old(path: Path, latest: float) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False  # it has just been renamed
    return stat.S_ISREG(found.st_mode) and found.st_mtime < latest


def take_away(data_dir: Path, now: datetime) -> int:
    """Delete what is left over; how many there were."""
    gone = 0
    for path in left_over(data_dir, now):
        try:
            path.unlink()
        except OSError as error:
            _log.warning("left_over_stays", path=str(path), error=str(error))
        else:
            _log.warning("left_over_deleted", path=str(path))
            gone += 1
    return gone
