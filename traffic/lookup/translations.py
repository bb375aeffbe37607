"""Makes bindings of translations: flows as they are, NAT events paired.

Pure. RFC 8158: a create event opens a translation and a delete event ends it; one of the
two may be missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from traffic.archive.reading import Translation
from traffic.lookup.attribution import Binding
from traffic.moments import from_milliseconds

CREATES = frozenset({1, 4, 6, 8, 10, 12})
DELETES = frozenset({2, 5, 7, 9, 11, 13})
"""natEvent, IANA IPFIX registry, element 230."""


def bindings_of(
    translations: Sequence[Translation], earliest: datetime, latest: datetime
) -> list[Binding]:
    """One binding for each translation; `earliest` and `latest` stand in for a lost event."""
    found = [
        _binding(one, _moment(one.from_ms), _moment(one.to_ms))
        for one in translations
        if one.nat_event not in CREATES and one.nat_event not in DELETES
    ]
    events: dict[tuple[str, int, int], list[Translation]] = {}
    for one in translations:
        if one.nat_event in CREATES or one.nat_event in DELETES:
            key = (one.inside_address, one.inside_port, one.protocol)
            events.setdefault(key, []).append(one)
    for group in events.values():
        found.extend(_pair(group, earliest, latest))
    return found


def _pair(group: Sequence[Translation], earliest: datetime, latest: datetime) -> list[Binding]:
    """Bindings of one inside address and port from its events in time."""
    found = []
    opened: Translation | None = None
    for event in sorted(group, key=lambda one: (one.from_ms, one.nat_event in CREATES)):
        if event.nat_event in CREATES:
            if opened is None:
                opened = event
        else:
            begins = earliest if opened is None else _moment(opened.from_ms)
            found.append(_binding(event, begins, _moment(event.to_ms), opened))
            opened = None
    if opened is not None:
        found.append(_binding(opened, _moment(opened.from_ms), latest))
    return found


def _binding(
    one: Translation, from_at: datetime, to_at: datetime, opened: Translation | None = None
) -> Binding:
    records = (*(opened.records if opened else ()), *one.records)
    return Binding(
        inside_address=one.inside_address,
        inside_port=one.inside_port or None,
        from_at=from_at,
        to_at=to_at,
        evidence=records,
    )


def _moment(milliseconds: int) -> datetime:
    return from_milliseconds(milliseconds)
