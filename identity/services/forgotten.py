"""A forgotten password: a code to the proven mailbox, and with it another password.

Whoever asks learns nothing: not whether there is such an account, nor whether it has a mailbox.
An officer's password is no mailbox's to give: another administrator resets it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from common.errors import Refused
from common.net import site_of
from db.models import Account, Credential, VerifiedContact
from identity.domain.dynamic import Cause
from identity.office import Office
from identity.services import audit, dynamic, letters, mailed_codes, officers, people
from identity.services.mailed_codes import Purpose
from identity.services.snapshots import snapshot

CODES_A_DAY = 12
"""For one account: a mailbox that somebody floods hides the letter that matters."""

CODES_A_DAY_FROM_ONE_PLACE = 3
"""So that one stranger, who only has to know the name, does not use up the owner's."""

_NOBODY = "nobody"


def ask(session: Session, office: Office, typed: str, client_address: str) -> None:
    """Mail a code to the owner of the account that `typed` names, by user name or mailbox.

    Nothing tells the asker what came of it. That somebody asked is on record, once whether
    or not there is such an account: what was typed could be a password.
    """
    account = _find(session, typed)
    outcome = "nobody" if account is None else _ask_for(session, office, account, client_address)
    audit.record(
        session,
        office.clock(),
        "portal",
        "account:reset_asked",
        _NOBODY if account is None else account.username,
        outcome=outcome,
        address=client_address,
    )


def _find(session: Session, typed: str) -> Account | None:
    typed = typed.strip()
    account = people.find(session, typed)
    if account is not None or "@" not in typed:
        return account
    owners = session.scalars(
        select(Account)
        .join(VerifiedContact, VerifiedContact.account_id == Account.id)
        .where(func.lower(VerifiedContact.mailbox) == typed.casefold(), Account.state == "active")
        .limit(2)
    ).all()
    # A mailbox that two accounts share tells of neither which password is meant.
    return owners[0] if len(owners) == 1 else None


def _ask_for(session: Session, office: Office, account: Account, client_address: str) -> str:
    if officers.levels_of(session, account.id):
        return "officer"
    contact = session.get(VerifiedContact, account.id)
    now = office.clock()
    if contact is None or snapshot(session, account).refusal(now) is not None:
        return "no_mailbox" if contact is None else "not_active"
    try:
        if account.origin is not None:
            where = where_kept(office, account)
            letters.tell_where_to_reset(session, office, contact.mailbox, account.username, where)
            return "told_where"
        if session.get(Credential, account.id) is None:
            return "no_password"
        if _has_had_enough(session, account, client_address, now - timedelta(days=1)):
            return "too_many"
        code = mailed_codes.make(
            session, office, account.id, Purpose.RESET, contact.mailbox, client_address
        )
        minutes = int(mailed_codes.LIFETIME.total_seconds()) // 60
        letters.send_reset_code(session, office, contact.mailbox, account.username, code, minutes)
    except Refused:
        return "no_mail_server"
    return "mailed"


def _has_had_enough(
    session: Session, account: Account, client_address: str, since: datetime
) -> bool:
    askers = mailed_codes.askers_since(session, account.id, Purpose.RESET, since)
    from_here = [one for one in askers if site_of(one) == site_of(client_address)]
    return len(askers) >= CODES_A_DAY or len(from_here) >= CODES_A_DAY_FROM_ONE_PLACE


def where_kept(office: Office, account: Account) -> str:
    """Where the password of a directory's account is changed, in words."""
    name = (account.origin or "").partition(":")[2]
    directory = office.config.directory.get(name)
    return (directory.password_help if directory is not None else "") or name


def is_good(session: Session, office: Office, typed: str) -> bool:
    """Whether a code would let its bearer choose a password now; does not use it up."""
    return mailed_codes.find(session, office, Purpose.RESET, typed) is not None


def choose(
    session: Session,
    office: Office,
    typed: str,
    hashed: str,
    password: str,
    end_sessions: bool,
) -> Account | None:
    """Set the password of the account whose code this is; None when it is none any more."""
    row = mailed_codes.find(session, office, Purpose.RESET, typed)
    if row is None:
        return None
    account = session.get(Account, row.account_id)
    if account is None or account.origin is not None:
        return None
    if officers.levels_of(session, account.id):  # made one after the code was mailed
        return None
    if snapshot(session, account).refusal(office.clock()) is not None:
        return None
    if not mailed_codes.use_up(session, office, row):
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
