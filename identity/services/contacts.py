"""The mailbox an account's owner has proven to read: named, confirmed by a code, taken out."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from common.errors import Refused, UsageError
from db.models import Account, VerifiedContact
from identity.domain.contacts import find_mailbox
from identity.office import Office
from identity.services import audit, letters, mailed_codes
from identity.services.mailed_codes import Purpose

CODES_A_DAY = 5


def clean_mailbox(text: str) -> str:
    """One mailbox, trimmed; UsageError when it is none, or more than one."""
    mailbox = find_mailbox(text)
    if mailbox is None:
        raise UsageError("that is no e-mail address; write it like name@example.com")
    return mailbox


def mailbox_of(session: Session, account_id: int) -> str | None:
    """The proven mailbox of an account, or None."""
    contact = session.get(VerifiedContact, account_id)
    return contact.mailbox if contact is not None else None


def begin(
    session: Session, office: Office, account: Account, mailbox: str, client_address: str
) -> None:
    """Mail a code to `mailbox`; nothing is changed until it comes back.

    Raises:
        UsageError: `mailbox` is no mailbox.
        Refused: too many codes in a day, or no mail server is set up.
    """
    mailbox = clean_mailbox(mailbox)
    since = office.clock() - timedelta(days=1)
    if mailed_codes.made_since(session, account.id, Purpose.CONTACT, since) >= CODES_A_DAY:
        raise Refused("enough codes were mailed for today; try again tomorrow")
    code = mailed_codes.make(session, office, account.id, Purpose.CONTACT, mailbox, client_address)
    minutes = int(mailed_codes.LIFETIME.total_seconds()) // 60
    letters.send_mailbox_code(session, office, mailbox, account.username, code, minutes)


def confirm(session: Session, office: Office, account: Account, typed: str) -> bool:
    """Keep the mailbox that the code was mailed to; False when it is no code of this account."""
    row = mailed_codes.find(session, office, Purpose.CONTACT, typed)
    if row is None or row.account_id != account.id or not mailed_codes.use_up(session, office, row):
        return False
    keep(session, office, account, row.mailbox, "code")
    return True


def keep(session: Session, office: Office, account: Account, mailbox: str, how: str) -> None:
    """Keep a mailbox whose owner has proven to read it; the old one is told."""
    now = office.clock()
    contact = session.get(VerifiedContact, account.id)
    if contact is None:
        session.add(
            VerifiedContact(account_id=account.id, mailbox=mailbox, verified_at=now, how=how)
        )
    else:
        if contact.mailbox != mailbox:
            letters.tell_mailbox_changed(
                session, office, contact.mailbox, account.username, mailbox
            )
        contact.mailbox, contact.verified_at, contact.how = mailbox, now, how
    audit.record(session, now, account.username, "contact:verified", account.username, how=how)


def drop(session: Session, office: Office, account: Account) -> None:
    """Take the mailbox out; it is told."""
    contact = session.get(VerifiedContact, account.id)
    if contact is None:
        return
    letters.tell_mailbox_changed(session, office, contact.mailbox, account.username, "")
    session.delete(contact)
    audit.record(session, office.clock(), account.username, "contact:removed", account.username)
