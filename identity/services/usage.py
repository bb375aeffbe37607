"""Counts what sessions use, day by day, shortly after each accounting packet.

Follows accounting_event by its number to learn which sessions have something new, and
counts their totals against their marks (identity.domain.quota). Nothing on the way of a
packet waits for this; doing it twice adds nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import delete, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models import AccountingEvent, NetworkSession, UsageDay, Voucher, VoucherBatch
from identity.domain.quota import DayUsage, Mark, Totals, count, first_day
from identity.office import Office

KEPT = timedelta(days=62)
"""This month, the last one, and a mark for every session that is still heard of."""

OVERLAP = timedelta(seconds=15)
"""Numbers are drawn before a commit, and a commit takes ten seconds at most: a smaller
number may become visible later than a greater one."""

CATCH_UP = timedelta(days=2)
"""How far back sessions are looked at after a start; the marks tell what was counted."""

_NEWEST = 2000
"""Numbers that may still be on their way when following begins."""

_CHUNK = 400
_CHUNKS_A_TURN = 10
"""So that a long way back keeps no request to a NAS waiting."""

_LOCK = 0x79755553
"""Any number: the advisory lock that lets one node count at a time."""


@dataclass(slots=True)
class UsageCounter:
    """Where one thread is in following the packets."""

    office: Office
    _passed: deque[tuple[datetime, int]] = field(default_factory=deque)
    _catch_up: tuple[datetime, str] | None = None
    """Sessions first heard after this are still to be looked at."""

    def turn(self) -> set[int]:
        """Count what is new; the accounts that have used something.

        Raises:
            BackendUnavailable: nothing is lost; the next turn counts it.
        """
        now = self.office.clock()
        if not self._passed:
            self._catch_up = (self._first_to_look_at(now), "")
        changed = self._follow(now)
        for _ in range(_CHUNKS_A_TURN):
            if self._catch_up is None:
                break
            changed |= self._look_back(self._catch_up)
        return changed

    def rest(self) -> None:
        """Forget the place: nobody has a quota, and counting begins anew when somebody has."""
        self._passed.clear()
        self._catch_up = None

    def _first_to_look_at(self, now: datetime) -> datetime:
        zone = ZoneInfo(self.office.config.site.timezone)
        first = first_day(now.astimezone(zone).date())
        with self.office.database.read() as session:
            counted = session.scalar(select(UsageDay.session_key).where(UsageDay.day >= first))
        if counted is not None:
            return now - CATCH_UP
        return datetime.combine(first, datetime.min.time(), zone) - CATCH_UP

    def _follow(self, now: datetime) -> set[int]:
        """Sessions that packets have come about since the last turn."""
        with self.office.database.read() as session:
            newest = session.scalar(select(func.max(AccountingEvent.id))) or 0
            low = self._passed[0][1] if self._passed else newest - _NEWEST
            keys = session.scalars(
                select(AccountingEvent.session_key)
                .where(
                    AccountingEvent.id > low,
                    AccountingEvent.id <= newest,
                    AccountingEvent.session_key.is_not(None),
                )
                .distinct()
            ).all()
        wanted = [key for key in keys if key is not None]
        changed: set[int] = set()
        for start in range(0, len(wanted), _CHUNK):
            changed |= self._count(wanted[start : start + _CHUNK])
        self._passed.append((now, newest))
        overlap = timedelta(0) if self.office.database.is_sqlite else OVERLAP
        while len(self._passed) > 1 and self._passed[1][0] <= now - overlap:
            self._passed.popleft()
        return changed

    def _look_back(self, after: tuple[datetime, str]) -> set[int]:
        """One chunk of the sessions that packets may have come about while nobody counted."""
        place = (NetworkSession.first_heard_at, NetworkSession.session_key)
        with self.office.database.read() as session:
            rows = session.execute(
                select(*place)
                .where(
                    (NetworkSession.first_heard_at > after[0])
                    | (
                        (NetworkSession.first_heard_at == after[0])
                        & (NetworkSession.session_key > after[1])
                    )
                )
                .order_by(*place)
                .limit(_CHUNK)
            ).all()
            if after[1] == "":
                # Those that began earlier and are still open.
                rows_open = session.execute(
                    select(*place).where(
                        NetworkSession.stop_seen == 0,
                        NetworkSession.closed_at.is_(None),
                        NetworkSession.first_heard_at <= after[0],
                    )
                ).all()
            else:
                rows_open = []
        keys = [row.session_key for row in (*rows_open, *rows)]
        changed: set[int] = set()
        for start in range(0, len(keys), _CHUNK):
            changed |= self._count(keys[start : start + _CHUNK])
        last = rows[-1] if len(rows) == _CHUNK else None
        self._catch_up = (last.first_heard_at, last.session_key) if last else None
        return changed

    def _count(self, keys: Sequence[str]) -> set[int]:
        zone = ZoneInfo(self.office.config.site.timezone)
        with self.office.database.read() as session:
            due = count_sessions(session, keys, zone)
        if not due.rows and not due.moved:
            return set()
        with self.office.database.write() as session:
            if not self.office.database.is_sqlite:
                locked = session.scalar(
                    text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _LOCK}
                )
                if not locked:
                    return set()  # another node counts the same at this moment
            # Again, now that nobody else can write.
            due = count_sessions(session, keys, zone)
            write(session, due)
        return due.accounts


@dataclass(frozen=True, slots=True)
class Due:
    """What counting some sessions comes to."""

    rows: Sequence[dict[str, Any]]
    moved: Sequence[tuple[str, int]]
    """Sessions whose owner turned out to be another account: key and owner."""

    @property
    def accounts(self) -> set[int]:
        """Whose usage changes."""
        return {row["account_id"] for row in self.rows} | {owner for _, owner in self.moved}


def count_sessions(session: Session, keys: Collection[str], zone: ZoneInfo) -> Due:
    """What has to be written so that these sessions are counted as they are now."""
    found = session.execute(
        select(
            NetworkSession.session_key,
            NetworkSession.account_id,
            NetworkSession.started_at,
            NetworkSession.last_heard_at,
            NetworkSession.session_seconds,
            NetworkSession.input_octets,
            NetworkSession.output_octets,
        ).where(NetworkSession.session_key.in_(keys), NetworkSession.account_id.is_not(None))
    ).all()
    marks, owners = _marks(session, [row.session_key for row in found])
    rows: list[dict[str, Any]] = []
    moved = []
    for row in found:
        before = marks.get(row.session_key)
        if owners.get(row.session_key, row.account_id) != row.account_id:
            moved.append((row.session_key, row.account_id))
        after, days = count(
            before,
            Totals(
                octets=row.input_octets + row.output_octets,
                session_seconds=row.session_seconds,
                started_at=row.started_at,
                last_heard_at=row.last_heard_at,
            ),
            zone,
        )
        if before is not None and (after.octets, after.seconds) == (before.octets, before.seconds):
            continue
        rows += [_as_row(row.session_key, row.account_id, day, after) for day in days]
    return Due(rows, moved)


def write(session: Session, due: Due) -> None:
    """Add what is due to the days it belongs to."""
    for key, owner in due.moved:
        session.execute(
            update(UsageDay)
            .where(UsageDay.session_key == key)
            .values(account_id=owner)
            .execution_options(synchronize_session=False)
        )
    if not due.rows:
        return
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    insert: Any = postgresql.insert if on_postgresql else sqlite.insert
    statement = insert(UsageDay)
    new = statement.excluded
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[UsageDay.session_key, UsageDay.day],
            set_={
                "octets": UsageDay.octets + new.octets,
                "seconds": UsageDay.seconds + new.seconds,
                "counted_octets": new.counted_octets,
                "counted_seconds": new.counted_seconds,
                "counted_until": new.counted_until,
            },
        ),
        due.rows,
    )


def usage_of(
    session: Session, account_ids: Collection[int], since: date
) -> dict[int, tuple[DayUsage, ...]]:
    """What each of these accounts has used, by day; those that used nothing are absent."""
    found: dict[int, list[DayUsage]] = {}
    numbers = sorted(account_ids)
    for start in range(0, len(numbers), _CHUNK):
        rows = session.execute(
            select(
                UsageDay.account_id,
                UsageDay.day,
                func.sum(UsageDay.octets),
                func.sum(UsageDay.seconds),
            )
            .where(UsageDay.account_id.in_(numbers[start : start + _CHUNK]), UsageDay.day >= since)
            .group_by(UsageDay.account_id, UsageDay.day)
        )
        for account_id, day, octets, seconds in rows:
            found.setdefault(account_id, []).append(DayUsage(day, int(octets), int(seconds)))
    return {account_id: tuple(days) for account_id, days in found.items()}


def drop_usage(session: Session, today: date) -> int:
    """Delete days that no quota looks at any more; how many rows there were.

    A voucher's quota is for its whole life: its days stay while it may still be used.
    """
    counted = (
        select(Voucher.account_id)
        .join(VoucherBatch, VoucherBatch.id == Voucher.batch_id)
        .where(
            Voucher.account_id.is_not(None),
            Voucher.state == "active",
            Voucher.expires_at >= datetime.combine(today, time(), UTC),
            or_(VoucherBatch.quota_mb.is_not(None), VoucherBatch.validity == "minutes_of_use"),
        )
    )
    result: Any = session.execute(
        delete(UsageDay).where(UsageDay.day < today - KEPT, UsageDay.account_id.not_in(counted))
    )
    return int(result.rowcount)


def _marks(session: Session, keys: Sequence[str]) -> tuple[dict[str, Mark], dict[str, int]]:
    """The mark of each session that has one, and whom it was counted for."""
    marks: dict[str, Mark] = {}
    owners: dict[str, int] = {}
    rows = session.execute(
        select(
            UsageDay.session_key,
            UsageDay.account_id,
            UsageDay.counted_octets,
            UsageDay.counted_seconds,
            UsageDay.counted_until,
        )
        .where(UsageDay.session_key.in_(keys))
        .order_by(UsageDay.day)
    )
    for row in rows:  # the last day's remains
        marks[row.session_key] = Mark(
            octets=row.counted_octets, seconds=row.counted_seconds, until=row.counted_until
        )
        owners[row.session_key] = row.account_id
    return marks, owners


def _as_row(key: str, account_id: int, used: DayUsage, mark: Mark) -> dict[str, Any]:
    return {
        "session_key": key,
        "day": used.day,
        "account_id": account_id,
        "octets": used.octets,
        "seconds": used.seconds,
        "counted_octets": mark.octets,
        "counted_seconds": mark.seconds,
        "counted_until": mark.until,
    }
