"""What a purge takes away, what it never takes, and that it may be cut off anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from common.config import RETENTION_FLOOR_DAYS
from common.errors import Refused
from tests.conftest import Site
from tests.unit.traffic.keeping.chain import NOON, write_at, write_days
from traffic.archive.entries import Entry, present
from traffic.archive.kinds import ADMIN
from traffic.archive.manifest import Manifest
from traffic.archive.seals import make_seal
from traffic.archive.status import archive_status
from traffic.archive.verification import verify_archive
from traffic.keeping.policy import EARLIER_MS, LATER_MS, HoldTerms, Plan, plan_purge
from traffic.keeping.purge import Purger
from traffic.keeping.timeline import DAY_MS, Timeline
from traffic.lookup import leases, nat_logs, service


def plan(archive: Path, day: float, days: int = 90, holds: tuple[HoldTerms, ...] = ()) -> Plan:
    now_ms = NOON + int(day * DAY_MS)
    return Purger(archive, "node").plan(now_ms, days, holds, synchronised=True)


def purge(archive: Path, day: float, days: int = 90, holds: tuple[HoldTerms, ...] = ()) -> int:
    found = plan(archive, day, days, holds)
    Purger(archive, "node").carry_out(found, lambda: NOON + int(day * DAY_MS))
    return len(found.due)


def hold(first: float, last: float, until: float, created: float = 0) -> HoldTerms:
    first_ms, last_ms, until_ms, created_ms = (
        NOON + int(day * DAY_MS) for day in (first, last, until, created)
    )
    return HoldTerms(
        hold_id=1, from_ms=first_ms, to_ms=last_ms, until_ms=until_ms, created_ms=created_ms
    )


def test_what_is_older_than_retention_goes_and_nothing_younger(tmp_path: Path) -> None:
    made = write_days(tmp_path, range(130))
    found = plan(tmp_path, 130, days=120)
    assert [entry.path for entry in found.due] == [entry.path for entry in made[:10]]
    assert purge(tmp_path, 130, days=120) == 10
    assert not any((tmp_path / entry.path).exists() for entry in made[:10])
    assert all((tmp_path / entry.path).exists() for entry in made[10:])
    assert not (tmp_path / made[0].path).parent.parent.exists()


@pytest.mark.parametrize("days", [89, 1, 0, -1, 731, 10_000])
def test_a_number_outside_the_law_purges_nothing_wherever_it_came_from(
    tmp_path: Path, days: int
) -> None:
    write_days(tmp_path, range(100))
    with pytest.raises(Refused, match="between 90 and 730"):
        plan(tmp_path, 100, days=days)


def test_the_last_moment_of_the_ninetieth_day_still_counts(tmp_path: Path) -> None:
    write_days(tmp_path, range(90))
    assert plan(tmp_path, 90).due == ()
    assert len(plan(tmp_path, 90.001).due) == 1
    assert RETENTION_FLOOR_DAYS == 90


def test_late_entries_are_kept_from_their_entry_not_from_their_time(tmp_path: Path) -> None:
    write_days(tmp_path, range(50))
    with_old_stamp = write_days(tmp_path, [50])[0]
    late = write_at(tmp_path, NOON + 51 * DAY_MS, received_at=NOON)
    write_days(tmp_path, range(52, 141))
    due = plan(tmp_path, 140.5).due
    assert with_old_stamp.path in {entry.path for entry in due}
    assert late.path not in {entry.path for entry in due}


def test_a_clock_that_jumps_a_year_ahead_purges_nothing(tmp_path: Path) -> None:
    write_days(tmp_path, range(80))
    assert plan(tmp_path, 80 + 365).due == ()
    # Nor when records and seals were made at the wrong time for a week.
    write_days(tmp_path, [445 + day for day in range(8)])
    assert plan(tmp_path, 453).due == ()


def test_a_clock_ahead_of_the_last_seal_that_nothing_keeps_right_is_refused(
    tmp_path: Path,
) -> None:
    write_days(tmp_path, range(120))
    purger = Purger(tmp_path, "node")
    with pytest.raises(Refused, match="nothing keeps it right"):
        purger.plan(NOON + 122 * DAY_MS, 90, (), synchronised=False)
    assert purger.plan(NOON + 122 * DAY_MS, 90, (), synchronised=True).due
    assert purger.plan(NOON + 120 * DAY_MS, 90, (), synchronised=False).due


def test_records_stamped_by_a_clock_that_was_behind_stay_their_ninety_days(
    tmp_path: Path,
) -> None:
    write_days(tmp_path, range(10))
    wrong = write_at(tmp_path, 1000)
    write_days(tmp_path, range(10, 95))
    assert wrong.path not in {entry.path for entry in plan(tmp_path, 95).due}
    write_days(tmp_path, range(95, 102))
    assert wrong.path in {entry.path for entry in plan(tmp_path, 102).due}


def test_what_administrators_did_is_kept_half_a_year(tmp_path: Path) -> None:
    done = write_at(tmp_path, NOON, ADMIN)
    write_days(tmp_path, range(1, 190))
    assert done.path not in {entry.path for entry in plan(tmp_path, 179).due}
    assert done.path in {entry.path for entry in plan(tmp_path, 181).due}


def test_a_hold_keeps_what_was_received_in_its_period_and_not_more(tmp_path: Path) -> None:
    made = write_days(tmp_path, range(130))
    held = hold(6, 8, until=400)
    found = plan(tmp_path, 130, holds=(held,))
    # Leases of the two days before tell who had an address when it began.
    assert [entry.path for entry in found.held] == [entry.path for entry in made[4:9]]
    assert len(found.due) == 40 - 5
    assert purge(tmp_path, 130, holds=(held,)) == 35
    assert all((tmp_path / entry.path).exists() for entry in made[4:9])


@pytest.mark.parametrize(
    ("kind", "events", "kept"),
    [
        pytest.param("lease", 0, range(4, 9), id="leases-given-before"),
        pytest.param("nat", 0, range(5, 10), id="translations-begun-before-or-ended-after"),
        pytest.param("flow", 3, range(5, 10), id="the-same-told-by-flows"),
        pytest.param("flow", 0, range(6, 9), id="flows"),
        pytest.param("access", 0, range(6, 9), id="logins"),
    ],
)
def test_a_hold_keeps_what_a_look_up_of_its_period_reads(
    kind: str, events: int, kept: range
) -> None:
    lines = []
    for day in range(130):
        at = NOON + day * DAY_MS
        lines.append(
            Entry(
                seq=day + 1,
                kind=kind,
                node="node",
                path=f"{kind}/{day}",
                nat_events=events,
                written_ms=at,
                received_min_ms=at,
                received_max_ms=at,
                active_min_ms=at,
                active_max_ms=at,
            )
        )
    timeline = Timeline(lines, [], NOON + 130 * DAY_MS)
    found = plan_purge(lines, timeline, 90, (hold(6, 8, until=400),))
    assert [entry.path for entry in found.held] == [f"{kind}/{day}" for day in kept]


def test_holds_reach_as_far_as_look_ups() -> None:
    assert EARLIER_MS["lease"] == to_ms(leases.LOOK_BACK)
    assert EARLIER_MS["nat"] == LATER_MS["nat"] == to_ms(nat_logs.LOOK_BACK)
    assert EARLIER_MS["nat"] == to_ms(service.NAT_LOOK_BACK)


def to_ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


def test_two_holds_on_one_record_keep_it_until_both_are_over(tmp_path: Path) -> None:
    made = write_days(tmp_path, range(200))
    short, long = hold(50, 51, until=150), hold(51, 52, until=190, created=20)
    assert made[51].path in {entry.path for entry in plan(tmp_path, 149, holds=(short, long)).held}
    found = plan(tmp_path, 170, holds=(short, long))
    assert made[51].path in {entry.path for entry in found.held}
    assert made[48].path in {entry.path for entry in found.due}
    assert purge(tmp_path, 170, holds=(short, long)) == len(found.due)
    assert purge(tmp_path, 170, holds=(short, long)) == 0
    assert made[51].path in {entry.path for entry in plan(tmp_path, 199, holds=(short, long)).due}


def test_a_hold_that_is_over_lets_go_and_a_jump_of_the_clock_ends_none(tmp_path: Path) -> None:
    write_days(tmp_path, range(200))
    held = hold(0, 3, until=150, created=10)
    assert plan(tmp_path, 149, holds=(held,)).held
    assert not plan(tmp_path, 199, holds=(held,)).held
    long = hold(0, 3, until=500, created=10)
    assert plan(tmp_path, 900, holds=(long,)).held


def test_no_hold_reaches_beyond_two_years_from_the_entry() -> None:
    lines = [
        Entry(
            seq=day + 1,
            kind="lease",
            node="node",
            path=f"lease/{day}",
            written_ms=NOON + day * DAY_MS,
            received_min_ms=NOON + day * DAY_MS,
            received_max_ms=NOON + day * DAY_MS,
        )
        for day in range(760)
    ]
    forever = hold(0, 5, until=10_000)

    def held(day: int) -> int:
        timeline = Timeline(lines[:day], [], NOON + day * DAY_MS)
        return len(plan_purge(lines[:day], timeline, 90, (forever,)).held)

    assert held(729) == 6
    assert held(732) == 3
    assert held(759) == 0


def test_a_purge_keeps_the_chain_verifiable_and_a_deletion_by_hand_does_not(site: Site) -> None:
    archive, keys = site.data_dir / "archive", site.config.keys_dir
    made = write_days(archive, range(120), keys=keys)
    assert purge(archive, 120) == 30
    make_seal(archive, keys, NOON + 120 * DAY_MS)
    assert verify_archive(archive, keys).entries == 121
    (archive / made[60].path).unlink()
    with pytest.raises(Exception, match="is missing"):
        verify_archive(archive, keys)


def test_purging_twice_is_harmless(tmp_path: Path) -> None:
    write_days(tmp_path, range(120))
    assert purge(tmp_path, 120) == 30
    before = Manifest(tmp_path).lines()
    assert purge(tmp_path, 120) == 0
    assert Manifest(tmp_path).lines() == before


def test_files_that_a_crash_left_behind_the_line_are_deleted_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = write_days(tmp_path, range(120))
    purger = Purger(tmp_path, "node")
    with monkeypatch.context() as broken:
        broken.setattr(Purger, "_delete", lambda self, paths: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            purger.carry_out(plan(tmp_path, 120), lambda: NOON + 120 * DAY_MS)
    assert (tmp_path / made[0].path).exists()
    assert made[0] not in present(Manifest(tmp_path).entries())
    assert plan(tmp_path, 120).due == ()
    assert purger.finish() == 30
    assert not (tmp_path / made[0].path).exists()
    assert purger.finish() == 0


def test_a_line_that_names_something_outside_the_archive_deletes_nothing(tmp_path: Path) -> None:
    outside = tmp_path / "precious"
    outside.write_text("x")
    archive = tmp_path / "archive"
    write_days(archive, [0])
    assert Purger(archive, "node")._delete(["../precious", str(outside)]) == 0
    assert outside.exists()


def test_many_segments_are_told_in_several_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traffic.keeping.purge.PATHS_A_LINE", 12)
    write_days(tmp_path, range(120))
    assert purge(tmp_path, 120) == 30
    removals = Purger(tmp_path, "node").removals(0)
    assert [one.segments for one in removals] == [12, 12, 6]
    assert removals[0].kinds == "lease 12"
    assert removals[0].records == 12
    assert (removals[0].from_ms, removals[0].to_ms) == (NOON, NOON + 11 * DAY_MS)


def test_status_tells_of_what_is_there_and_how_much_was_purged(tmp_path: Path) -> None:
    write_days(tmp_path, range(120))
    purge(tmp_path, 120)
    status = archive_status(tmp_path, "UTC")
    assert status["kinds"]["lease"]["segments"] == 90
    assert status["purged_segments"] == 30


def test_each_line_of_a_long_purge_says_when_it_was_written_and_asks_for_holds_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traffic.keeping.purge.PATHS_A_LINE", 12)
    made = write_days(tmp_path, range(120))
    moments = iter(NOON + 120 * DAY_MS + minute * 60_000 for minute in range(0, 100, 10))
    pieces: list[Plan] = []

    def ordered_meanwhile(some: Sequence[Entry]) -> Plan:
        kept = tuple(some) if pieces else ()
        pieces.append(Plan(due=() if kept else tuple(some), held=kept))
        return pieces[-1] if len(pieces) < 3 else Plan(due=tuple(some))

    found = plan(tmp_path, 120)
    done = Purger(tmp_path, "node").carry_out(found, moments.__next__, ordered_meanwhile)
    assert [len(done.due), len(done.held)] == [18, 12]
    assert all((tmp_path / entry.path).exists() for entry in made[12:24])
    lines = [entry for entry in Manifest(tmp_path).entries() if entry.removed]
    assert [line.written_ms - NOON - 120 * DAY_MS for line in lines] == [0, 600_000]
