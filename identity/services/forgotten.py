"""A forgotten password: a code to the proven mailbox or telephone, and with it another password.

Whoever asks learns nothing: not whether there is such an account, nor whether it has a mailbox.
An officer's password is no mailbox's to give: another administrator resets it.
"""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from common.errors import Refused, UsageError
from db.models import Account, Credential, VerifiedContact
from identity.domain.contacts import Channel, find_number
from identity.domain.dynamic import Cause
from identity.office import Office
from identity.services import audit, codes, dynamic, letters, officers, people
from identity.services.codes import Errand, Purpose
from identity.services.messages import TooManyMessages
from identity.services.snapshots import snapshot

_NOBODY = "nobody"


def ask(session: Session, office: Office, typed: str, client_address: str) -> None:
    """Send a code to the owner of the account that `typed` names.

    That is a user name, a proven mailbox or a proven mobile number.

    Nothing tells the asker what came of it. That somebody asked is on record, once whether
    or not there is such an account: what was typed could be a password.
    """
    account, channel = _find(session, typed)
    outcome = "nobody"
    if account is not None:
        outcome = _ask_for(session, office, account, channel, client_address)
    audit.record(
        session,
        office.clock(),
        "portal",
        "account:reset_asked",
        _NOBODY if account is None else account.username,
        outcome=outcome,
        address=client_address,
    )


def _find(session: Session, typed: str) -> tuple[Account | None, Channel | None]:
    """Whose password is meant, and how they are to be reached where `typed` says so."""
    typed = typed.strip()
    account = people.find(session, typed)
    if account is not None:
        return account, None
    mailbox, number = ("@" in typed and typed.casefold()), find_number(typed)
    channel = Channel.MAIL if mailbox else Channel.SMS
    if not (mailbox or number):
        return None, None
    owners = session.scalars(
        select(Account)
        .join(VerifiedContact, VerifiedContact.account_id == Account.id)
        .where(
            VerifiedContact.channel == channel,
            func.lower(VerifiedContact.address) == (mailbox or number),
            Account.state == "active",
        )
        .limit(2)
    ).all()
    # A mailbox that two accounts share tells of neither which password is meant.
    return (owners[0], channel) if len(owners) == 1 else (None, None)


def _ask_for(
    session: Session, office: Office, account: Account, wanted: Channel | None, client_address: str
) -> str:
    if officers.levels_of(session, account.id):
        return "officer"
    contact = _contact(session, office, account, wanted)
    if contact is None:
        return "no_contact"
    if snapshot(session, account).refusal(office.clock()) is not None:
        return "not_active"
    if account.origin is not None:
        where = where_kept(office, account)
        letters.tell_where_to_reset(
            session, office, contact, account.username, where, client_address
        )
        return "told_where"
    if session.get(Credential, account.id) is None:
        return "no_password"
    channel = Channel(contact.channel)
    errand = Errand(
        purpose=Purpose.RESET,
        owner=account,
        channel=channel,
        recipient=contact.address,
        about=f"password reset of {account.username}",
        client_address=client_address,
    )
    try:
        codes.send(session, office, errand, letters.reset_code(office, account.username, channel))
    except TooManyMessages:
        return "too_many"
    except (Refused, UsageError):  # a country that short messages may go to no longer
        return "cannot_send"
    return "mailed" if channel is Channel.MAIL else "sent_by_sms"


def _contact(
    session: Session, office: Office, account: Account, wanted: Channel | None
) -> VerifiedContact | None:
    """Where a code can go: as whoever asks has named it, else the mailbox, else the telephone."""
    for channel in Channel if wanted is None else (wanted,):
        contact = session.get(VerifiedContact, (account.id, channel))
        if contact is not None and can_send(office, channel):
            return contact
    return None


def can_send(office: Office, channel: Channel) -> bool:
    """Whether anything is set up that carries a code this way."""
    return bool(office.config.mail.host if channel is Channel.MAIL else office.config.sms.url)


def where_kept(office: Office, account: Account) -> str:
    """Where the password of a directory's account is changed, in words."""
    name = (account.origin or "").partition(":")[2]
    directory = office.config.directory.get(name)
    return (directory.password_help if directory is not None else "") or name


def is_good(session: Session, office: Office, typed: str) -> bool:
    """Whether a code would let its bearer choose a password now; does not use it up."""
    return codes.find(session, office, Purpose.RESET, typed) is not None


def choose(
    session: Session,
    office: Office,
    typed: str,
    hashed: str,
    password: str,
    end_sessions: bool,
) -> Account | None:
    """Set the password of the account whose code this is; None when it is none any more."""
    row = codes.find(session, office, Purpose.RESET, typed)
    if row is None:
        return None
    account = session.get(Account, row.account_id)
    if account is None or account.origin is not None:
        return None
    if officers.levels_of(session, account.id):  # made one after the code was mailed
        return None
    if snapshot(session, account).refusal(office.clock()) is not None:
        return None
    if not codes.use_up(session, office, row):
        return None
    people.set_password(session, office, account.username, hashed, account.username, password)
    audit.record(
        session, office.clock(), account.username, "account:password_reset", account.username
    )
    if end_sessions:
        dynamic.disconnect_accounts(
            session, office.clock(), [account.id], Cause.OWNER, account.username
        )
    return account
