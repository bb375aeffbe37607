"""Visits that wait for the database a second at most, and are found before that."""

from __future__ import annotations

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
    with office.database.write() as session:
        for number in range(100):
            open_visits.remember(session, "192.0.2.1", f"3c22fb{number:06x}", "visit", now)
    assert written(office) == 64
