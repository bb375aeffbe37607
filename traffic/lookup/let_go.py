"""The gap of what was let go when its time was over.

A hold keeps what it is about, and others who stood beside it are gone: whoever is left is the
only one on record, not the only one there was.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from common.config import RETENTION_FLOOR_DAYS, Config
from traffic.archive.index import ManifestIndex
from traffic.archive.inside import Inside
from traffic.archive.kinds import ADMIN
from traffic.archive.lines import REMOVED
from traffic.archive.manifest import Manifest
from traffic.collectors.paths import node_name
from traffic.lookup.attribution import LET_GO, GapSpan, Window
from traffic.lookup.store import Store
from traffic.moments import from_micros, from_milliseconds, to_micros

_PURGED = ("archive:purged", "database:purged")
_TOLD = "SELECT 1 FROM audit_event WHERE action IN (:archive, :database) LIMIT 1"

_HOUR = re.compile(r"/date=(\d{4}-\d\d-\d\d)/hour=(\d\d)/")
"""When what is in a segment was received, as its path says."""

_HOLDS = (
    "SELECT from_at, to_at, created_at, address FROM hold "
    "WHERE account_id IS NULL AND ended_at IS NULL AND until_at > :now"
)


@dataclass(frozen=True, slots=True)
class _Purge:
    """One line of the manifest that took segments away."""

    at: datetime
    until: datetime
    """The end of the hour in which the newest of what it took was received."""


def find_let_go(
    store: Store,
    config: Config,
    index: ManifestIndex,
    window: Window,
    now: datetime,
    address: str | None = None,
) -> list[GapSpan]:
    """The parts of `window` before the edge of retention, on a site that has purged anything.

    Where retention was raised since, the edge is what was purged before: it does not come back.
    Those for which a hold has kept everybody who can be the answer are left out.

    Args:
        address: what is asked about, where it is an address.

    Raises:
        ArchiveError: the archive cannot be read.
    """
    floor = now - timedelta(days=RETENTION_FLOOR_DAYS)
    if window.from_at >= floor or not _has_purged(store, config, index):
        return []
    purges = _purges(config, index)
    edges = [min(purge.until, floor) for purge in purges]
    edge = max([now - timedelta(days=config.archive.retention_days), *edges])
    if window.from_at >= edge:
        return []
    before = Window(window.from_at, min(window.to_at, edge))
    return [
        GapSpan(
            kind="radius",
            source="retention",
            reason=LET_GO,
            from_at=part.from_at,
            to_at=part.to_at,
        )
        for part in before.without(_kept(store, config, now, address, purges))
    ]


def _purges(config: Config, index: ManifestIndex) -> list[_Purge]:
    """Every purge there was; a segment of a path that says no time does not count."""
    if not index.holds("purge"):
        return []
    found = []
    for line in Manifest(config.data_dir / "archive").committed().having(REMOVED):
        hours = [match.groups() for path in line.removed if (match := _HOUR.search(path))]
        if hours:
            day, hour = max(hours)
            begin = datetime.fromisoformat(f"{day}T{hour}:00:00").replace(tzinfo=UTC)
            found.append(_Purge(from_milliseconds(line.written_ms), begin + timedelta(hours=1)))
    return found


def _kept(
    store: Store,
    config: Config,
    now: datetime,
    address: str | None,
    purges: Sequence[_Purge],
) -> list[tuple[datetime, datetime]]:
    """Spans of which holds in force have kept every session that had `address`, or all.

    A hold on an account keeps that account alone. One that was made late has kept only what
    was still there then.
    """
    keeps = timedelta(days=config.archive.retention_days)
    inside = Inside(config.collector.inside)
    spans = []
    for from_micro, to_micro, created_micro, held in store.rows(_HOLDS, now=to_micros(now)):
        # Behind an address outside it may have been anybody, so everybody was kept.
        if held in (None, address) or not inside.has(ip_address(held)):
            created = from_micros(created_micro)
            gone = (purge.until for purge in purges if purge.at <= created)
            from_at = max(from_micros(from_micro), created - keeps, *gone)
            spans.append((from_at, from_micros(to_micro)))
    return [(from_at, to_at) for from_at, to_at in spans if from_at <= to_at]


def _has_purged(store: Store, config: Config, index: ManifestIndex) -> bool:
    """Whether anything was ever let go: by the audit trail, wherever it is, or by the chain."""
    if index.holds("purge") or store.rows(_TOLD, archive=_PURGED[0], database=_PURGED[1]):
        return True
    # Loads numpy, which few questions need.
    from traffic.archive.tables import TableArchive

    tables = TableArchive(config.data_dir / "archive", node_name())
    told = tables.read(ADMIN, "list_contains(?, action)", [list(_PURGED)], limit=1, among=index)
    return bool(told)
