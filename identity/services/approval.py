"""What an approver may grant: to whom, by organisation, and which roles.

An administrator may grant everything. An approver to whom nobody gave more may let guests of
the own organisation in, and applicants of whom nobody knows where they are; teachers and
pupils come from the roster. An administrator can widen that for each approver.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, delete, or_, select, true
from sqlalchemy.orm import Session

from common.errors import Refused, UsageError
from db.models import Account, ApproverRole, ApproverScope, Registration, Role, VoucherBatch
from identity.domain.levels import Level
from identity.domain.registering import PROVISIONAL_ROLE
from identity.office import Office
from identity.services import audit, officers, people, roles
from identity.services.reach import reach_of

_LIMITED = {Level.APPROVER, Level.SCHOOL, Level.VOUCHER_DESK}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What somebody may grant. `organisation_id` None is everywhere; `roles` None is any."""

    organisation_id: int | None
    roles: frozenset[str] | None
    is_default: bool = False

    def may_grant(self, role: str) -> bool:
        """Whether a role of this name is theirs to give."""
        return self.roles is None or role in self.roles

    def covers(self, organisation_id: int | None) -> bool:
        """Whether an applicant of this organisation, or of an unknown one, is theirs."""
        return self.organisation_id is None or organisation_id in (None, self.organisation_id)

    def registrations(self) -> ColumnElement[bool]:
        """Holds for the applications that are theirs."""
        if self.organisation_id is None:
            return true()
        return or_(
            Registration.organisation_id.is_(None),
            Registration.organisation_id == self.organisation_id,
        )


def scope_of(session: Session, account: Account) -> Scope:
    """What this officer may grant."""
    levels = officers.levels_of(session, account.id)
    if Level.ADMIN in levels and not reach_of(session, account).is_whole:
        return Scope(organisation_id=account.organisation_id, roles=None)
    if Level.ADMIN in levels or not _LIMITED & set(levels):
        # An administrator; or whoever an operator at the console names as answerable.
        return Scope(organisation_id=None, roles=None)
    chosen = session.get(ApproverScope, account.id)
    if chosen is None:
        guests = session.scalars(select(Role.name).where(Role.for_guests))
        return Scope(
            organisation_id=account.organisation_id, roles=frozenset(guests), is_default=True
        )
    names = session.scalars(
        select(Role.name)
        .join(ApproverRole, ApproverRole.role_id == Role.id)
        .where(ApproverRole.account_id == account.id)
    )
    return Scope(
        organisation_id=None if chosen.everywhere else account.organisation_id,
        roles=frozenset(names),
    )


def refuse_role(session: Session, account: Account, role: str) -> None:
    """Raise Refused when this officer may not grant the role."""
    if not scope_of(session, account).may_grant(role):
        raise Refused(
            f"{account.username} may not grant the role {role!r}; an administrator can allow it:"
            f" yuenyan user approver {account.username} --role {role}"
        )


def refuse_registration(session: Session, account: Account, registration: Registration) -> None:
    """Raise Refused when another organisation's approvers decide this application."""
    if not scope_of(session, account).covers(registration.organisation_id):
        raise Refused(f"registration {registration.reference} belongs to another organisation")


def refuse_vouchers(session: Session, account: Account, batch: VoucherBatch) -> None:
    """Raise Refused when these vouchers are not this officer's to print or to revoke.

    Whoever holds a code can give its role away, so it takes what issuing takes. What an
    organisation has not issued, the area office's own sheets among it, is not its approvers'.
    """
    refuse_role(session, account, batch.role.name)
    scope = scope_of(session, account)
    if scope.organisation_id is None or batch.issuer_id == account.id:
        return
    issuer = session.get_one(Account, batch.issuer_id)
    if issuer.organisation_id != scope.organisation_id:
        raise Refused(
            f"the vouchers of sheet {batch.id} were issued elsewhere than in the organisation of"
            f" {account.username}; an administrator can print and revoke them"
        )


def set_scope(
    session: Session,
    office: Office,
    name: str,
    granted: Collection[str],
    everywhere: bool,
    actor: str,
) -> None:
    """Let an approver grant exactly these roles, in the own organisation or everywhere.

    Raises:
        NotFound: no such account or role.
        Refused: the account is no approver.
        UsageError: a device's role is among them.
    """
    account = get_approver(session, name)
    wanted = {role: roles.get(session, role).id for role in granted}
    if "device" in wanted:
        raise UsageError("devices are added by name, not approved; leave the role 'device' out")
    chosen = session.get(ApproverScope, account.id)
    if chosen is None:
        session.add(ApproverScope(account_id=account.id, everywhere=everywhere))
    else:
        chosen.everywhere = everywhere
    _drop_roles(session, account)
    session.add_all(
        ApproverRole(account_id=account.id, role_id=number) for number in wanted.values()
    )
    audit.record(
        session,
        office.clock(),
        actor,
        "account:approver_scope",
        account.username,
        roles=", ".join(sorted(wanted)),
        everywhere=everywhere,
    )


def reset_scope(session: Session, office: Office, name: str, actor: str) -> None:
    """Let an approver grant again what one may to whom nobody gave more."""
    account = get_approver(session, name)
    chosen = session.get(ApproverScope, account.id)
    if chosen is not None:
        session.delete(chosen)
    _drop_roles(session, account)
    audit.record(
        session, office.clock(), actor, "account:approver_scope", account.username, roles="guests"
    )


def grantable(session: Session, account: Account) -> Sequence[str]:
    """The roles this officer may grant to people, by name."""
    scope = scope_of(session, account)
    names = session.scalars(
        select(Role.name).where(Role.name.not_in(("device", PROVISIONAL_ROLE))).order_by(Role.name)
    )
    return [name for name in names if scope.may_grant(name)]


def get_approver(session: Session, name: str) -> Account:
    """The account of an approver.

    Raises:
        NotFound: there is no such account.
        Refused: it is no approver.
    """
    account = people.get(session, name)
    levels = officers.levels_of(session, account.id)
    if Level.ADMIN in levels or not _LIMITED & set(levels):
        more = "; administrators may grant every role" if Level.ADMIN in levels else ""
        raise Refused(f"{account.username} is no approver{more}")
    return account


def _drop_roles(session: Session, account: Account) -> None:
    session.execute(delete(ApproverRole).where(ApproverRole.account_id == account.id))
    session.flush()
