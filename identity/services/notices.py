"""Which notice on personal data somebody was given, with its version and its whole text (R69)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.errors import UsageError
from db.models import (
    Account,
    NoticeGiven,
    NoticeText,
    Organisation,
    Person,
    Registration,
    TextAccepted,
)
from identity.office import Office
from identity.services import audit


class Audience(StrEnum):
    EVERYBODY = "everybody"
    PUPIL = "pupil"
    GUARDIAN = "guardian"


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One notice as it is shown."""

    sha256: str
    version: str
    audience: Audience
    language: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """That an account's owner was given a notice."""

    sha256: str
    version: str | None
    """None: from before texts were kept in the database."""
    at: datetime
    how: str


def store(office: Office, text: Text) -> None:
    """Keep the text by its hash; whoever has kept it before has kept the same.

    Raises:
        BackendUnavailable: the database does not answer.
    """
    with office.database.read() as session:
        if session.get(NoticeText, text.sha256) is not None:
            return
    try:
        with office.database.write() as session:
            session.add(
                NoticeText(
                    sha256=text.sha256,
                    version=text.version,
                    audience=text.audience,
                    language=text.language,
                    text=text.text,
                    first_at=office.clock(),
                )
            )
    except IntegrityError:
        return  # another process was faster


def give(
    session: Session,
    office: Office,
    sha256: str,
    accounts: Sequence[Account],
    how: str,
    actor: str,
) -> int:
    """Write that these were given the notice; how many had not been before.

    Raises:
        UsageError: nobody, or it is not said how.
    """
    if not how.strip():
        raise UsageError("say how they were given it: --how TEXT")
    if not accounts:
        raise UsageError("that names nobody")
    before = set(
        session.scalars(select(NoticeGiven.account_id).where(NoticeGiven.sha256 == sha256))
    )
    fresh = [account for account in accounts if account.id not in before]
    now = office.clock()
    session.add_all(
        NoticeGiven(account_id=account.id, sha256=sha256, at=now, how=how.strip(), actor=actor)
        for account in fresh
    )
    audit.record(session, now, actor, "notice:given", sha256, accounts=len(fresh))
    return len(fresh)


def accounts_of(session: Session, organisation: str, class_name: str | None) -> list[Account]:
    """The active accounts of people of an organisation, or of one of its classes."""
    statement = (
        select(Account)
        .join(Person, Person.id == Account.person_id)
        .join(Organisation, Organisation.id == Account.organisation_id)
        .where(Account.state == "active", Organisation.code == organisation)
    )
    if class_name is not None:
        statement = statement.where(Person.class_name == class_name)
    return list(session.scalars(statement).unique())


def given_to(session: Session, account: Account) -> list[Given]:
    """Every notice the owner of `account` accepted or was given, oldest first."""
    versions = {
        sha256: version
        for sha256, version in session.execute(select(NoticeText.sha256, NoticeText.version))
    }
    found = [
        Given(sha256=row.sha256, version=versions.get(row.sha256), at=row.at, how=row.how)
        for row in session.scalars(select(NoticeGiven).where(NoticeGiven.account_id == account.id))
    ]
    found += [
        Given(
            sha256=row.notice_hash,
            version=versions.get(row.notice_hash),
            at=row.created_at,
            how="accepted on the portal",
        )
        for row in session.scalars(
            select(Registration).where(
                Registration.account_id == account.id, Registration.notice_hash != ""
            )
        ).unique()
    ]
    found += [
        Given(sha256=row.sha256, version=row.version, at=row.at, how="accepted on the portal")
        for row in session.scalars(
            select(TextAccepted).where(
                TextAccepted.account_id == account.id, TextAccepted.kind == "privacy"
            )
        )
    ]
    return sorted(found, key=lambda one: one.at)


def find_untold(session: Session) -> Sequence[str]:
    """The user names of active people and guests who were given no notice."""
    told = select(NoticeGiven.account_id).union(
        select(Registration.account_id).where(
            Registration.account_id.is_not(None), Registration.notice_hash != ""
        ),
        select(TextAccepted.account_id).where(TextAccepted.kind == "privacy"),
    )
    return session.scalars(
        select(Account.username)
        .where(
            Account.state == "active",
            Account.kind.in_(("person", "guest")),
            Account.id.not_in(told),
        )
        .order_by(Account.username)
    ).all()
