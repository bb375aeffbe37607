"""Keeps records as long as the law says and no longer: the one door for housekeeper and operator.

Hourly `move`: old rows into the archive. Daily `purge`: segments, rows, and the names of
accounts that nothing needs any more. One at a time on a machine; a crash anywhere is finished
by the next call.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from sqlalchemy import select

from common.config import RETENTION_FLOOR_DAYS
from common.errors import BackendUnavailable, Refused
from db.models import AuditEvent, Hold
from identity.office import Office
from identity.services import audit, forgetting, holds
from traffic.archive.entries import Entry
from traffic.archive.inside import Inside
from traffic.archive.manifest import Manifest
from traffic.collectors.paths import node_name
from traffic.keeping import database_rows, restored
from traffic.keeping.database_rows import Dropped
from traffic.keeping.leftovers import take_away
from traffic.keeping.moving import Moved, Mover
from traffic.keeping.named import accounts_named, naming_accounts
from traffic.keeping.orphans import set_orphans_aside
from traffic.keeping.policy import HoldTerms, Plan, in_force, keep_days, plan_purge
from traffic.keeping.purge import Purger, Removal, check_clock
from traffic.keeping.timeline import DAY_MS, Timeline
from traffic.moments import from_milliseconds, to_milliseconds

ACTOR = "housekeeper"

TOLD_AGAIN = timedelta(days=6)
"""A purge line younger than this must have its audit event; older events have moved away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """What a purge did, or would do."""

    segments: int = 0
    records: int = 0
    octets: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    from_ms: int | None = None
    to_ms: int | None = None
    held_segments: int = 0
    holds: int = 0
    """In force."""
    rows: Dropped = field(default_factory=Dropped)
    accounts: int = 0
    """Anonymised."""
    applications: int = 0
    unlock_requests: int = 0
    """Wishes to unlock names that were deleted."""
    left_over: int = 0
    """Files that an earlier purge was cut off before deleting, and halves of killed processes."""
    told: tuple[Removal, ...] = ()
    """The purge lines that were entered in the audit trail."""


class Keeper:
    """Retention of one site."""

    def __init__(self, office: Office, *, synchronised: bool) -> None:
        """Take the wiring.

        Args:
            synchronised: whether the kernel says that something keeps the clock right.
        """
        self._office = office
        self._synchronised = synchronised
        self.archive = office.config.data_dir / "archive"
        self._purger = Purger(self.archive, node_name())

    def move(self) -> Moved:
        """Move what is older than a week into the archive.

        Raises:
            Refused: another process is at it.
        """
        with self._alone():
            orphans = set_orphans_aside(self.archive, node_name())
            mover = Mover(self._office.database, self.archive, node_name())
            moved = mover.run(self._office.clock())
            moved.orphans = orphans
            return moved

    def purge(self, *, dry_run: bool = False, actor: str = ACTOR) -> Purged:
        """Let go of everything whose time is over.

        Raises:
            Refused: the clock or the number of days cannot be believed, or another process
                is at it. Nothing is let go then.
        """
        with self._alone():
            left_over = 0
            if not dry_run:
                left_over = self._purger.finish()
                left_over += take_away(self._office.config.data_dir, self._office.clock())
            now_ms = to_milliseconds(self._office.clock())
            days = self._office.config.archive.retention_days
            keep_days(days)
            archived, timeline = self._purger.timeline(now_ms)
            check_clock(timeline, synchronised=self._synchronised)
            terms = self._holds()
            plan = plan_purge(archived.present(), timeline, days, terms)
            lines: tuple[Removal, ...] = ()
            if not dry_run:
                plan = self._carry_out(plan, timeline)
                lines = self._tell(actor, now_ms)
            done = self._rows(plan, timeline, days, dry_run)
            found = replace(_sum(plan), rows=done, left_over=left_over, told=lines)
            found = self._forget(found, plan, timeline, dry_run)
            if not dry_run:
                self._tell_rows(found, actor)
            return found

    def reapply(self, copy: Path, *, actor: str = ACTOR) -> Purged:
        """Purge again what was purged since archive and database were backed up.

        Args:
            copy: a later manifest of this archive, from a witness or a newer back-up.

        Raises:
            Refused: it is of another archive, or the number of days cannot be believed.
            ArchiveError: it is damaged.
        """
        with self._alone():
            now_ms = to_milliseconds(self._office.clock())
            days = self._office.config.archive.retention_days
            keep_days(days)
            entries = Manifest(self.archive).entries()
            due, later = restored.purged_since(entries, copy, now_ms)
            # The copy has lived through what the restored chain has not seen.
            timeline = Timeline(later, (), now_ms)
            check_clock(timeline, synchronised=self._synchronised)
            plan = restored.without_held(due, in_force(self._holds(), timeline), timeline)
            plan = self._carry_out(plan, timeline)
            self._tell(actor, now_ms)
            done = self._rows(plan, timeline, days, dry_run=False)
            found = self._forget(replace(_sum(plan), rows=done), plan, timeline, dry_run=False)
            self._tell_rows(found, actor)
            return found

    def _carry_out(self, plan: Plan, timeline: Timeline) -> Plan:
        return self._purger.carry_out(
            plan,
            lambda: to_milliseconds(self._office.clock()),
            lambda some: restored.without_held(some, in_force(self._holds(), timeline), timeline),
        )

    def _rows(self, plan: Plan, timeline: Timeline, days: int, dry_run: bool) -> Dropped:
        edge_ms = timeline.let_go_before(days * DAY_MS, RETENTION_FLOOR_DAYS * DAY_MS)
        if edge_ms is None:
            return Dropped()
        act = database_rows.count_due if dry_run else database_rows.drop_due
        inside = Inside(self._office.config.collector.inside)
        holds = [wide_hold(hold, inside) for hold in plan.holds]
        return act(self._office.database, from_milliseconds(max(edge_ms, 0)), holds)

    def _forget(self, found: Purged, plan: Plan, timeline: Timeline, dry_run: bool) -> Purged:
        floor_ms = RETENTION_FLOOR_DAYS * DAY_MS
        edge_ms = timeline.let_go_before(floor_ms, floor_ms)
        if edge_ms is None:
            return found
        edge, database = from_milliseconds(max(edge_ms, 0)), self._office.database
        entries = naming_accounts(Manifest(self.archive).committed())
        kept = {entry.path for entry in plan.held}
        accounts, passed = 0, set[int]()
        while True:
            with database.read() as session:
                some = set(forgetting.candidates(session, edge, limit=500 + len(passed))) - passed
                needed = forgetting.needed(session, some)
            if not some:
                break
            needed |= accounts_named(
                self.archive, [one for one in entries if one.path not in kept], some - needed
            )
            needed |= self._held_accounts(plan, entries, some - needed)
            passed |= some if dry_run else needed & some
            over = some - needed
            done = len(over)
            if not dry_run:
                with database.write() as session:
                    done = forgetting.forget(session, self._office.clock(), sorted(over))
                if done < len(over):
                    passed |= over  # one that cannot be forgotten must not be asked for ever
            accounts += done
        applications = 0
        if not dry_run:
            with database.write() as session:
                applications = forgetting.forget_applications(session, edge)
        unlocked = 0 if dry_run else self._drop_unlock_requests(plan, timeline)
        return replace(
            found, accounts=accounts, applications=applications, unlock_requests=unlocked
        )

    def _drop_unlock_requests(self, plan: Plan, timeline: Timeline) -> int:
        """Wishes to see names stay as long as the audit trail, and go after it."""
        kept_ms = keep_days(self._office.config.archive.retention_days, "admin") * DAY_MS
        edge_ms = timeline.let_go_before(kept_ms, RETENTION_FLOOR_DAYS * DAY_MS)
        if edge_ms is None:
            return 0
        spared = [
            (from_milliseconds(hold.from_ms), from_milliseconds(hold.to_ms)) for hold in plan.holds
        ]
        with self._office.database.write() as session:
            return forgetting.drop_unlock_requests(
                session, from_milliseconds(max(edge_ms, 0)), spared
            )

    def _held_accounts(self, plan: Plan, entries: Sequence[Entry], among: set[int]) -> set[int]:
        """Those of `among` that a hold is about; a segment it keeps names others as well."""
        found = {hold.account_id for hold in plan.holds if hold.account_id is not None} & among
        wide = [hold for hold in plan.holds if hold.account_id is None]
        if wide:
            kept = {entry.path for entry in plan.held}
            held = [
                entry
                for entry in entries
                if entry.path in kept
                and any(
                    hold.from_ms <= entry.received_max_ms and hold.to_ms >= entry.received_min_ms
                    for hold in wide
                )
            ]
            found |= accounts_named(self.archive, held, among - found)
        return found

    def _holds(self) -> list[HoldTerms]:
        with self._office.database.read() as session:
            return [terms_of(hold) for hold in holds.not_ended(session)]

    def _tell(self, actor: str, now_ms: int) -> tuple[Removal, ...]:
        """Record each purge line in the audit trail, once, also after a crash; the new ones."""
        new: list[Removal] = []
        since_ms = now_ms - int(TOLD_AGAIN.total_seconds() * 1000)
        for removal in self._purger.removals(since_ms):
            target = f"entry {removal.seq}"
            with self._office.database.write() as session:
                told = select(AuditEvent.id).where(
                    AuditEvent.at >= from_milliseconds(since_ms),
                    AuditEvent.action == "archive:purged",
                    AuditEvent.target == target,
                )
                if session.scalar(told.limit(1)) is not None:
                    continue
                audit.record(
                    session,
                    self._office.clock(),
                    actor,
                    "archive:purged",
                    target,
                    **detail_of(removal),
                )
            new.append(removal)
        return tuple(new)

    def _tell_rows(self, found: Purged, actor: str) -> None:
        if not found.rows.total:
            return
        with self._office.database.write() as session:
            audit.record(
                session,
                self._office.clock(),
                actor,
                "database:purged",
                "sessions",
                sessions=found.rows.sessions,
                addresses=found.rows.addresses,
                gaps=found.rows.gaps,
                runs=found.rows.runs,
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.archive.mkdir(mode=0o750, parents=True, exist_ok=True)
        try:
            handle = os.open(
                self.archive / ".keep.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640
            )
        except OSError as error:
            raise BackendUnavailable("archive", str(error)) from error
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Refused(
                    "another process is moving or purging records; try again in a minute"
                ) from error
            yield
        finally:
            os.close(handle)


def wide_hold(hold: HoldTerms, inside: Inside) -> HoldTerms:
    """What of sessions a hold is about: behind an address outside it may have been anybody."""
    if hold.address is None or inside.has(ip_address(hold.address)):
        return hold
    return replace(hold, address=None)


def terms_of(hold: Hold) -> HoldTerms:
    """A row of the database as the value that the policy reasons about."""
    return HoldTerms(
        hold_id=hold.id,
        from_ms=to_milliseconds(hold.from_at),
        to_ms=to_milliseconds(hold.to_at),
        until_ms=to_milliseconds(hold.until_at),
        created_ms=to_milliseconds(hold.created_at),
        account_id=hold.account_id,
        address=hold.address,
    )


def _sum(plan: Plan) -> Purged:
    kinds: dict[str, int] = {}
    for entry in plan.due:
        kinds[entry.kind] = kinds.get(entry.kind, 0) + 1
    return Purged(
        segments=len(plan.due),
        records=sum(entry.records for entry in plan.due),
        octets=sum(entry.octets for entry in plan.due),
        kinds=dict(sorted(kinds.items())),
        from_ms=min((entry.received_min_ms for entry in plan.due), default=None),
        to_ms=max((entry.received_max_ms for entry in plan.due), default=None),
        held_segments=len(plan.held),
        holds=len(plan.holds),
    )


def detail_of(removal: Removal) -> dict[str, str | int]:
    """What audit trail and log tell of a purge line."""
    return {
        "segments": removal.segments,
        "records": removal.records,
        "octets": removal.octets,
        "kinds": removal.kinds,
        "from_at": from_milliseconds(removal.from_ms).isoformat(),
        "to_at": from_milliseconds(removal.to_ms).isoformat(),
        "sha256": removal.digest,
        "line": removal.hash,
    }
