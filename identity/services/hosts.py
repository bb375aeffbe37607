"""Hosts: who may receive guests, and where letters reach them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from db.models import Account, Person, RoleRegistration
from identity.domain.contacts import find_mailbox
from identity.domain.levels import Level
from identity.office import Office
from identity.services import officers, people, registration_ways

_WHO_RECEIVES = {Level.ADMIN, Level.APPROVER, Level.SCHOOL}


def find_host(session: Session, office: Office, text: str) -> Account | None:
    """Who is meant by a user name or mailbox, if that is one person who may receive guests."""
    wanted = text.strip()
    account = people.find(session, wanted) if wanted else None
    mailbox = find_mailbox(wanted)
    if account is None and mailbox is not None:
        found = session.scalars(
            select(Account)
            .outerjoin(Person, Account.person_id == Person.id)
            .where(
                Account.kind == "person",
                Account.state == "active",
                or_(
                    func.lower(Account.contact) == mailbox.lower(),
                    func.lower(Person.contact) == mailbox.lower(),
                ),
            )
            .limit(2)
        ).all()
        # Of two with one mailbox neither is certain.
        account = found[0] if len(found) == 1 else None
    if account is None or not may_receive(session, account, office.clock()):
        return None
    return account


def may_receive(session: Session, account: Account, now: datetime) -> bool:
    """Whether this account's person may receive guests at the moment."""
    if not registration_ways.is_present(account, now):
        return False
    row = session.get(RoleRegistration, account.role_id)
    if row is not None and row.may_sponsor:
        return True
    return bool(_WHO_RECEIVES & set(officers.levels_of(session, account.id)))


def mailbox_of(account: Account) -> str | None:
    """Where letters to this person go, or None."""
    known = (account.contact, account.person.contact if account.person else None)
    return next((mailbox for text in known if text and (mailbox := find_mailbox(text))), None)
