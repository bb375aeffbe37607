"""What live sessions are held to: a good account, open hours, a quota that is not used up.

Looked at every second and cheap while nothing changes. A session that is no longer
entitled gets a request in the outbox (identity.services.dynamic); nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import select

from common.errors import UsageError
from common.logging import get_logger
from db.models import Account, Revision, Role
from identity.domain.access import RoleProfile
from identity.domain.dynamic import Cause
from identity.domain.hours import is_open, parse_hours
from identity.domain.quota import first_day, has_quota, remaining
from identity.office import Office
from identity.services import dynamic, roles, voucher_enforcement
from identity.services.usage import UsageCounter, usage_of

_ACCOUNTS_A_QUERY = 400
_REVISION = select(Revision.number)
LOOK_EVERY = timedelta(seconds=3)
"""How late the end of an account's time may be noticed: five seconds from it to the NAS."""


class Enforcement:
    """Remembers what was looked at last; belongs to one thread."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._zone = ZoneInfo(office.config.site.timezone)
        self._revision: int | None = None
        self._look_at: datetime | None = None
        self._roles: Mapping[int, RoleProfile] = {}
        self._counter = UsageCounter(office)
        self._sheets: dict[int, str] = {}
        """Hours of the voucher sheets that have any."""
        self._counts_vouchers = False
        self._unjudged: set[int] = set()
        """Accounts whose usage or quota has changed."""

    def turn(self) -> dict[str, int]:
        """Look at what may have changed; how many sessions are to end, by counter name.

        Raises:
            BackendUnavailable: the database does not answer; nothing is forgotten.
        """
        now = self._office.clock()
        asked = {}
        ((revision,),) = self._office.database.ask(_REVISION, {})
        if revision != self._revision or self._look_at is None or now >= self._look_at:
            if revision != self._revision:
                self._read_roles()
            asked["entitlement"] = self._end_unentitled(now)
            asked["hours"] = self._close(now)
            self._revision, self._look_at = revision, now + LOOK_EVERY
        asked["quota"] = self._hold_quotas(now)
        return {f"sessions_to_end_by_{why}": number for why, number in asked.items() if number}

    def _read_roles(self) -> None:
        """Read what roles grant; whoever has another quota than before is judged anew."""
        with self._office.database.read() as session:
            found = {role.id: roles.profile(role) for role in session.scalars(select(Role))}
            other = [
                number
                for number, role in found.items()
                if has_quota(role) and self._roles.get(number) != role
            ]
            if other:
                self._unjudged |= dynamic.open_accounts(session, other)
            self._sheets = voucher_enforcement.sheets_with_hours(session)
            self._counts_vouchers = voucher_enforcement.any_counted(session)
            if self._counts_vouchers:
                # A sheet may have been extended, or have other terms than its guests knew.
                self._unjudged |= voucher_enforcement.open_counted_guests(session)
        self._roles = found

    def _end_unentitled(self, now: datetime) -> int:
        if not dynamic.any_unentitled(self._office.database, now):
            return 0
        with self._office.database.write() as session:
            return dynamic.end_unentitled(session, now)

    def _close(self, now: datetime) -> int:
        """End the sessions of roles that are closed now."""
        local = now.astimezone(self._zone)
        closed = [number for number, role in self._roles.items() if _is_closed(role, local)]
        sheets = voucher_enforcement.closed_sheets(self._sheets, local)
        if not closed and not sheets:
            return 0
        with self._office.database.read() as session:
            guests = voucher_enforcement.open_guests(session, sheets) if sheets else set()
            if not guests and not (closed and dynamic.open_accounts(session, closed)):
                return 0
        with self._office.database.write() as session:
            asked = dynamic.end_roles(session, now, closed, Cause.HOURS) if closed else 0
            return asked + dynamic.end_accounts(session, now, guests, Cause.HOURS)

    def _hold_quotas(self, now: datetime) -> int:
        """Count what was used, and end the sessions of those who have nothing left."""
        if not self._counts_vouchers and not any(map(has_quota, self._roles.values())):
            self._counter.rest()
            return 0
        self._unjudged |= self._counter.turn()
        over = self._used_up(now) if self._unjudged else set()
        asked = 0
        if over:
            with self._office.database.write() as session:
                asked = dynamic.end_accounts(session, now, over, Cause.QUOTA)
                if self._counts_vouchers:
                    voucher_enforcement.mark_exhausted(session, over, now.astimezone(self._zone))
        self._unjudged.clear()
        return asked

    def _used_up(self, now: datetime) -> set[int]:
        """Those among the unjudged who have used up a quota."""
        local = now.astimezone(self._zone)
        limited = [number for number, role in self._roles.items() if has_quota(role)]
        with self._office.database.read() as session:
            wanted = sorted(self._unjudged)
            role_of: dict[int, int] = {}
            for start in range(0, len(wanted), _ACCOUNTS_A_QUERY):
                some = wanted[start : start + _ACCOUNTS_A_QUERY]
                for account_id, role_id in session.execute(
                    select(Account.id, Account.role_id).where(
                        Account.id.in_(some), Account.role_id.in_(limited)
                    )
                ):
                    role_of[account_id] = role_id
            used = usage_of(session, role_of, first_day(local.date()))
            guests = (
                voucher_enforcement.used_up(session, wanted, local)
                if self._counts_vouchers
                else set()
            )
        return guests | {
            account_id
            for account_id, role_id in role_of.items()
            if remaining(self._roles[role_id], used.get(account_id, ()), local).exhausted
        }


def _is_closed(role: RoleProfile, local: datetime) -> bool:
    if role.hours is None:
        return False
    try:
        return not is_open(parse_hours(role.hours), local)
    except UsageError as error:
        # Written by hand into the table: logins are refused by it, but nobody is thrown out.
        get_logger(__name__).error("hours_unreadable", role=role.name, error=str(error))
        return False
