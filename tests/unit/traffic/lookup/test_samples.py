"""A gateway that lists its translations now and then cannot say that nobody was there."""

from __future__ import annotations

from datetime import timedelta

from db.engine import Database
from tests.conftest import Site
from tests.unit.traffic.lookup.test_logged import archive_lines, names
from tests.unit.traffic.lookup.test_logged import site as site
from tests.unit.traffic.lookup.test_service import PUBLIC, SENT, add_session, ask
from tests.unit.traffic.lookup.test_service import database as database
from tests.vectors.syslog.spools import conntrack

STATE = (
    "<134>pfstate: igb0 tcp 198.51.100.7:50000 (10.1.2.3:40000) -> 203.0.113.9:443 "
    "ESTABLISHED:ESTABLISHED age 00:00:20"
)


def test_between_two_lists_it_is_a_gap_and_not_nobody(site: Site, database: Database) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -9000, 9000)
    archive_lines(site, (0, STATE), (60, STATE.replace("00:00:20", "00:01:20")))
    for after, port, outcome in ((-10, 50_000, "single"), (30, 50_000, "single"),
                                 (30, 50_001, "gap"), (100, 50_000, "gap")):  # fmt: skip
        found = ask(site, database, PUBLIC, port=port, at=SENT + timedelta(seconds=after))
        assert found["outcome"] == outcome, (after, port, found)
        assert [gap["reason"] for gap in found["gaps"]] == ["sampled"]
        assert found["gaps"][0]["source"] == "syslog 10.0.0.1 nat"
        assert names(found) == ["somchai"] * (outcome == "single")


def test_a_list_of_a_quiet_moment_leaves_no_trace_so_nobody_is_a_gap_for_two_days(
    site: Site, database: Database
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -9000, 9000)
    archive_lines(site, (0, STATE))
    for hours, told in ((-0.2, True), (-1, False), (2, True), (47, True), (49, False)):
        found = ask(site, database, PUBLIC, port=50_000, at=SENT + timedelta(hours=hours))
        reasons = [gap["reason"] for gap in found["gaps"]]
        assert ("sampled" in reasons) is told, hours
        if "not_running" not in reasons:
            assert found["outcome"] == ("gap" if told else "none"), hours


def test_of_addresses_that_no_list_has_nothing_is_said(site: Site, database: Database) -> None:
    archive_lines(site, (0, STATE))
    other = ask(site, database, "198.51.100.8", port=50_000)
    assert (other["outcome"], other["gaps"]) == ("none", [])


def test_a_gateway_that_tells_of_beginnings_and_ends_can_say_nobody(
    site: Site, database: Database
) -> None:
    add_session(database, "k1", "somchai", "10.1.2.3", -9000, 9000)
    archive_lines(site, (-5, conntrack("NEW")), (5, conntrack("DESTROY")))
    assert ask(site, database, PUBLIC, port=50_001)["outcome"] == "none"
