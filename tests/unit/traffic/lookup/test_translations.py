"""NAT events become spans."""

from __future__ import annotations

from datetime import UTC, datetime

from traffic.archive.reading import Translation
from traffic.lookup.translations import bindings_of

EARLIEST = datetime.fromtimestamp(0, UTC)
LATEST = datetime.fromtimestamp(1000, UTC)


def seen(
    event: int,
    first: int,
    last: int | None = None,
    address: str = "10.0.0.5",
    to: int = 0,
    flows: int = 1,
) -> Translation:
    return Translation(
        inside_address=address,
        inside_port=4000,
        protocol=6,
        nat_event=event,
        from_ms=first * 1000,
        to_ms=(first if last is None else last) * 1000,
        flows=flows,
        records=(f"flow:{event}@{first}",),
        lasted=last is not None,
        apart=(4000, to, 0, 0, 443 if to else 0),
    )


def spans(*translations: Translation) -> list[tuple[float, float]]:
    found = bindings_of(translations, EARLIEST, LATEST)
    return sorted((one.from_at.timestamp(), one.to_at.timestamp()) for one in found)


def test_a_flow_is_its_own_span() -> None:
    assert spans(seen(0, 10, 20)) == [(10, 20)]


def test_create_and_delete_make_one_span_with_both_records() -> None:
    assert spans(seen(1, 10), seen(2, 90)) == [(10, 90)]
    (found,) = bindings_of([seen(4, 10), seen(5, 90)], EARLIEST, LATEST)
    assert found.evidence == ("flow:4@10", "flow:5@90")


def test_a_missing_event_leaves_the_span_open_on_its_side() -> None:
    assert spans(seen(1, 10)) == [(10, 1000)]
    assert spans(seen(2, 90)) == [(0, 90)]


def test_the_same_port_used_twice_makes_two_spans() -> None:
    assert spans(seen(1, 10), seen(2, 20), seen(1, 30), seen(2, 40)) == [(10, 20), (30, 40)]


def test_other_inside_addresses_are_paired_apart() -> None:
    other = "10.0.0.6"
    assert spans(seen(1, 10), seen(1, 50, address=other), seen(2, 60)) == [(10, 60), (50, 1000)]


def test_events_that_tell_of_no_room_are_no_translations() -> None:
    assert spans(*(seen(event, 10) for event in (3, 12, 13, 18))) == []


def test_a_delete_that_tells_its_own_beginning_needs_no_create() -> None:
    assert spans(seen(5, 60, 90)) == [(60, 90)]
    assert spans(seen(4, 59), seen(5, 60, 90)) == [(59, 90)]


def test_the_end_of_one_session_leaves_the_others_of_its_port_open() -> None:
    one, two = seen(4, 10, to=1), seen(4, 20, to=2)
    assert spans(one, two, seen(5, 30, to=2)) == [(10, 1000), (20, 30)]
    assert spans(seen(4, 10), seen(4, 20), seen(5, 30)) == [(10, 30), (20, 1000)]
    assert spans(seen(4, 10, flows=2), seen(5, 30)) == [(10, 30), (10, 1000)]


def test_a_beginning_that_is_told_again_is_one_translation() -> None:
    assert spans(seen(4, 10, to=1), seen(4, 20, to=1), seen(5, 30, to=1)) == [(10, 30)]
    assert spans(seen(8, 10), seen(8, 20), seen(9, 30)) == [(10, 30)]


def test_the_end_of_a_session_does_not_end_the_binding_of_its_port() -> None:
    assert spans(seen(8, 10), seen(4, 11, to=1), seen(5, 20, to=1)) == [(10, 1000), (11, 20)]
