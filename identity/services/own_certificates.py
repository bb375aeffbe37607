"""Client certificates that people take for their own devices, and the files they fetch them in.

The key of a certificate is in its file alone, and the file's password is told once and kept
nowhere. The file itself waits for an hour, encrypted, because the device that needs it is
seldom the browser that asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from common.errors import NotFound, Refused
from db.models import Account, Certificate, CertificateFile
from identity.office import Office
from identity.onboarding.profile import ClientFile
from identity.pki.authority import Kind, Reason
from identity.pki.folder import CaFolder
from identity.pki.pkcs12 import dump_pkcs12, make_password
from identity.services import certificates

FILE_LIFETIME = timedelta(hours=1)
_PURPOSE = "certificate file"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCertificate:
    """A new certificate; its password is in here and nowhere else."""

    serial: str
    ends_at: datetime
    password: str = field(repr=False)


class MadeBefore(Refused):
    """The same form was sent again; its password was told the first time."""


def may_have(office: Office, account: Account) -> bool:
    """Whether this site gives certificates to people of the account's role."""
    section = office.config.onboarding
    return (
        section.is_on
        and account.kind in ("person", "guest")
        and account.role.name in section.certificate_roles
        and "tls" in office.config.eap.methods
        and CaFolder(office.config.ca_dir).exists()
    )


def list_own(session: Session, account_id: int, now: datetime) -> Sequence[Certificate]:
    """The account's certificates in force, the one that ends first at the top."""
    return session.scalars(
        select(Certificate)
        .where(
            Certificate.account_id == account_id,
            Certificate.kind == Kind.CLIENT,
            Certificate.revoked_at.is_(None),
            Certificate.not_after > now,
        )
        .order_by(Certificate.not_after, Certificate.id)
    ).all()


def issue_own(office: Office, account: Account, key: str) -> OwnCertificate:
    """A certificate for one device of `account`, its file under `key`.

    Args:
        key: what the file is fetched by; random, and good for one certificate.

    Raises:
        Refused: the role has none, or the account has as many as it may.
        MadeBefore: there was one for this key.
    """
    section, now = office.config.onboarding, office.clock()
    if not may_have(office, account):
        raise Refused(f"people of the role {account.role.name} take no certificates here")
    with office.database.read() as session:
        held = len(list_own(session, account.id, now))
        if _find(session, account.id, key) is not None:
            raise MadeBefore("this certificate has been made already")
    if held >= section.certificates:
        raise Refused(f"{account.username} has {held} certificates, which is all; revoke one")
    issued = certificates.issue_client(
        office, account.username, account.username, days=section.certificate_days
    )
    password = make_password()
    above = [issued.chain[1], *(one for one in issued.trusted if one != issued.chain[1])]
    title = f"{issued.name} {office.config.site.name}"
    octets = dump_pkcs12(title, issued.key, issued.certificate, above, password)
    row = CertificateFile(
        key_digest=_digest(account.id, key),
        account_id=account.id,
        serial=issued.serial,
        ends_at=issued.ends_at,
        file_encrypted=office.vault.encrypt(octets, f"{_PURPOSE} {issued.serial}"),
        created_at=now,
        expires_at=now + FILE_LIFETIME,
    )
    try:
        with office.database.write() as session:
            session.add(row)
    except IntegrityError as error:
        # The same form was sent twice at one moment; one certificate is enough.
        certificates.revoke(office, account.username, issued.serial, Reason.SUPERSEDED)
        raise MadeBefore("this certificate has been made already") from error
    return OwnCertificate(serial=issued.serial, ends_at=issued.ends_at, password=password)


def file_of(session: Session, office: Office, account_id: int, key: str) -> ClientFile | None:
    """The file under `key`, while it waits and its certificate is in force."""
    now = office.clock()
    row = _find(session, account_id, key)
    if row is None or row.expires_at <= now:
        return None
    record = certificates.find_by_serial(session, row.serial)
    if record is None or record.revoked_at is not None:
        return None
    octets = office.vault.decrypt(row.file_encrypted, f"{_PURPOSE} {row.serial}")
    return ClientFile(pkcs12=octets, title=record.name, ends_at=row.ends_at)


def revoke_own(office: Office, account: Account, serial: str) -> None:
    """Take back one of the account's own certificates, at once.

    Raises:
        NotFound: it is not one of this account's, or not in force any more.
    """
    with office.database.read() as session:
        own = {row.serial for row in list_own(session, account.id, office.clock())}
    if certificates.clean_serial(serial) not in own:
        raise NotFound(f"{account.username} has no certificate {serial!r} in force")
    certificates.revoke(office, account.username, serial, Reason.UNSPECIFIED)


def drop_files(session: Session, now: datetime) -> int:
    """Delete the files whose hour is over; how many there were."""
    gone = session.scalars(
        delete(CertificateFile)
        .where(CertificateFile.expires_at <= now)
        .returning(CertificateFile.id)
    ).all()
    return len(gone)


def _find(session: Session, account_id: int, key: str) -> CertificateFile | None:
    return session.scalar(
        select(CertificateFile).where(CertificateFile.key_digest == _digest(account_id, key))
    )


def _digest(account_id: int, key: str) -> str:
    return hashlib.sha256(f"{account_id} {key}".encode()).hexdigest()
