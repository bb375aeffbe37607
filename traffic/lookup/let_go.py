"""The gap of what was let go when its time was over.

A hold keeps what it is about, and others who stood beside it are gone: whoever is left is the
only one on record, not the only one there was.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from ipaddress import ip_address

from common.config import Config
from traffic.archive.index import ManifestIndex
from traffic.archive.inside import Inside
from traffic.archive.kinds import ADMIN
from traffic.collectors.paths import node_name
from traffic.lookup.attribution import LET_GO, GapSpan, Window
from traffic.lookup.store import Store
from traffic.moments import from_micros, to_micros

_PURGED = ("archive:purged", "database:purged")
_TOLD = "SELECT 1 FROM audit_event WHERE action IN (:archive, :database) LIMIT 1"


_HOLDS = (
    "SELECT from_at, to_at, created_at, address FROM hold "
    "WHERE account_id IS NULL AND ended_at IS NULL AND until_at > :now"
)


def find_let_go(
    store: Store,
    config: Config,
    index: ManifestIndex,
    window: Window,
    now: datetime,
    address: str | None = None,
) -> list[GapSpan]:
    """The parts of `window` before the edge of retention, on a site that has purged anything.

    Those for which a hold has kept everybody who can be the answer are left out.

    Args:
        address: what is asked about, where it is an address.

    Raises:
        ArchiveError: the archive cannot be read.
    """
    edge = now - timedelta(days=config.archive.retention_days)
    if window.from_at >= edge or not _has_purged(store, config, index):
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
        for part in before.without(_kept(store, config, now, address))
    ]


def _kept(
    store: Store, config: Config, now: datetime, address: str | None
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
            from_at = max(from_micros(from_micro), from_micros(created_micro) - keeps)
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
