"""An archive as months would have made it, with a clock of the test's own."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from unittest.mock import patch

from common import clock
from traffic.archive.entries import Entry
from traffic.archive.kinds import KINDS, LEASE, Kind
from traffic.archive.manifest import NAME as MANIFEST
from traffic.archive.seals import make_seal
from traffic.archive.tables import TableArchive
from traffic.keeping.timeline import DAY_MS

NOON = 1_795_000_000_000

_ROWS: dict[str, dict[str, object]] = {
    "lease": {"source": "10.0.0.1", "address": "10.0.0.9", "event": "assign"},
    "admin": {"actor": "head", "action": "nas:added", "target": "lab", "detail": "{}"},
    "access": {"service": "radius", "user_name": "somchai", "account_id": 7},
}


def write_at(
    archive: Path | TableArchive, at_ms: int, kind: Kind = LEASE, **values: object
) -> Entry:
    """One segment of one row, received and entered at `at_ms`."""
    tables = archive if isinstance(archive, TableArchive) else TableArchive(archive, "node")
    row = {"received_at": at_ms, **_ROWS.get(kind.name, {}), **values}
    with patch.object(clock, "unix_nanoseconds", lambda: at_ms * 1_000_000):
        return tables.append(kind, [row])[0]


def write_days(
    archive: Path, days: Sequence[float], kind: str = "lease", keys: Path | None = None
) -> list[Entry]:
    """A segment on each of `days` after NOON; sealed each time when `keys` are given."""
    if (kind, keys) == ("lease", None) and days == range(len(days)) and len(days) in _COPIED:
        return _copy_days(archive, len(days))
    made = []
    tables = TableArchive(archive, "node")
    for day in days:
        at_ms = NOON + int(day * DAY_MS)
        made.append(write_at(tables, at_ms, KINDS[kind]))
        if keys is not None:
            make_seal(archive, keys, at_ms)
    return made


_MONTHS = 200
"""Days of the archive that is made once and copied: its beginning is what fewer days make."""
_COPIED = range(50, _MONTHS + 1)


@cache
def _months() -> tuple[Path, list[Entry]]:
    folder = Path(tempfile.mkdtemp(prefix="yuenyan-months-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    tables = TableArchive(folder, "node")
    return folder, [write_at(tables, NOON + day * DAY_MS) for day in range(_MONTHS)]


def _copy_days(archive: Path, number: int) -> list[Entry]:
    """The first `number` segments of the archive that was made once, in an empty folder."""
    months, entries = _months()
    lines = (months / MANIFEST).read_bytes().splitlines(keepends=True)
    with (archive / MANIFEST).open("xb") as manifest:
        manifest.writelines(lines[:number])
    for entry in entries[:number]:
        (archive / entry.path).parent.mkdir(parents=True)
        shutil.copyfile(months / entry.path, archive / entry.path)
    return entries[:number]
