"""Texts that the office publishes by version: rules of use, notices; and who accepted which (R12).

A version is never changed; what is in force is the newest. Whoever comes through the portal
accepts it once, and again when there is a new one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.orm import Session

from common.errors import Refused, UsageError
from db.models import Account, NoticeGiven, PublishedText, Registration, TextAccepted
from identity.office import Office
from identity.services import audit
from identity.services.notices import Audience

MAXIMUM_TEXT = 40_000
MAXIMUM_SUMMARY = 500
_VERSION = re.compile(r"[0-9A-Za-zก-๙][0-9A-Za-zก-๙./-]{0,39}")


class Kind(StrEnum):
    ACCEPTABLE_USE = "acceptable-use"
    PRIVACY = "privacy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One version in one language, as an officer wrote it."""

    text: str
    summary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Who accepts, and where from."""

    account: Account
    language: str
    client_address: str
    client_mac: str | None


def publish(
    session: Session,
    office: Office,
    kind: Kind,
    version: str,
    written: Mapping[str, Written],
    actor: str,
    audience: Audience = Audience.EVERYBODY,
) -> None:
    """Put a version into force, in every language of the site.

    Raises:
        UsageError: a language is missing, a text is empty or too long, the version is no name.
        Refused: there is such a version already.
    """
    version = version.strip()
    if not _VERSION.fullmatch(version):
        raise UsageError("name the version like 2569-1: letters, digits, dot, slash, hyphen")
    if kind is Kind.ACCEPTABLE_USE and audience is not Audience.EVERYBODY:
        raise UsageError("the rules of use are for everybody")
    for language in office.config.site.languages:
        text = written.get(language, Written(text="")).text
        if not text.strip():
            raise UsageError(f"the text is missing in this language: {language}")
        if len(text) > MAXIMUM_TEXT:
            raise UsageError(f"a text has at most {MAXIMUM_TEXT} characters")
        if len(written[language].summary) > MAXIMUM_SUMMARY:
            raise UsageError(f"what has changed is said in {MAXIMUM_SUMMARY} characters at most")
    known = select(PublishedText.id).where(
        PublishedText.kind == kind,
        PublishedText.audience == audience,
        PublishedText.version == version,
    )
    if session.scalar(known.limit(1)) is not None:
        raise Refused(f"version {version!r} was published before; give the new one a new name")
    now = office.clock()
    hashes = {}
    for language in office.config.site.languages:
        text = written[language].text.replace("\r\n", "\n")
        hashes[language] = hashlib.sha256(text.encode()).hexdigest()
        session.add(
            PublishedText(
                kind=kind,
                audience=audience,
                language=language,
                version=version,
                text=text,
                summary=written[language].summary.strip(),
                sha256=hashes[language],
                published_at=now,
                published_by=actor,
            )
        )
    audit.record(
        session,
        now,
        actor,
        "text:published",
        f"{kind} {version}",
        audience=audience,
        **{f"sha256_{language}": digest for language, digest in hashes.items()},
    )


def in_force(
    session: Session, kind: Kind, language: str, audience: Audience = Audience.EVERYBODY
) -> PublishedText | None:
    """The newest version, in this language where it has it; None when none was published."""
    of_kind = select(PublishedText).where(
        PublishedText.kind == kind, PublishedText.audience == audience
    )
    newest = session.scalar(of_kind.order_by(PublishedText.id.desc()).limit(1))
    if newest is None or newest.language == language:
        return newest
    return (
        session.scalar(
            of_kind.where(
                PublishedText.version == newest.version, PublishedText.language == language
            )
        )
        or newest
    )


def all_versions(session: Session) -> Sequence[PublishedText]:
    """Everything that was published, the newest first."""
    return session.scalars(select(PublishedText).order_by(PublishedText.id.desc())).all()


def not_accepted(session: Session, account_id: int, language: str) -> list[PublishedText]:
    """What is in force for everybody and not accepted by this account yet."""
    if session.scalar(select(PublishedText.sha256).limit(1)) is None:
        return []  # every login asks, and most sites have published nothing
    found = []
    for kind in Kind:
        text = in_force(session, kind, language)
        if text is not None and not _has_accepted(session, account_id, text):
            found.append(text)
    return found


def _has_accepted(session: Session, account_id: int, text: PublishedText) -> bool:
    accepted = select(TextAccepted.id).where(
        TextAccepted.account_id == account_id,
        TextAccepted.kind == text.kind,
        TextAccepted.version == text.version,
    )
    if session.scalar(accepted.limit(1)) is not None:
        return True
    if text.kind != Kind.PRIVACY:
        return False
    # A notice may have been handed out, or read while registering.
    hashes = select(PublishedText.sha256).where(
        PublishedText.kind == text.kind,
        PublishedText.audience == text.audience,
        PublishedText.version == text.version,
    )
    given = exists().where(NoticeGiven.account_id == account_id, NoticeGiven.sha256.in_(hashes))
    read = exists().where(
        Registration.account_id == account_id, Registration.notice_hash.in_(hashes)
    )
    return bool(session.scalar(select(or_(given, read))))


def has_accepted_before(session: Session, account_id: int, kind: str) -> bool:
    """Whether the account has accepted any version: then what has changed is of interest."""
    return bool(
        session.scalar(
            select(exists().where(TextAccepted.account_id == account_id, TextAccepted.kind == kind))
        )
    )


def accept(session: Session, office: Office, reader: Reader, text: PublishedText) -> None:
    """Write that `reader` accepted this version; again is no harm."""
    before = select(TextAccepted.id).where(
        TextAccepted.account_id == reader.account.id,
        TextAccepted.kind == text.kind,
        TextAccepted.version == text.version,
    )
    if session.scalar(before) is not None:
        return
    now = office.clock()
    session.add(
        TextAccepted(
            account_id=reader.account.id,
            kind=text.kind,
            version=text.version,
            language=reader.language,
            sha256=text.sha256,
            at=now,
            client_address=reader.client_address,
            client_mac=reader.client_mac,
        )
    )
    audit.record(
        session,
        now,
        reader.account.username,
        "text:accepted",
        f"{text.kind} {text.version}",
        sha256=text.sha256,
    )


def accepted_by(session: Session, account_id: int) -> Sequence[TextAccepted]:
    """Every version the account accepted, oldest first."""
    return session.scalars(
        select(TextAccepted).where(TextAccepted.account_id == account_id).order_by(TextAccepted.id)
    ).all()


def find_not_accepted(
    session: Session, text: PublishedText, *among: ColumnElement[bool], limit: int | None = None
) -> Sequence[Account]:
    """Active people and guests who have not accepted this version, by name.

    Who never opens the portal, because 802.1X lets them in, is among them.

    Args:
        among: further conditions, such as which accounts an officer may see.
    """
    return (
        session.scalars(
            select(Account).where(*_silent(text), *among).order_by(Account.username).limit(limit)
        )
        .unique()
        .all()
    )


def count_not_accepted(session: Session, text: PublishedText, *among: ColumnElement[bool]) -> int:
    """How many `find_not_accepted` finds."""
    counted = select(func.count()).select_from(Account).where(*_silent(text), *among)
    return session.scalar(counted) or 0


def _silent(text: PublishedText) -> tuple[ColumnElement[bool], ...]:
    accepted = exists().where(
        TextAccepted.account_id == Account.id,
        TextAccepted.kind == text.kind,
        TextAccepted.version == text.version,
    )
    return (Account.state == "active", Account.kind.in_(("person", "guest")), ~accepted)
