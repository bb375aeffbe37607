"""Gateways that list what they translate now and then, and tell of no beginning and no end.

What came and went between two lists was never told, so nobody found is not nobody there. A list
of a quiet moment has nothing of an address, and leaves no trace of its own.
"""

from __future__ import annotations

from datetime import timedelta

from traffic.archive.about import RowsOf, form_name
from traffic.archive.index import ManifestIndex
from traffic.archive.kinds import NAT
from traffic.archive.tables import Found, TableArchive
from traffic.decoders.syslog.sources import source_name
from traffic.lookup.missing import LOGGED
from traffic.lookup.spans import SAMPLED, GapSpan, Window
from traffic.moments import to_milliseconds

FORMS = ("pf-state",)
"""Forms of lines that come in lists."""

REACH = timedelta(minutes=15)
"""How far from the window a list is looked for first; they come each minute, most of them full."""

LOOK_BACK = timedelta(hours=48)
"""How long before the window the last list that had the address may have come: over a quiet night
or two the gateway goes on listing. Should it have stopped, a gap too many is told for so long."""


def find_samples(
    tables: TableArchive, index: ManifestIndex, address: str | None, window: Window
) -> GapSpan | None:
    """The gap between the lists of a gateway that has the outside `address`, if it sends any.

    Without an address of any gateway's.
    """
    if not index.holds(NAT.name):
        return None
    where = f"({' OR '.join('form = ?' for _ in FORMS)})"
    values: list[object] = [*FORMS]
    if address is not None:
        where += " AND outside_address = ?"
        values.append(address)
    about = RowsOf(tuple(form_name(form, address) for form in FORMS))
    rows: list[Found] = []
    for back in (REACH, LOOK_BACK):
        rows = rows or tables.read(
            NAT,
            where,
            values,
            from_ms=to_milliseconds(window.from_at - back),
            to_ms=to_milliseconds(window.to_at + REACH),
            limit=1,
            among=index,
            about=about,
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
