"""The mailbox and the mobile number an account's owner has proven to read.

Named, confirmed by a code, taken out; at most one of each.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from common.errors import UsageError
from db.models import Account, VerifiedContact
from identity.domain.contacts import Channel, find_mailbox, mobile_number
from identity.office import Office
from identity.services import audit, codes, letters
from identity.services.codes import Errand, Purpose

_ABOUT = {Channel.MAIL: "mailbox", Channel.SMS: "mobile number"}


def clean(office: Office, channel: Channel, text: str) -> str:
    """One mailbox or mobile number, as it is stored.

    Raises:
        UsageError: it is none, more than one, or no short message may go there.
    """
    if channel is Channel.SMS:
        return mobile_number(text, office.config.sms.prefixes)
    return clean_mailbox(text)


def clean_mailbox(text: str) -> str:
    """One mailbox, trimmed; UsageError when it is none, or more than one."""
    mailbox = find_mailbox(text)
    if mailbox is None:
        raise UsageError("that is no e-mail address; write it like name@example.com")
    return mailbox


def address_of(session: Session, account_id: int, channel: Channel) -> str | None:
    """The proven mailbox or number of an account, or None."""
    contact = session.get(VerifiedContact, (account_id, channel))
    return contact.address if contact is not None else None


def begin(
    session: Session,
    office: Office,
    account: Account,
    channel: Channel,
    address: str,
    client_address: str,
) -> None:
    """Send a code to `address`; nothing is changed until it comes back.

    Raises:
        UsageError: `address` is no mailbox or number.
        TooManyMessages: too many codes in a day, or too soon.
        Refused: nothing is set up to send it with.
    """
    errand = Errand(
        purpose=Purpose.CONTACT,
        owner=account,
        channel=channel,
        recipient=clean(office, channel, address),
        about=f"{_ABOUT[channel]} of {account.username}",
        client_address=client_address,
    )
    codes.send(session, office, errand, letters.contact_code(office, account.username, channel))


def confirm(
    session: Session, office: Office, account: Account, channel: Channel, typed: str
) -> bool:
    """Keep the address that the code was sent to; False when it is no code of this account."""
    row = codes.find(session, office, Purpose.CONTACT, typed)
    if row is None or row.account_id != account.id or row.channel != channel:
        return False
    if not codes.use_up(session, office, row):
        return False
    keep(session, office, account, channel, row.recipient, "code")
    return True


def keep(
    session: Session, office: Office, account: Account, channel: Channel, address: str, how: str
) -> None:
    """Keep a mailbox or number whose owner has proven to read it; the old one is told."""
    now = office.clock()
    contact = session.get(VerifiedContact, (account.id, channel))
    if contact is None:
        session.add(
            VerifiedContact(
                account_id=account.id,
                channel=channel,
                address=address,
                verified_at=now,
                how=how,
            )
        )
    else:
        if contact.address != address:
            letters.tell_contact_changed(
                session, office, contact, account.username, is_replaced=True
            )
            codes.void_resets(session, office, account, channel)
        contact.address, contact.verified_at, contact.how = address, now, how
    audit.record(
        session,
        now,
        account.username,
        "contact:verified",
        account.username,
        how=how,
        channel=channel.value,
    )


def drop(session: Session, office: Office, account: Account, channel: Channel) -> None:
    """Take the mailbox or number out; it is told."""
    contact = session.get(VerifiedContact, (account.id, channel))
    if contact is None:
        return
    letters.tell_contact_changed(session, office, contact, account.username, is_replaced=False)
    codes.void_resets(session, office, account, channel)
    session.delete(contact)
    audit.record(
        session,
        office.clock(),
        account.username,
        "contact:removed",
        account.username,
        channel=channel.value,
    )
