"""Samples in the archive: what the status, doctor and look-ups make of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from db.engine import Database
from db.models import AccountingEvent, NasClient
from identity.office import Office
from tests.conftest import Site
from traffic.archive.index import ManifestIndex
from traffic.clock.equipment import EquipmentState, find_equipment_clocks, host_of, judge
from traffic.clock.history import measured_error, read_status
from traffic.clock.judgement import State, Verdict
from traffic.clock.ntp import Measurement
from traffic.clock.sampling import Sample, store_sample, store_step, take_sample
from traffic.clock.steps import StepWatch
from traffic.lookup.attribution import Window
from traffic.lookup.clock_error import find_clock_error, in_milliseconds
from traffic.lookup.service import run_lookup
from yuenyan.checkup.clocks import check_clocks
from yuenyan.processes.clock_keeper import ClockKeeper

NOW = datetime(2026, 11, 28, 5, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def database(site: Site) -> Iterator[Database]:
    opened = Database(site.config.database_url)
    yield opened
    opened.dispose()


def right(offset_us: int = 300, error_us: int = 2_000) -> Verdict:
    return Verdict(
        state=State.SYNCHRONISED, method="chrony", source="ntp.test", offset_us=offset_us,
        error_us=error_us, stratum=2, root_distance_us=900, believed=("ntp.test",),
    )  # fmt: skip


def sample(own: Verdict, at: datetime = NOW) -> Sample:
    return Sample(at=at, own=own, servers={})


def test_without_a_sample_nothing_is_claimed(site: Site) -> None:
    found = read_status(site.config, NOW)
    assert (found.proven, found.alarm) == (False, "never_measured")


def test_a_fresh_good_sample_proves_the_clock_and_an_old_one_does_not(site: Site) -> None:
    store_sample(site.config, "node", sample(right()))
    assert read_status(site.config, NOW + HOUR).proven
    late = read_status(site.config, NOW + 3 * HOUR)
    assert (late.proven, late.alarm) == (False, "not_measured_lately")
    assert late.own == right()


def test_offset_and_error_beyond_ten_milliseconds_are_an_alarm(site: Site) -> None:
    store_sample(site.config, "node", sample(right(8_000, 2_001)))
    found = read_status(site.config, NOW)
    assert (found.proven, found.alarm) == (False, "beyond_limit")


def test_the_local_clock_alone_is_never_claimed_to_be_right(site: Site) -> None:
    own = Verdict(state=State.UNSYNCHRONISED, method="chrony", reason="local_clock", stratum=10)
    store_sample(site.config, "node", sample(own))
    found = read_status(site.config, NOW)
    assert (found.proven, found.alarm) == (False, "local_clock")


def test_every_server_of_a_sample_is_kept_with_what_it_said_or_why_not(site: Site) -> None:
    own = right()
    told = Measurement(
        offset_us=5, error_us=9, delay_us=8, root_distance_us=3, stratum=1, reference="GNSS"
    )
    store_sample(
        site.config,
        "node",
        Sample(
            at=NOW,
            own=Verdict(
                state=own.state, method="sntp", offset_us=1, error_us=2,
                others={"b": "kiss_of_death:RATE"},
            ),
            servers={"a": told},
        ),
    )  # fmt: skip
    servers = {one["source"]: one for one in read_status(site.config, NOW).servers}
    assert servers["a"]["offset_us"] == 5 and servers["a"]["delay_us"] == 8
    assert servers["b"]["reason"] == "kiss_of_death:RATE"


def test_nobody_to_ask_is_said_and_stored(site: Site, database: Database) -> None:
    taken = take_sample(site.config.clock, database, NOW)
    assert (taken.own.state, taken.own.reason) == (State.UNREACHABLE, "nobody_to_ask")


def error_at(site: Site, at: datetime) -> int:
    index = ManifestIndex(site.data_dir / "archive")
    return in_milliseconds(find_clock_error(site.config, index, Window(at, at)))


def test_a_look_up_is_widened_by_what_was_measured_around_its_time(site: Site) -> None:
    assert error_at(site, NOW) == 1000
    store_sample(site.config, "node", sample(right(2_500_000, 400_100)))
    assert error_at(site, NOW + HOUR) == 1000 + 2901
    assert error_at(site, NOW - 3 * HOUR) == 1000
    assert error_at(site, NOW + 3 * HOUR) == 1000


def test_the_worst_sample_around_counts_and_a_step_on_top_of_it(site: Site) -> None:
    store_sample(site.config, "node", sample(right(1_000, 1_000)))
    store_sample(site.config, "node", sample(right(-30_000, 5_000), NOW + HOUR))
    store_step(site.config, "node", NOW + HOUR / 2, -7_000_000)
    index = ManifestIndex(site.data_dir / "archive")
    assert measured_error(site.config, index, NOW, NOW) == timedelta(microseconds=7_035_000)


def test_a_step_counts_as_far_back_and_forth_as_no_good_sample_stands_between(site: Site) -> None:
    store_step(site.config, "node", NOW, 3_600_000_000)
    assert error_at(site, NOW - 5 * HOUR) == error_at(site, NOW + 5 * HOUR) == 3_601_000
    assert error_at(site, NOW - 200 * HOUR) == 1000
    store_sample(site.config, "node", sample(right(0, 0), NOW + 2 * HOUR))
    store_sample(site.config, "node", sample(right(0, 0), NOW - 2 * HOUR))
    assert error_at(site, NOW + 5 * HOUR) == error_at(site, NOW - 5 * HOUR) == 1000
    assert error_at(site, NOW + HOUR) == 3_601_000
    nothing = Verdict(state=State.UNREACHABLE, method="sntp", reason="no_server_answered")
    store_step(site.config, "node", NOW + 20 * HOUR, -40_000_000)
    store_sample(site.config, "node", sample(nothing, NOW + 17 * HOUR))
    assert error_at(site, NOW + 16 * HOUR) == 41_000


def test_lookup_tells_the_measured_error_in_its_answer(site: Site, database: Database) -> None:
    at = datetime.now(UTC)
    store_sample(site.config, "node", sample(right(500_000, 10_000), at))
    asked = {"address": "10.0.0.9", "at": at.isoformat(), "case": "1", "reason": "test"}
    assert run_lookup(database, site.config, asked, "test")["clock_error_ms"] == 1510


def event(number: int, source: str, ahead_ms: int | None, at: datetime = NOW) -> AccountingEvent:
    told = None
    if ahead_ms is not None:
        told = (at + timedelta(milliseconds=ahead_ms)).replace(microsecond=0)
    return AccountingEvent(
        received_at=at, nas_client_id=number, source=source, status_type=3, octets=b"",
        event_timestamp=told,
    )  # fmt: skip


def test_equipment_is_judged_by_its_best_packet_and_never_proven(office: Office) -> None:
    with office.database.write() as session:
        for name, prefix in (("fast", "10.1.0.1/32"), ("slow", "10.1.0.2/32")):
            session.add(NasClient(name=name, prefix=prefix, secret_encrypted=b"", created_at=NOW))
        session.flush()
        session.add_all(
            [
                event(1, "10.1.0.1:1646", 90_000),
                event(1, "10.1.0.1:1646", 60_000),
                event(2, "10.1.0.2:1646", -30_000),
                event(2, "10.1.0.3:1646", -200),
                event(2, "10.1.0.3:1646", -45_000),
                event(2, "10.1.0.4:1646", None),
                event(2, "10.1.0.5:1646", 5_000, NOW - 2 * HOUR),
            ]
        )
    with office.database.read() as session:
        found = {one.source: one for one in find_equipment_clocks(session, NOW)}
    assert {source: one.state for source, one in found.items()} == {
        "10.1.0.1": EquipmentState.AHEAD,
        "10.1.0.2": EquipmentState.BEHIND,
        "10.1.0.3": EquipmentState.NOT_PROVEN,
        "10.1.0.4": EquipmentState.SILENT,
    }
    assert found["10.1.0.1"].name == "fast"
    # One-second timestamps can never prove ten milliseconds.
    assert all((one.error_us or 1e9) > 10_000 for one in found.values())


def test_the_true_clock_of_equipment_lies_within_its_bound() -> None:
    for theirs_ahead_us in range(-3_000_000, 3_000_001, 250_001):
        seen = [
            timedelta(microseconds=(theirs_ahead_us + part) // 1_000_000 * 1_000_000 - part - late)
            for part in range(0, 1_000_000, 90_001)
            for late in (2_000, 40_000)
        ]
        found = judge("ap", "10.0.0.1", seen, len(seen))
        assert found.offset_us is not None and found.error_us is not None
        assert abs(-theirs_ahead_us - found.offset_us) <= found.error_us


@pytest.mark.parametrize(
    ("source", "host"),
    [("10.0.0.1:1646", "10.0.0.1"), ("[fd00::1]:1646", "fd00::1"), ("fd00::1", "fd00::1")],
)
def test_the_host_of_a_source_is_its_address_without_the_port(source: str, host: str) -> None:
    assert host_of(source) == host


def test_doctor_lists_equipment_that_is_not_proven_with_the_honest_sentence(
    site: Site, office: Office
) -> None:
    # In the middle of a second: near its end the whole second that it tells would be ahead.
    now = datetime.now(UTC).replace(microsecond=500_000)
    with office.database.write() as session:
        session.add(event(7, "10.1.0.1:1646", 200, now))
    with office.database.read() as session:
        seen = tuple(find_equipment_clocks(session, now))
    store_sample(site.config, "node", Sample(at=now, own=right(), servers={}, equipment=seen))
    said = {one.check: one for one in check_clocks(site.config)}
    assert said["clock samples"].level == "ok"
    assert "nas-7 (not_proven)" in said["equipment clocks"].what
    assert "cannot prove that it is right to 10 ms" in said["equipment clocks"].what


def test_the_housekeeper_samples_each_hour_and_at_once_after_a_step(site: Site) -> None:
    opened = Office.open(site.config)
    at = [NOW]
    clocked = Office(
        config=opened.config, database=opened.database, vault=opened.vault,
        passwords=opened.passwords, clock=lambda: at[0],
    )  # fmt: skip
    reading = [(0, 0)]
    keeper = ClockKeeper(clocked, StepWatch(lambda: reading[0]))

    def look_after(minutes: int, stepped_ns: int = 0) -> int:
        at[0] += timedelta(minutes=minutes)
        wall, steady = reading[0]
        passed = minutes * 60_000_000_000
        reading[0] = (wall + passed + stepped_ns, steady + passed)
        return keeper.look()

    assert [look_after(0), look_after(1), look_after(58), look_after(2)] == [1, 0, 0, 1]
    assert look_after(1, stepped_ns=3_000_000_000) == 2
    assert [step for _, step in read_status(site.config, at[0]).steps] == [3_000_000]
    opened.database.dispose()


def test_a_step_is_stored_as_one_and_shown(site: Site) -> None:
    store_sample(site.config, "node", sample(right(), NOW))
    store_step(site.config, "node", NOW - timedelta(minutes=5), 3_600_000_000)
    found = read_status(site.config, NOW)
    assert found.steps == ((NOW - timedelta(minutes=5), 3_600_000_000),)
    assert found.proven


def test_clock_status_exits_with_one_until_the_clock_is_proven(site: Site) -> None:
    before = site.yuenyan("clock", "status", "--json")
    assert before.exit_code == 1
    assert json.loads(before.stdout)["proven_within_limit"] is False
    store_sample(site.config, "node", sample(right(), datetime.now(UTC)))
    after = site.yuenyan("clock", "status", "--json")
    assert after.exit_code == 0
    tree = json.loads(after.stdout)
    assert (tree["proven_within_limit"], tree["bound_us"], tree["stratum"]) == (True, 2300, 2)


def test_clock_sample_measures_stores_and_shows(site: Site) -> None:
    result = site.yuenyan("clock", "sample")
    assert result.exit_code == 1
    assert "nobody to ask" in result.stdout
    assert read_status(site.config, datetime.now(UTC)).alarm == "nobody_to_ask"
