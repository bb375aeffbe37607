"""Gateways that list what they translate now and then, and tell of no beginning and no end.

What came and went between two lists was never told, so nobody found is not nobody there.
"""

from __future__ import annotations

from datetime import timedelta

from traffic.archive.index import ManifestIndex
from traffic.archive.kinds import NAT
from traffic.archive.tables import TableArchive
from traffic.decoders.syslog.sources import source_name
from traffic.lookup.missing import LOGGED
from traffic.lookup.spans import SAMPLED, GapSpan, Window
from traffic.moments import to_milliseconds

FORMS = ("pf-state",)
"""Forms of lines that come in lists."""

REACH = timedelta(minutes=15)
"""How far from the window a list may be: they come each minute, or as seldom as somebody chose."""


def find_samples(
    tables: TableArchive, index: ManifestIndex, address: str | None, window: Window
) -> GapSpan | None:
    """The gap between the lists of a gateway that has the outside `address`, if it sends any.

    Without an address of any gateway's.
    """
    if not index.holds(NAT.name):
        return None
    where = "list_contains(?, form)"
    values: list[object] = [list(FORMS)]
    if address is not None:
        where += " AND outside_address = ?"
        values.append(address)
    rows = tables.read(
        NAT,
        where,
        values,
        from_ms=to_milliseconds(window.from_at - REACH),
        to_ms=to_milliseconds(window.to_at + REACH),
        limit=1,
        among=index,
    )
    if not rows:
        return None
    return GapSpan(
        kind=LOGGED,
        source=source_name(rows[0].values["source"], {NAT.name}),
        reason=SAMPLED,
        from_at=window.from_at,
        to_at=window.to_at,
    )
