"""Visits that wait for the database a second at most, and are found before that."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from captive_portal.public.arrivals import Arrivals
from db.models import OpenVisit
from identity.office import Office
from identity.services import open_visits


class Ticks:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def written(office: Office) -> int:
    with office.database.read() as session:
        return session.scalar(select(func.count()).select_from(OpenVisit)) or 0


def test_visits_of_a_rush_are_written_together_and_found_before_that(office: Office) -> None:
    ticks = Ticks()
    arrivals = Arrivals(ticks)
    arrivals.remember(office, "192.0.2.1", "3c22fb010201", "first")
    assert written(office) == 1
    for number in range(2, 30):
        arrivals.remember(office, f"192.0.2.{number}", "3c22fb010202", f"visit {number}")
    assert written(office) == 1
    assert arrivals.recall(office, "192.0.2.7") == "visit 7"
    ticks.now += 1.0
    arrivals.remember(office, "192.0.2.30", "3c22fb010203", "last")
    assert written(office) == 30
    assert Arrivals().recall(office, "192.0.2.7") == "visit 7"  # another worker


def test_two_phones_at_one_address_are_not_told_apart_written_or_not(office: Office) -> None:
    arrivals = Arrivals(Ticks())
    arrivals.remember(office, "192.0.2.1", "3c22fb010201", "first")
    assert arrivals.recall(office, "192.0.2.1") == "first"
    arrivals.remember(office, "192.0.2.1", "3c22fb010202", "second")
    assert arrivals.recall(office, "192.0.2.1") == ""
    with office.database.write() as session:
        arrivals.close(session, "192.0.2.1", "3c22fb010202")
    assert arrivals.recall(office, "192.0.2.1") == "first"
    with office.database.write() as session:
        arrivals.close(session, "192.0.2.1", "3c22fb010201")
    assert arrivals.recall(office, "192.0.2.1") == ""


def test_what_nobody_can_be_told_by_is_not_kept(office: Office) -> None:
    arrivals = Arrivals(Ticks())
    arrivals.remember(office, "192.0.2.1", "", "no address of the device")
    assert written(office) == 0


def test_old_visits_are_not_found_and_dropped(office: Office) -> None:
    Arrivals(Ticks()).remember(office, "192.0.2.1", "3c22fb010201", "first")
    later = office.clock() + open_visits.LIFETIME
    with office.database.write() as session:
        assert open_visits.recall(session, "192.0.2.1", later) == {}
        assert open_visits.drop_old(session, later) == 1


def test_one_address_fills_no_table(office: Office) -> None:
    now = office.clock()
    for start in (0, 50):
        some = {("192.0.2.1", f"3c22fb{start + at:06x}"): "visit" for at in range(50)}
        with office.database.write() as session:
            open_visits.remember(session, some, now)
    assert written(office) == 64


def test_one_ipv6_network_does_not_fill_the_table_with_addresses_it_makes_up(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("captive_portal.public.arrivals._OF_ONE_SITE", 10)
    ticks = Ticks()
    arrivals = Arrivals(ticks)
    for number in range(30):
        arrivals.remember(office, f"2001:db8::{number:x}", f"3c22fb{number:06x}", "made up")
        ticks.now += 1.0
    assert written(office) == 10
    arrivals.remember(office, "2001:db8::1", "3c22fb000001", "a known phone again")
    assert Arrivals().recall(office, "2001:db8::1") == "a known phone again"
    ticks.now += 1.0
    arrivals.remember(office, "2001:db8:0:1::1", "3c22fb000001", "next door")
    assert Arrivals().recall(office, "2001:db8:0:1::1") == "next door"


def test_a_flood_from_everywhere_is_written_in_small_parts_up_to_a_limit(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_visits, "_AT_ALL", 700)
    ticks = Ticks()
    arrivals = Arrivals(ticks)
    found = []
    for second in range(3):
        for number in range(600):
            arrivals.remember(
                office, f"10.{second}.{number >> 8}.{number & 255}", "3c22fb010203", "v"
            )
        ticks.now += 1.0
        found.append(written(office))
    assert found == [1, 501, 700], "one, then what a second may leave, then what the table may hold"


def test_visits_are_kept_and_kept_anew_on_both_kinds_of_database(office_on: Office) -> None:
    now = office_on.clock()
    for text in ("first", "second"):
        some = {(f"192.0.2.{number}", "3c22fb010203"): text for number in range(3)}
        with office_on.database.write() as session:
            open_visits.remember(session, some, now)
    with office_on.database.read() as session:
        assert open_visits.recall(session, "192.0.2.2", now) == {"3c22fb010203": "second"}
