"""Makes bindings of translations: flows as they are, NAT events paired.

Pure. RFC 8158: a create event opens a translation and a delete event ends it; one of the
two may be missing. Blocks of ports come paired from traffic.lookup.blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from traffic.archive.reading import Translation
from traffic.lookup.attribution import Binding
from traffic.moments import from_milliseconds

CREATES = frozenset({1, 4, 6, 8, 10, 14, 16})
DELETES = frozenset({2, 5, 7, 9, 11, 15, 17})
NO_TRANSLATION = frozenset({3, 12, 13, 18})
"""natEvent, IANA IPFIX registry, element 230; the last ones tell that there was no room."""


def bindings_of(
    translations: Sequence[Translation], earliest: datetime, latest: datetime
) -> list[Binding]:
    """One binding for each translation; `earliest` and `latest` stand in for a lost event."""
    found = [
        _binding(one, _moment(one.from_ms), _moment(one.to_ms))
        for one in translations
        if one.nat_event not in CREATES | DELETES | NO_TRANSLATION
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
            starts = [one.from_ms for one in (opened, event if event.lasted else None) if one]
            begins = _moment(min(starts)) if starts else earliest
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
