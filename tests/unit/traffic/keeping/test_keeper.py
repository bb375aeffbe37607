# long file: one world, which every question of the timeline is asked of.
"""The retention time machine: a site through months, with its database, archive and people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from sqlalchemy import func, select, update

from common import clock
from common.config import Archive
from common.errors import Refused
from db.append_only import lifted
from db.models import (
    Account,
    AddressInterval,
    AuditEvent,
    AuthEvent,
    Credential,
    Gap,
    Hold,
    NetworkSession,
    Person,
    UnlockRequest,
)
from identity.domain.sessions import CloseCause
from identity.office import Office
from identity.services import audit, holds, people
from tests.conftest import add_person
from tests.unit.traffic.keeping.chain import NOON, write_at
from tests.unit.traffic.keeping.ledger import add, gap, login, packet, session
from traffic.archive.entries import Entry, present
from traffic.archive.kinds import ACCESS, LEASE
from traffic.archive.manifest import Manifest
from traffic.archive.seals import make_seal
from traffic.archive.tables import TableArchive
from traffic.archive.verification import verify_archive
from traffic.keeping.keeper import Keeper, Purged
from traffic.keeping.timeline import DAY_MS
from traffic.lookup.service import run_lookup
from traffic.moments import from_milliseconds, to_milliseconds


@dataclass
class World:
    """A site whose clock the test sets; a segment and a seal a day keep its chain alive."""

    office: Office
    day: float = 0.0
    _tables: TableArchive | None = None

    @property
    def now_ms(self) -> int:
        return NOON + int(self.day * DAY_MS)

    @property
    def archive(self) -> Path:
        return self.office.config.data_dir / "archive"

    def at(self, day: float) -> datetime:
        return from_milliseconds(NOON + int(day * DAY_MS))

    @property
    def keeper(self) -> Keeper:
        return Keeper(self.office, synchronised=True)

    def go_to(self, day: float, *, records: bool = False) -> None:
        """Let the days pass with a line each, or a record each; nobody purges meanwhile."""
        if self._tables is None:
            self._tables = TableArchive(self.archive, "node")
            self.archive.mkdir(exist_ok=True)
        lines = []
        while self.day + 1 <= day:
            self.day += 1
            if records:
                write_at(self._tables, self.now_ms, LEASE)
            else:
                lines.append(Entry(kind="flow", node="node", written_ms=self.now_ms))
        if lines:
            with Manifest(self.archive).locked():
                Manifest(self.archive).append(lines)
        self.day = day

    def write(self, kind: object = ACCESS, **values: object) -> Entry:
        return write_at(self.archive, self.now_ms, ACCESS, **values)

    def move(self) -> None:
        self.keeper.move()

    def purge(self, *, dry_run: bool = False) -> Purged:
        return self.keeper.purge(dry_run=dry_run)

    def count(self, model: type[object]) -> int:
        with self.office.database.read() as reading:
            return reading.scalar(select(func.count()).select_from(model)) or 0

    def account(self, number: int) -> Account:
        with self.office.database.read() as reading:
            return reading.scalars(select(Account).where(Account.id == number)).unique().one()

    def end_account(self, number: int, day: float) -> None:
        with self.office.database.write() as writing:
            writing.execute(
                update(Account)
                .where(Account.id == number)
                .values(state="suspended", ended_at=self.at(day))
            )


@pytest.fixture
def world(office: Office) -> Iterator[World]:
    """A site at noon of its first day, with 90 days of retention."""
    archive = Archive(retention_days=90)
    office = replace(office, config=office.config.model_copy(update={"archive": archive}))
    made = World(office)
    object.__setattr__(made, "office", replace(office, clock=lambda: made.at(made.day)))
    with patch.object(clock, "unix_nanoseconds", lambda: made.now_ms * 1_000_000):
        yield made


def test_a_login_lives_a_week_in_the_database_and_ninety_days_in_the_archive(
    world: World,
) -> None:
    add(world.office.database, login(world.at(0)))
    world.go_to(8)
    add(world.office.database, login(world.at(8)))
    world.move()
    assert world.count(AuthEvent) == 1
    moved = present(Manifest(world.archive).entries(), "access")
    assert [entry.origin for entry in moved] == ["auth_event:1-1"]
    world.go_to(97)
    world.purge()
    assert present(Manifest(world.archive).entries(), "access") == moved
    world.go_to(99)
    assert world.purge().kinds["access"] == 1
    assert not (world.archive / moved[0].path).exists()


def test_the_audit_trail_tells_what_a_purge_took_and_once_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.go_to(100, records=True)
    with monkeypatch.context() as broken:
        broken.setattr(Keeper, "_tell", lambda *_arguments: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.purge()
    assert world.purge().segments == 0
    world.purge()
    with world.office.database.read() as reading:
        told = reading.scalars(
            select(AuditEvent).where(AuditEvent.action == "archive:purged")
        ).all()
    line = Manifest(world.archive).last()
    assert line is not None
    assert [event.target for event in told] == [f"entry {line.seq}"]
    for part in ('"segments": 9', '"kinds": "lease 9"', line.hash, '"sha256": "'):
        assert part in told[0].detail


def test_a_dry_run_says_what_a_purge_then_does_and_changes_nothing(world: World) -> None:
    ended = add_person(world.office, "left")
    world.end_account(ended, 1)
    old = session("k", world.at(1), world.at(1.1), account_id=None)
    add(world.office.database, *old, gap(world.at(1)))
    world.go_to(100, records=True)
    before = Manifest(world.archive).lines()
    said = world.purge(dry_run=True)
    assert Manifest(world.archive).lines() == before
    assert world.account(ended).username == "left"
    assert world.count(NetworkSession) == 1
    done = world.purge()
    assert (said.segments, said.rows, said.accounts) == (done.segments, done.rows, done.accounts)
    assert done.rows.sessions == done.rows.addresses == done.rows.gaps == done.accounts == 1
    assert world.count(NetworkSession) == world.count(AddressInterval) == world.count(Gap) == 0
    assert world.account(ended).username == f"anonymised-{ended}"


def test_purging_twice_changes_nothing_the_second_time(world: World) -> None:
    world.end_account(add_person(world.office, "left"), 1)
    world.go_to(100, records=True)
    assert world.purge().segments == 9
    again = world.purge()
    assert (again.segments, again.rows.total, again.accounts, again.left_over) == (0, 0, 0, 0)


def test_sessions_whose_packets_have_not_moved_stay(world: World) -> None:
    add(world.office.database, *session("k", world.at(0), world.at(0.1)))
    add(world.office.database, packet(world.at(0.1), "k"), packet(world.at(0.2)))
    world.go_to(120)
    assert world.purge().rows.sessions == 0
    add(world.office.database, packet(world.at(120)))
    world.move()
    assert world.purge().rows.sessions == 1


def test_a_jump_of_the_clock_takes_no_row_and_no_name(world: World) -> None:
    left = add_person(world.office, "left")
    world.end_account(left, 1)
    add(world.office.database, *session("k", world.at(1), world.at(1.1)))
    world.go_to(20)
    world.day = 400
    assert world.purge(dry_run=True).segments == 0
    done = world.purge()
    assert (done.segments, done.rows.total, done.accounts) == (0, 0, 0)
    assert world.account(left).username == "left"


def test_a_clock_that_nothing_keeps_right_is_refused_and_nothing_goes(world: World) -> None:
    world.go_to(100, records=True)
    world.day = 105
    with pytest.raises(Refused, match="start NTP"):
        Keeper(world.office, synchronised=False).purge()
    assert present(Manifest(world.archive).entries())[0].seq == 1


@pytest.mark.parametrize("days", [89, 0, -90, 731])
def test_a_configuration_that_got_past_its_checks_purges_nothing(world: World, days: int) -> None:
    world.go_to(100, records=True)
    forged = world.office.config.model_copy(
        update={"archive": Archive().model_copy(update={"retention_days": days})}
    )
    keeper = Keeper(replace(world.office, config=forged), synchronised=True)
    with pytest.raises(Refused, match="between 90 and 730"):
        keeper.purge()
    assert len(present(Manifest(world.archive).entries())) == 100


def test_nothing_written_into_the_database_makes_a_segment_go_earlier(world: World) -> None:
    somebody = add_person(world.office, "somchai")
    world.go_to(10)
    world.write(account_id=somebody, user_name="somchai")
    world.go_to(80, records=True)
    with world.office.database.write() as writing, lifted(writing):
        long_ago = world.at(-4000)
        writing.execute(update(Account).values(ended_at=long_ago, created_at=long_ago))
        writing.execute(update(Account).where(Account.id == somebody).values(state="suspended"))
        writing.execute(update(AuditEvent).values(at=long_ago))
    assert world.purge().segments == 0
    # The archive names the account, so it keeps its name whatever the row says of its end.
    world.go_to(95)
    assert world.purge().accounts == 0
    assert world.account(somebody).username == "somchai"


def test_a_name_goes_with_the_last_record_that_needs_it(world: World) -> None:
    somebody = add_person(world.office, "somchai")
    world.go_to(30)
    world.write(account_id=somebody, user_name="somchai")
    world.end_account(somebody, 5)
    world.go_to(100)
    assert world.purge().accounts == 0
    world.go_to(119)
    assert world.purge().accounts == 0
    world.go_to(122)
    assert world.purge().accounts == 1
    account = world.account(somebody)
    assert account.username == f"anonymised-{somebody}"
    assert account.full_name == ""
    with world.office.database.read() as reading:
        assert reading.get(Credential, somebody) is None
        person = reading.get(Person, account.person_id)
        assert person is not None
        assert (person.full_name, person.contact, person.person_code) == ("", None, None)


def test_an_anonymised_account_is_not_enabled_again_and_its_name_is_free(world: World) -> None:
    somebody = add_person(world.office, "somchai")
    world.end_account(somebody, 0)
    world.go_to(100)
    assert world.purge().accounts == 1
    with pytest.raises(Refused, match="anonymised"), world.office.database.write() as writing:
        people.set_state(writing, world.office, f"anonymised-{somebody}", "active", "head")
    assert add_person(world.office, "somchai") != somebody


def make_hold(world: World, until: float, **scope: str) -> int:
    new = holds.NewHold(
        authority="สภ.เมือง",
        document="ตช 0001/2570",
        from_at=world.at(2),
        to_at=world.at(4),
        until_at=world.at(until),
        reason="คดี 1/2570",
        approved_by="head",
        **scope,
    )
    with world.office.database.write() as writing:
        return holds.make(writing, world.office, new, "command-line").id


def test_a_hold_keeps_segments_sessions_and_the_name_until_it_is_ended(world: World) -> None:
    held, other = add_person(world.office, "held"), add_person(world.office, "other")
    world.go_to(3, records=True)
    world.write(account_id=held, user_name="held")
    world.write(account_id=other, user_name="other")
    add(world.office.database, *session("h", world.at(3), world.at(3.1), account_id=held))
    add(world.office.database, *session("o", world.at(3), world.at(3.1), account_id=other))
    world.end_account(held, 5)
    world.end_account(other, 5)
    number = make_hold(world, until=300, account="held")
    world.go_to(100, records=True)
    done = world.purge()
    assert (done.held_segments, done.rows.sessions, done.accounts) == (6, 1, 1)
    assert world.account(held).username == "held"
    assert world.account(other).username == f"anonymised-{other}"
    assert world.count(NetworkSession) == 1
    with world.office.database.write() as writing:
        holds.end(writing, world.office, number, "the court is done", "head")
    done = world.purge()
    assert (done.segments, done.rows.sessions, done.accounts) == (6, 1, 1)
    assert world.account(held).username == f"anonymised-{held}"


@pytest.mark.parametrize(
    ("address", "kept"), [pytest.param("10.0.0.9", 1), pytest.param("198.51.100.7", 2)]
)
def test_a_hold_on_a_public_address_keeps_whoever_may_have_stood_behind_it(
    world: World, address: str, kept: int
) -> None:
    add_person(world.office, "somchai")
    world.go_to(3, records=True)
    add(world.office.database, *session("a", world.at(3), world.at(3.1)))
    add(world.office.database, *session("b", world.at(3), world.at(3.1), address="10.0.0.10"))
    add(world.office.database, *session("c", world.at(5), world.at(5.1)))
    make_hold(world, until=300, address=address)
    world.go_to(100, records=True)
    assert world.purge().rows.sessions == 3 - kept


def unheard(key: str, begin: datetime, closed_at: datetime, cause: str) -> NetworkSession:
    """A session that was heard of when it began, and closed without a stop."""
    row = session(key, begin, begin)[0]
    assert isinstance(row, NetworkSession)
    row.stop_seen, row.stop_at, row.terminate_cause = 0, None, None
    row.closed_at, row.close_cause = closed_at, cause
    return row


def test_a_hold_keeps_sessions_that_were_last_heard_of_before_its_period(world: World) -> None:
    add_person(world.office, "somchai")
    world.go_to(1, records=True)
    add(
        world.office.database,
        unheard("silent", world.at(1.5), world.at(1.5), CloseCause.SILENT),
        unheard("restarted", world.at(0.5), world.at(3), CloseCause.NAS_RESTARTED),
        unheard("over", world.at(0.5), world.at(0.6), CloseCause.SILENT),
    )
    make_hold(world, until=300)  # days 2 to 4
    world.go_to(100, records=True)
    assert world.purge().rows.sessions == 1
    with world.office.database.read() as reading:
        kept = set(reading.scalars(select(NetworkSession.session_key)))
    assert kept == {"silent", "restarted"}


def test_a_session_stays_ninety_days_from_its_end_not_from_when_it_was_last_heard_of(
    world: World,
) -> None:
    add_person(world.office, "somchai")
    world.go_to(1, records=True)
    add(
        world.office.database,
        unheard("restarted", world.at(1), world.at(20), CloseCause.NAS_RESTARTED),
    )
    world.go_to(100, records=True)
    assert world.purge().rows.sessions == 0
    world.go_to(115, records=True)
    assert world.purge().rows.sessions == 1


def test_who_is_left_by_a_hold_is_not_said_to_be_the_only_one(world: World) -> None:
    held, other = add_person(world.office, "held"), add_person(world.office, "other")
    world.go_to(3, records=True)
    for number in (held, other):
        add(
            world.office.database,
            *session(f"k{number}", world.at(3), world.at(3.1), account_id=number),
        )
    make_hold(world, until=300, account="held")
    asked = {"address": "10.0.0.9", "at": world.at(3.05), "case": "1", "reason": "x"}
    before = run_lookup(world.office.database, world.office.config, asked, "head")
    world.go_to(100, records=True)
    world.purge()
    with asked_on(world, 100):
        after = run_lookup(world.office.database, world.office.config, asked, "head")
    assert (before["outcome"], after["outcome"]) == ("ambiguous", "ambiguous")
    assert [one["account"] for one in after["candidates"]] == ["held"]
    assert "let_go" not in {gap["reason"] for gap in before["gaps"]}
    assert "let_go" in {gap["reason"] for gap in after["gaps"]}


def test_what_was_let_go_does_not_come_back_when_retention_is_raised(world: World) -> None:
    number = add_person(world.office, "somebody")
    world.go_to(3, records=True)
    add(world.office.database, *session("a", world.at(3), world.at(3.1), account_id=number))
    world.go_to(100, records=True)
    assert world.purge().segments
    assert (was_let_go(world, 3.05, 365), was_let_go(world, 60.05, 365)) == (True, False)
    # A hold on everybody keeps what was still there when it was made, and brings nothing back.
    make_hold(world, until=300)
    assert was_let_go(world, 3.05, 365)


def test_rows_that_went_where_no_segment_did_are_told_too(world: World) -> None:
    world.day = 100
    assert not was_let_go(world, 3.05, 90)
    with world.office.database.write() as writing:
        audit.record(writing, world.at(100), "housekeeper", "database:purged", "sessions")
    assert was_let_go(world, 3.05, 90)


@contextmanager
def asked_on(world: World, day: float) -> Iterator[None]:
    """Whoever looks something up meanwhile does so on that day."""
    with (
        patch("traffic.lookup.service.utc_now", lambda: world.at(day)),
        patch("traffic.lookup.question.utc_now", lambda: world.at(day)),
    ):
        yield


def was_let_go(world: World, day: float, retention_days: int) -> bool:
    """Whether an answer about that day says so, on day 100."""
    archive = Archive(retention_days=retention_days)
    config = world.office.config.model_copy(update={"archive": archive})
    asked = {"address": "10.0.0.9", "at": world.at(day), "case": "1", "reason": "x"}
    with asked_on(world, 100):
        answer = run_lookup(world.office.database, config, asked, "head")
    return "let_go" in {gap["reason"] for gap in answer["gaps"]}


@pytest.mark.parametrize(
    ("held", "outcome"),
    [
        pytest.param({}, "single", id="everybody"),
        pytest.param({"address": "10.0.0.9"}, "single", id="the address"),
        pytest.param({"address": "203.0.113.9"}, "single", id="an outside address"),
        pytest.param({"account": "held"}, "ambiguous", id="the account"),
    ],
)
def test_a_hold_that_kept_everybody_leaves_no_doubt(
    world: World, held: dict[str, str], outcome: str
) -> None:
    number = add_person(world.office, "held")
    world.go_to(3, records=True)
    add(world.office.database, *session("a", world.at(3), world.at(3.1), account_id=number))
    make_hold(world, until=300, **held)
    world.go_to(100, records=True)
    assert world.purge().segments
    asked = {"address": "10.0.0.9", "at": world.at(3.05), "case": "1", "reason": "x"}
    with asked_on(world, 100):
        answer = run_lookup(world.office.database, world.office.config, asked, "head")
    assert answer["outcome"] == outcome
    assert ("let_go" in {gap["reason"] for gap in answer["gaps"]}) is (outcome == "ambiguous")


def test_wishes_to_unlock_names_go_with_the_audit_trail(world: World) -> None:
    with world.office.database.write() as writing:
        for state, decided in (("approved", 2), ("waiting", None), ("refused", 60)):
            writing.add(
                UnlockRequest(
                    asked_at=world.at(3),
                    asker="head",
                    kind="person",
                    question='{"name": "somchai"}',
                    case_reference="c",
                    reason="r",
                    state=state,
                    decided_at=None if decided is None else world.at(decided),
                )
            )
    world.go_to(181, records=True)
    assert (world.purge().unlock_requests, world.count(UnlockRequest)) == (0, 3)
    add_person(world.office, "held")
    make_hold(world, until=300, account="held")
    world.go_to(184, records=True)
    assert world.purge().unlock_requests == 0
    with world.office.database.write() as writing:
        number = writing.scalars(select(Hold.id)).one()
        holds.end(writing, world.office, number, "the court is done", "head")
    assert world.purge().unlock_requests == 2
    assert world.count(UnlockRequest) == 1


def test_a_purge_keeps_a_sealed_archive_verifiable(world: World) -> None:
    world.go_to(100, records=True)
    world.purge()
    keys = world.office.config.keys_dir
    make_seal(world.archive, keys, world.now_ms)
    assert verify_archive(world.archive, keys).unsealed == 0
    next(iter(world.archive.rglob("*.parquet"))).unlink()
    with pytest.raises(Exception, match="is missing"):
        verify_archive(world.archive, keys)


def test_two_keepers_do_not_work_at_once(world: World) -> None:
    keeper = world.keeper
    with keeper._alone(), pytest.raises(Refused, match="another process"):
        world.purge()


def test_a_restored_site_loses_again_what_was_purged_since(world: World, tmp_path: Path) -> None:
    left = add_person(world.office, "left")
    world.end_account(left, 1)
    world.go_to(31, records=True)
    world.go_to(60)
    backup = {path: path.read_bytes() for path in world.archive.rglob("*") if path.is_file()}
    world.go_to(120)
    purged = world.purge()
    assert purged.segments == 29
    (tmp_path / "witness.jsonl").write_bytes(Manifest(world.archive).path.read_bytes())
    for path in sorted(world.archive.rglob("*"), reverse=True):
        if path.is_file():
            path.unlink()
    for path, octets in backup.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)
    # By its own chain the restored archive has lived through 61 days: it lets nothing go.
    assert world.purge().segments == 0
    with world.office.database.write() as writing:
        writing.execute(
            update(Account).where(Account.id == left).values(username="left", anonymised_at=None)
        )
    again = world.keeper.reapply(tmp_path / "witness.jsonl")
    assert (again.segments, again.accounts) == (29, 1)
    assert world.account(left).username == f"anonymised-{left}"
    assert world.keeper.reapply(tmp_path / "witness.jsonl").segments == 0
    paths = {entry.path for entry in present(Manifest(world.archive).entries())}
    assert len(paths) == 2
    assert {
        str(one.relative_to(world.archive)) for one in world.archive.rglob("*.parquet")
    } == paths


def test_a_manifest_of_another_archive_purges_nothing(world: World, tmp_path: Path) -> None:
    world.go_to(3, records=True)
    other = tmp_path / "other"
    write_at(other, to_milliseconds(world.at(1) + timedelta(hours=1)))
    with pytest.raises(Refused, match="of this archive"):
        world.keeper.reapply(other / "manifest.jsonl")


def test_a_segment_that_a_crash_left_without_a_line_is_set_aside(world: World) -> None:
    world.go_to(2)
    node = world.keeper._purger._node
    orphan = world.archive / f"access/date=2026-11-18/hour=01/{node}-t000000000099.parquet"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"PAR1")
    world.move()
    assert not orphan.exists()
    assert orphan.with_suffix(".orphan").read_bytes() == b"PAR1"
