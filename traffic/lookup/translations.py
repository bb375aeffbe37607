"""Makes bindings of translations: flows as they are, NAT events paired.

Pure. RFC 8158: a create event opens a translation and a delete event ends it; one of the
two may be missing. One inside port serves several destinations at once, and a session that ends
says nothing of the others. Blocks of ports come paired from traffic.lookup.blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from traffic.archive.reading import Translation
from traffic.lookup.attribution import Binding
from traffic.moments import from_milliseconds

CREATES = frozenset({1, 4, 6, 8, 10, 14, 16})
DELETES = frozenset({2, 5, 7, 9, 11, 15, 17})
NO_TRANSLATION = frozenset({3, 12, 13, 18})
"""natEvent, IANA IPFIX registry, element 230; the last ones tell that there was no room."""
SESSIONS = frozenset({1, 2, 4, 5, 6, 7})
"""Events of one connection; the others are of an inside port or address with all of its own."""


def bindings_of(
    translations: Sequence[Translation], earliest: datetime, latest: datetime
) -> list[Binding]:
    """One binding for each translation; `earliest` and `latest` stand in for a lost event."""
    found = [
        _binding(one, _moment(one.from_ms), _moment(one.to_ms))
        for one in translations
        if one.nat_event not in CREATES | DELETES | NO_TRANSLATION
    ]
    events: dict[tuple[Any, ...], list[Translation]] = {}
    for one in translations:
        if one.nat_event in CREATES or one.nat_event in DELETES:
            events.setdefault(_key(one), []).append(one)
    for group in events.values():
        found.extend(_pair(group, earliest, latest))
    return found


def _key(one: Translation) -> tuple[Any, ...]:
    """What makes two events speak of the same translation."""
    return (
        *(one.inside_address, one.inside_port, one.protocol),
        *(one.apart, one.nat_event in SESSIONS),
    )


def _pair(group: Sequence[Translation], earliest: datetime, latest: datetime) -> list[Binding]:
    """Bindings of one translation from its events in time.

    Sessions that do not say where they go may be several at once: each end ends one of them. A
    second beginning of any other translation tells of the first again.
    """
    found = []
    opened: list[Translation] = []
    for event in sorted(group, key=lambda one: (one.from_ms, one.nat_event in CREATES)):
        several = event.nat_event in SESSIONS and not any(event.apart[1:])
        if event.nat_event in CREATES:
            if several or not opened:
                opened += [event] * (event.flows if several else 1)
        else:
            for _ in range(event.flows if several else 1):
                began = opened.pop(0) if opened else None
                starts = [one.from_ms for one in (began, event if event.lasted else None) if one]
                begins = _moment(min(starts)) if starts else earliest
                found.append(_binding(event, begins, _moment(event.to_ms), began))
    found += [_binding(one, _moment(one.from_ms), latest) for one in opened]
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
