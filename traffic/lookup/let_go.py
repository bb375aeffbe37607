"""The gap of what was let go when its time was over.

A hold keeps what it is about, and others who stood beside it are gone: whoever is left is the
only one on record, not the only one there was.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from common.config import Config
from traffic.archive.index import ManifestIndex
from traffic.archive.kinds import ADMIN
from traffic.collectors.paths import node_name
from traffic.lookup.attribution import GapSpan, Window
from traffic.lookup.store import Store

LET_GO = "let_go"

_PURGED = ("archive:purged", "database:purged")
_TOLD = "SELECT 1 FROM audit_event WHERE action IN (:archive, :database) LIMIT 1"


def find_let_go(
    store: Store, config: Config, index: ManifestIndex, window: Window, now: datetime
) -> list[GapSpan]:
    """The part of `window` before the edge of retention, on a site that has purged anything.

    Raises:
        ArchiveError: the archive cannot be read.
    """
    edge = now - timedelta(days=config.archive.retention_days)
    if window.from_at >= edge or not _has_purged(store, config, index):
        return []
    return [
        GapSpan(
            kind="radius",
            source="retention",
            reason=LET_GO,
            from_at=window.from_at,
            to_at=min(window.to_at, edge),
        )
    ]


def _has_purged(store: Store, config: Config, index: ManifestIndex) -> bool:
    """Whether anything was ever let go: by the audit trail, wherever it is, or by the chain."""
    if index.holds("purge") or store.rows(_TOLD, archive=_PURGED[0], database=_PURGED[1]):
        return True
    # Loads numpy, which few questions need.
    from traffic.archive.tables import TableArchive

    tables = TableArchive(config.data_dir / "archive", node_name())
    told = tables.read(ADMIN, "list_contains(?, action)", [list(_PURGED)], limit=1, among=index)
    return bool(told)
